//! Backends: what schedules. The contract, in words; `tests/conformance` holds every backend to it.
//!
//! 1. A task's first message is TASK_NEW, its last TASK_DEAD or TASK_DEPARTED. In between, every
//!    message about it carries the sequence number after the last one's. A lost message shows as
//!    [`Backend::take_overflow`].
//! 2. A message is readable only after the status word it speaks of is.
//! 3. `commit` fills in every outcome, by the checks of [`crate::transaction::check`] in that order.
//!    A transaction that failed changed nothing.
//! 4. A committed task is heard of again: TASK_ON_CPU when it runs, TASK_LATCH_FAILED if it cannot.
//!    What ran there before is heard of first: TASK_PREEMPTED, TASK_BLOCKED, TASK_YIELD or
//!    TASK_DEAD.
//! 5. Without transactions nothing starts, but nothing is lost either: a task waits as long as its
//!    agent lives.

#[cfg(all(feature = "kernel", not(loom)))]
pub mod kernel;
pub mod sim;
#[cfg(not(loom))]
pub mod threads;

/// Under loom, only what it can model: the rest calls the kernel.
#[cfg(loom)]
mod threads {
    mod doorbell;
    mod mailbox;
    mod ownership;
    mod park;
    mod progress;
}

use crate::hint::Hints;
use crate::message::Message;
use crate::offer::Offer;
use crate::status::Status;
use crate::task::{Seq, TaskId};
use crate::topology::Topology;
use crate::transaction::Batch;

/// A world of tasks and CPUs that can be scheduled by transactions.
pub trait Backend {
    /// The CPUs tasks run on.
    fn topology(&self) -> &Topology;

    /// The agent's own sequence number: one more for every message to it. To be read *before*
    /// draining, so that a local commit can tell whether it missed one.
    fn agent_seq(&self) -> Seq;

    /// The next message, in the order of its channel.
    fn next_message(&mut self) -> Option<Message>;

    /// Whether messages were lost since the last call. The reader must then [`Backend::rescan`].
    fn take_overflow(&mut self) -> bool;

    /// What the application said of a task; the default hints if it said nothing or is gone.
    fn hints(&self, task: TaskId) -> Hints;

    /// Reads every status word in use.
    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints));

    /// Commits a batch in one call. `seq_read` is the agent's sequence number from before it
    /// drained its messages.
    fn commit(&mut self, now_ns: u64, seq_read: Seq, batch: &mut Batch);

    /// Whether CPUs about to idle look at offers: else the agent makes none.
    fn wants_offers(&self) -> bool {
        false
    }

    /// Replaces what was offered before.
    fn offer(&mut self, _offers: &[Offer]) {}
}
