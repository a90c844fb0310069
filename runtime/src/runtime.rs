//! The runtime to embed: plain blocking closures in, answers out.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::backend::threads::{Context, Crew, Shared, Work, clock, pause};
use crate::builder::{Builder, Chosen, class_id};
use crate::hint::ClassId;
use crate::ingress::{Admission, Offer};
use crate::stall::StallMeters;
use crate::stats::{ClassStats, StageReader, Stats};
use crate::ticket::{Answering, Reply, RequestError, Ticket};

/// What [`Builder::build`] puts together.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) names: Vec<String>,
    pub(crate) reader: StageReader,
    pub(crate) crew: AnyCrew,
    pub(crate) is_cramped: bool,
    pub(crate) chosen: Chosen,
}

/// The worker threads, by backend.
#[derive(Debug)]
pub(crate) enum AnyCrew {
    Threads(Crew),
    #[cfg(feature = "kernel")]
    Kernel(crate::backend::kernel::Crew),
}

impl AnyCrew {
    /// Waits for all threads to end, for at most `patience`. Returns how many still run.
    fn end(self, patience: Duration) -> usize {
        match self {
            Self::Threads(crew) => crew.end(patience),
            #[cfg(feature = "kernel")]
            Self::Kernel(crew) => crew.end(patience),
        }
    }
}

impl Parts {
    /// The dispatcher could not be started.
    pub(crate) fn abandon(self) {
        self.shared.abandon();
        let _no_request_ran = self.crew.end(SHUTDOWN_PATIENCE);
    }
}

/// How long a dropped runtime waits for requests that were told to end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(500);

/// Looks for the dispatcher's answer, 100 us apart: a second in all, ten times what a busy machine's
/// scheduler makes a thread wait.
const STATS_ATTEMPTS: usize = 10_000;

/// A request that was not over when the drain's time was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its class.
    pub class: String,
    /// Since its arrival.
    pub age: Duration,
    /// Whether it had begun.
    pub has_begun: bool,
}

/// What a drain left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Requests that were not over. They were told to end, and run on under the kernel's scheduler
    /// if they do not.
    pub leftovers: Vec<Leftover>,
}

/// Schedules requests over this process's native threads.
#[derive(Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
    admission: Arc<Admission>,
    names: Vec<String>,
    reader: Mutex<StageReader>,
    crew: Option<AnyCrew>,
    dispatcher: Option<JoinHandle<()>>,
    is_cramped: bool,
    chosen: Chosen,
}

