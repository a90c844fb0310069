//! Tickets: a submitted request's answer, to be waited for by a thread or a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::backend::threads::{Ending, Shared};
use crate::ingress::Rejected;
use crate::task::TaskId;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It was turned away, now or when its turn came.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Its class was not named when the runtime was built.
    #[error("class: no class is called `{name}`; there are: {known}")]
    UnknownClass {
        /// The name it was submitted under.
        name: String,
        /// The names there are.
        known: String,
    },
    /// It was cancelled before it began.
    #[error("cancelled before it began")]
    Cancelled,
    /// Its work panicked; the panic's message is on stderr.
    #[error("the request's work panicked")]
    Panicked,
    /// It is not over yet, but the caller's patience is.
    #[error("no answer within the time given")]
    TimedOut,
}

/// What the answer's two sides share.
#[derive(Debug)]
pub(crate) struct Reply<R> {
    state: Mutex<State<R>>,
    arrived: Condvar,
}

#[derive(Debug)]
enum State<R> {
    Waiting(Option<Waker>),
    Ready(Result<R, RequestError>),
    Taken,
}

impl<R> Reply<R> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Waiting(None)), arrived: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // Nothing between lock and unlock panics but the application's drops and wakers; the state
        // is whole at each of them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers the answer. Later deliveries are ignored: the first word stands.
    pub(crate) fn deliver(&self, answer: Result<R, RequestError>) {
        let mut state = self.lock();
        let State::Waiting(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Ready(answer);
        drop(state);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The request was turned away at the door: this is the word that stands.
    pub(crate) fn overrule(&self, answer: Result<R, RequestError>) {
        *self.lock() = State::Ready(answer);
    }

    fn take(state: &mut State<R>) -> Option<Result<R, RequestError>> {
        match std::mem::replace(state, State::Taken) {
            State::Ready(answer) => Some(answer),
            other => {
                *state = other;
                None
            }
        }
    }
}

/// Delivers "panicked" or "cancelled" if the work is dropped without having answered.
#[derive(Debug)]
pub(crate) struct Answering<R> {
    reply: Option<Arc<Reply<R>>>,
    otherwise: RequestError,
}

impl<R> Answering<R> {
    /// For work that has not begun: dropping it means it never will.
    pub(crate) fn new(reply: Arc<Reply<R>>) -> Self {
        Self { reply: Some(reply), otherwise: RequestError::Cancelled }
    }

    /// The work begins: from here on a drop means a panic.
    pub(crate) fn begin(&mut self) {
        self.otherwise = RequestError::Panicked;
    }

    /// The work never begins.
    pub(crate) fn refuse(mut self, ending: Ending) {
        if ending == Ending::Expired {
            self.otherwise = RequestError::Rejected(Rejected::Expired);
        }
    }

    pub(crate) fn answer(mut self, value: R) {
        if let Some(reply) = self.reply.take() {
            reply.deliver(Ok(value));
        }
    }
}

impl<R> Drop for Answering<R> {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            reply.deliver(Err(self.otherwise.clone()));
        }
    }
}

/// A claim on a submitted request's answer. Dropping it gives up the answer, not the request.
#[derive(Debug)]
pub struct Ticket<R> {
    reply: Arc<Reply<R>>,
    /// `None`: the request was turned away at the door.
    request: Option<(Arc<Shared>, TaskId)>,
}

impl<R> Ticket<R> {
    pub(crate) fn new(reply: Arc<Reply<R>>, request: Option<(Arc<Shared>, TaskId)>) -> Self {
        Self { reply, request }
    }

    /// Blocks until the answer is there.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait(self) -> Result<R, RequestError> {
        let mut state = self.reply.lock();
        loop {
            if let Some(answer) = Reply::take(&mut state) {
                return answer;
            }
            state = self.reply.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks until the answer is there or `patience` has passed; the ticket stays valid then.
    ///
    /// # Errors
    /// Why there is none; [`RequestError::TimedOut`] if there may be one later.
    #[allow(clippy::disallowed_methods, reason = "waiting for real threads takes real time")]
    pub fn wait_for(&mut self, patience: Duration) -> Result<R, RequestError> {
        let until = Instant::now() + patience;
        let mut state = self.reply.lock();
        loop {
            if let Some(answer) = Reply::take(&mut state) {
                return answer;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RequestError::TimedOut);
            }
            let waited = self.reply.arrived.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Loses interest: a request that has not begun never will; one that has finds out by
    /// [`crate::Context::is_cancelled`].
    pub fn cancel(&self) {
        if let Some((shared, task)) = &self.request {
            shared.cancel(*task);
        }
    }

    /// The request's task id; `None` if it was turned away at the door.
    pub fn task(&self) -> Option<TaskId> {
        self.request.as_ref().map(|(_, task)| *task)
    }
}

impl<R> Future for Ticket<R> {
    type Output = Result<R, RequestError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.reply.lock();
        if let Some(answer) = Reply::take(&mut state) {
            return Poll::Ready(answer);
        }
        assert!(matches!(*state, State::Waiting(_)), "a ticket is polled after it was ready");
        *state = State::Waiting(Some(context.waker().clone()));
        Poll::Pending
    }
}
