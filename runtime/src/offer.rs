//! Offers: tasks that whichever CPU idles first may take, without asking the agent.

use crate::task::{Seq, Task, TaskId};
use crate::transaction::SLICE_INFINITE_NS;

/// A task that waits, as its policy knows it. If it moved on since, the offer is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub task: TaskId,
    /// What the offer rests on, as in a transaction.
    pub seq: Seq,
    /// How long it may run.
    pub slice_ns: u64,
}

/// What a policy offers in one turn, best first. Its capacity is fixed at start-up.
#[derive(Debug)]
pub struct Offers {
    offers: Vec<Offer>,
}

impl Offers {
    /// No offers yet, and never more than `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { offers: Vec::with_capacity(capacity) }
    }

    /// Offers waiting tasks, until there is no room for more: more than CPUs that may idle are of
    /// no use.
    pub fn extend<'e>(&mut self, tasks: impl Iterator<Item = &'e Task>) {
        let room = self.offers.capacity() - self.offers.len();
        self.offers.extend(tasks.take(room).map(|task| Offer {
            task: task.id,
            seq: task.seq,
            slice_ns: SLICE_INFINITE_NS,
        }));
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Offer] {
        &self.offers
    }

    /// Makes room for the next turn's.
    pub fn clear(&mut self) {
        self.offers.clear();
    }
}
