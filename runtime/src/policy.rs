//! Policies: who runs next. Pure: time is an argument, randomness comes from a seed given at
//! construction, and nothing is read or written but the policy itself.

mod batch_tier;
mod fifo;
mod fifo_percpu;
mod kind;
mod quantum;
mod run_queue;
mod share;
mod shinjuku;
mod two_queue;

pub use batch_tier::BatchTier;
pub use fifo::Fifo;
pub use fifo_percpu::FifoPerCpu;
pub use kind::{AnyPolicy, PolicyKind, PolicyOptionError, PolicyOptions, UnknownPolicy};
pub use run_queue::{RunQueue, RunQueues};
pub use shinjuku::Shinjuku;
pub use two_queue::{Demotion, TwoQueue, TwoQueueOptions};

use crate::enclave::Enclave;
use crate::message::{Message, MessageKind};
use crate::offer::Offers;
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// What a policy did, by reason. Decisions count when they are made, also those that came too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCounters {
    /// Tasks declared long.
    pub demoted: u64,
    /// Tasks that were not preempted because too many started ones wait.
    pub demotions_refused: u64,
    /// Running tasks replaced by one that had just arrived.
    pub preempted_on_arrival: u64,
    /// Running tasks replaced because their quantum was over.
    pub preempted_quantum: u64,
    /// Running batch tasks replaced by a latency-critical one.
    pub preempted_batch: u64,
    /// Slices given to demoted tasks ahead of fresh ones, for their minimum share.
    pub shares_granted: u64,
    /// Slices given to batch tasks ahead of latency-critical ones, for their minimum share.
    pub batch_shares_granted: u64,
    /// The attained service beyond which a task counts as long, now; `None` if the policy has none.
    pub demotion_threshold_ns: Option<u64>,
}

/// Decides which task runs on which CPU.
///
/// The agent tells the policy what happened through the callbacks, then asks it to decide, then
/// tells it which decisions failed. A callback whose event does not matter keeps its empty default.
/// Tasks are named by id between calls; `enclave` says what is known of them now.
///
/// A policy allocates only in [`Policy::attach`].
pub trait Policy {
    /// The name used on command lines and in reports.
    fn name(&self) -> &'static str;

    /// Whether its options make sense; a runtime is not built with one whose options do not.
    ///
    /// # Errors
    /// The first option that does not.
    fn validate(&self) -> Result<(), PolicyOptionError> {
        Ok(())
    }

    /// Called before anything else, and again whenever the agent had to rebuild its image: forget
    /// all tasks; every runnable one follows as [`Policy::task_new`].
    fn attach(&mut self, enclave: &Enclave);

    /// A task entered, runnable. It may have run before: see [`Task::runtime_ns`].
    fn task_new(&mut self, now_ns: u64, task: &Task);

    /// A blocked task is runnable again.
    fn task_wakeup(&mut self, now_ns: u64, task: &Task) {
        self.task_new(now_ns, task);
    }

    /// A task lost its CPU.
    fn task_preempted(&mut self, now_ns: u64, task: &Task) {
        self.task_new(now_ns, task);
    }

    /// A task gave up its CPU.
    fn task_yield(&mut self, now_ns: u64, task: &Task) {
        self.task_preempted(now_ns, task);
    }

    /// A latched task could not run.
    fn task_latch_failed(&mut self, now_ns: u64, task: &Task) {
        self.task_preempted(now_ns, task);
    }

    /// A task waits for an event; its CPU is free.
    fn task_blocked(&mut self, _now_ns: u64, _task: &Task) {}

    /// A task began to run.
    fn task_on_cpu(&mut self, _now_ns: u64, _task: &Task) {}

    /// A task finished or left. Its record is as it was last; its id must not be used again.
    fn task_dead(&mut self, _now_ns: u64, _task: &Task) {}

    /// Another message: ticks, CPUs coming and going, affinities, priorities.
    fn other(&mut self, _now_ns: u64, _message: &Message, _enclave: &Enclave) {}

    /// Decides. Pushes transactions for tasks that are queued, on CPUs that are idle or whose task
    /// may be preempted.
    ///
    /// Returns when the policy wants to decide again even if no message arrives; `None`: only then.
    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64>;

    /// A transaction failed, and its task is still queued.
    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction);

    /// Offers tasks that any CPU about to idle may take without asking, best first: those that
    /// [`Self::schedule`] would place there. Called after the transactions were committed, where
    /// the backend has a use for it.
    fn offer(&self, _enclave: &Enclave, _offers: &mut Offers) {}

    /// What the policy did so far.
    fn counters(&self) -> PolicyCounters {
        PolicyCounters::default()
    }
}

/// Hands a message that was taken in to the callback it belongs to. `task` is its record after the
/// message, or, for a task that died, before.
pub(crate) fn deliver<P: Policy>(
    policy: &mut P,
    now_ns: u64,
    message: &Message,
    task: Option<&Task>,
    enclave: &Enclave,
) {
    let Some(task) = task else {
        return policy.other(now_ns, message, enclave);
    };
    match message.kind {
        MessageKind::TaskNew => policy.task_new(now_ns, task),
        MessageKind::TaskWakeup => policy.task_wakeup(now_ns, task),
        MessageKind::TaskPreempted => policy.task_preempted(now_ns, task),
        MessageKind::TaskYield => policy.task_yield(now_ns, task),
        MessageKind::TaskLatchFailed => policy.task_latch_failed(now_ns, task),
        MessageKind::TaskBlocked => policy.task_blocked(now_ns, task),
        MessageKind::TaskOnCpu => policy.task_on_cpu(now_ns, task),
        MessageKind::TaskDead | MessageKind::TaskDeparted => policy.task_dead(now_ns, task),
        _ => policy.other(now_ns, message, enclave),
    }
}

/// The guide for writing policies: its code is compiled and run with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/policy.md")]
pub struct Guide;