impl Runtime {
    /// Begins to build a runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(parts: Parts, dispatcher: JoinHandle<()>) -> Self {
        let Parts { shared, admission, names, reader, crew, is_cramped, chosen } = parts;
        Self {
            shared,
            admission,
            names,
            reader: Mutex::new(reader),
            crew: Some(crew),
            dispatcher: Some(dispatcher),
            is_cramped,
            chosen,
        }
    }

    /// Submits plain, blocking work of the named class. The answer, or why there is none, is the
    /// ticket's; a rejection is known at once.
    pub fn submit<R, F>(&self, class: &str, work: F) -> Ticket<R>
    where
        R: Send + 'static,
        F: FnOnce(&Context<'_>) -> R + Send + 'static,
    {
        match self.class(class) {
            Some(id) => self.submit_to(id, work),
            None => {
                let reply = Reply::new();
                let (name, known) = (class.to_owned(), self.names.join(", "));
                reply.overrule(Err(RequestError::UnknownClass { name, known }));
                Ticket::new(reply, None)
            }
        }
    }

    /// Submits work of a class known by number: saves looking the name up.
    pub fn submit_to<R, F>(&self, class: ClassId, work: F) -> Ticket<R>
    where
        R: Send + 'static,
        F: FnOnce(&Context<'_>) -> R + Send + 'static,
    {
        let reply = Reply::new();
        let mut answering = Answering::new(Arc::clone(&reply));
        let work = Work::Once(Box::new(move |turn| match turn {
            Ok(context) => {
                answering.begin();
                let value = work(context);
                // The requester takes the same lock: it should not wait for a parked holder.
                context.no_preempt(|| {
                    context.settle();
                    answering.answer(value);
                });
            }
            Err(ending) => answering.refuse(ending),
        }));
        let now_ns = clock::now_ns();
        match self.admission.admit(now_ns, Offer { class, arrived_ns: now_ns, work }) {
            Ok(task) => Ticket::new(reply, Some((Arc::clone(&self.shared), task))),
            Err(rejected) => {
                reply.overrule(Err(rejected.into()));
                Ticket::new(reply, None)
            }
        }
    }

    /// A class's number, by its name.
    pub fn class(&self, name: &str) -> Option<ClassId> {
        class_id(&self.names, name)
    }

    /// The way in for code that brings requests of its own kind.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The stall meters of the dispatcher and the worker CPUs.
    pub fn stalls(&self) -> &StallMeters {
        &self.shared.stalls
    }

    /// What schedules the requests, and why that.
    pub fn backend(&self) -> &Chosen {
        &self.chosen
    }

    /// Dispatcher and workers share one CPU: it works, but they take turns.
    pub fn is_degraded(&self) -> bool {
        self.is_cramped
    }

    /// Everything the runtime knows about itself, now. Takes up to a few dispatcher turns; without a
    /// dispatcher, the stages are as they last were.
    pub fn stats(&self) -> Stats {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.ask();
        self.shared.ring_dispatcher();
        // A dispatcher that is there answers within a turn; on a busy machine its turn may come late.
        for _ in 0..STATS_ATTEMPTS {
            if reader.take() || self.shared.is_orphaned() || self.dispatcher.is_none() {
                break;
            }
            pause(Duration::from_micros(100));
        }
        let sum = reader.sum().clone();
        let class = |(index, name): (usize, &String)| ClassStats {
            name: name.clone(),
            counts: self.shared.class(ClassId(index as u16)).counts(),
            stages: sum.classes[index].clone(),
        };
        Stats {
            classes: self.names.iter().enumerate().map(class).collect(),
            agent: sum.agent,
            policy: sum.policy,
            threads: self.shared.thread_counters(),
            switch_times: sum.switch_times,
            ring_overflows: sum.ring_overflows,
            is_orphaned: self.shared.is_orphaned(),
            is_degraded: self.is_cramped,
        }
    }

    /// Accepts nothing more, waits up to `patience` for what was accepted, then tells the rest to
    /// end and reports it. [`Runtime::stats`] stays available.
    pub fn drain(&mut self, patience: Duration) -> Drained {
        self.admission.close();
        if self.wait_until_empty(patience) {
            self.shut_down();
            return Drained::default();
        }
        let leftovers = self.shared.leftovers(clock::now_ns(), &self.names);
        self.shared.abort();
        self.wait_until_empty(SHUTDOWN_PATIENCE);
        self.shut_down();
        Drained { leftovers }
    }

    #[allow(clippy::disallowed_methods, reason = "waiting for real threads takes real time")]
    fn wait_until_empty(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.shared.in_flight() > 0 {
            if Instant::now() >= until {
                return false;
            }
            pause(Duration::from_micros(200));
        }
        true
    }

    fn shut_down(&mut self) {
        let Some(crew) = self.crew.take() else { return };
        if self.shared.in_flight() > 0 {
            // Somebody does not listen: the kernel takes over, and the threads end when they do.
            self.shared.abandon();
        }
        self.shared.stop();
        self.shared.ring_dispatcher();
        if let Some(dispatcher) = self.dispatcher.take() {
            // It catches its own panics; what is left to report has been counted.
            let _reported = dispatcher.join();
        }
        let _still_running = crew.end(SHUTDOWN_PATIENCE);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.crew.is_some() {
            self.admission.close();
            if self.shared.in_flight() > 0 {
                self.shared.abort();
                self.wait_until_empty(SHUTDOWN_PATIENCE);
            }
            self.shut_down();
        }
    }
}
