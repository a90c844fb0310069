//! The way in: how requests reach the dispatcher, and how they are turned away.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::threads::{Completion, Refusal, Shared, Submission, Work};
use crate::class::Class;
use crate::hint::{ClassId, Hints};
use crate::sync::{AtomicBool, Ordering};
use crate::task::TaskId;

/// Brings requests to the dispatcher from its own thread: a generator, a network ring. Polled once a
/// turn, so that one CPU serves both. It must not wait for a lock that a request may hold while it is
/// preempted, the allocator's among them: nobody else could have the request go on. An ingress that
/// allocates therefore runs its requests in [`crate::Context::no_preempt`], with
/// [`crate::Context::relent`] as their safepoints.
pub trait Ingress: Send {
    /// Takes in what has arrived by `now_ns` (CLOCK_MONOTONIC).
    fn poll(&mut self, now_ns: u64, admission: &Admission);

    /// A request that this or another ingress brought is over.
    fn completed(&mut self, _completion: &Completion) {}

    /// When it wants to be polled next; `None`: all the time. The dispatcher sleeps until then if
    /// there is nothing else to do.
    fn next_ns(&self, now_ns: u64) -> Option<u64>;

    /// An eventfd that wakes it from [`Self::sleep`]; asked for once, before the first poll. `None`:
    /// nothing outside this process can bring news, and the dispatcher sleeps by itself.
    fn bell(&self) -> Option<File> {
        None
    }

    /// Sleeps until there is something to poll for, the bell is rung, or `time` has passed; may
    /// return early. Called only of an ingress that has a bell.
    fn sleep(&mut self, _time: Duration) {}
}

/// No ingress: requests come through [`crate::Runtime::submit`] only.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubmitOnly;

impl Ingress for SubmitOnly {
    fn poll(&mut self, _now_ns: u64, _admission: &Admission) {}

    fn next_ns(&self, _now_ns: u64) -> Option<u64> {
        Some(u64::MAX)
    }
}

/// Why a request was turned away. It did not begin, and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Too many of its class, or of all, are in flight.
    #[error("overloaded: try again in {retry_after:?}")]
    Overloaded {
        /// When a place should be free.
        retry_after: Duration,
    },
    /// Its deadline has passed.
    #[error("expired: the deadline passed before the request could begin")]
    Expired,
    /// The runtime accepts nothing any more.
    #[error("shutting down: the runtime accepts no more requests")]
    ShuttingDown,
    /// The class was not named at start-up.
    #[error("unknown class: no class has number {0}; name it with Builder::class")]
    UnknownClass(u16),
}

/// Accepts requests, within their classes' bounds.
#[derive(Debug)]
pub struct Admission {
    shared: Arc<Shared>,
    classes: Box<[Class]>,
    is_closed: AtomicBool,
}

/// A request as it is offered.
#[derive(Debug)]
pub struct Offer {
    /// Its class.
    pub class: ClassId,
    /// When it was meant to arrive: latency and deadline count from here.
    pub arrived_ns: u64,
    /// What to do.
    pub work: Work,
}

impl Admission {
    pub(crate) fn new(shared: Arc<Shared>, classes: Vec<Class>) -> Self {
        Self { shared, classes: classes.into(), is_closed: AtomicBool::new(false) }
    }

    /// Accepts a request at `now_ns`, or says why not.
    ///
    /// # Errors
    /// [`Rejected`]; the request's work was dropped without being begun.
    pub fn admit(&self, now_ns: u64, offer: Offer) -> Result<TaskId, Rejected> {
        self.admit_until(now_ns, offer, None)
    }

    /// As [`Self::admit`], with a deadline of the request's own if it is earlier than its class's.
    ///
    /// # Errors
    /// [`Rejected`]; the request's work was dropped without being begun.
    pub fn admit_until(
        &self,
        now_ns: u64,
        offer: Offer,
        own_deadline_ns: Option<u64>,
    ) -> Result<TaskId, Rejected> {
        let Offer { class: id, arrived_ns, work } = offer;
        let class = self.classes.get(id.index()).ok_or(Rejected::UnknownClass(id.0))?;
        let gauge = self.shared.class(id);
        let deadline_ns = class.deadline.map(|d| arrived_ns.saturating_add(d.as_nanos() as u64));
        let deadline_ns = [deadline_ns, own_deadline_ns].into_iter().flatten().min();
        if self.is_closed.load(Ordering::Relaxed) {
            gauge.refuse(Refusal::ShuttingDown);
            return Err(Rejected::ShuttingDown);
        }
        if deadline_ns.is_some_and(|deadline_ns| now_ns > deadline_ns) {
            gauge.refuse(Refusal::Expired);
            return Err(Rejected::Expired);
        }
        if !gauge.enter(class.in_flight_max) {
            return Err(self.overloaded(id));
        }
        let hints = Hints { class: id, tier: class.tier, deadline_ns, weight: class.weight };
        let token = work.token();
        let submission = Submission { hints, arrived_ns, admitted_ns: now_ns, token, work };
        self.shared.submit(submission).map_err(|_no_slot| {
            gauge.undo();
            self.overloaded(id)
        })
    }

    /// Whoever asked for an admitted request has gone: if it has not begun it never will, and if it
    /// has it may find out by [`crate::Context::is_cancelled`]. It completes all the same.
    pub fn cancel(&self, task: TaskId) {
        self.shared.cancel(task);
    }

    fn overloaded(&self, id: ClassId) -> Rejected {
        let gauge = self.shared.class(id);
        gauge.refuse(Refusal::Overloaded);
        Rejected::Overloaded { retry_after: gauge.retry_after(self.shared.lane_count()) }
    }

    /// Accepts nothing from now on.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// The classes, by number.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }
}
