//! The waiting tasks of the two-queue policy, in the order they should run.

use crate::enclave::Enclave;
use crate::policy::RunQueues;
use crate::task::{Task, TaskId};

/// The queue of fresh tasks; those of demoted ones follow.
const FRESH: usize = 0;

/// Queues of demoted tasks, by how often their attained service doubles D. A short task that was
/// demoted by accident ends soon after D, and must not wait for long ones. Beyond 8 D a task is
/// long, and all long ones are equals: going on to put those first that ran least would let every
/// newcomer overtake the old, whose p99 at 90 % load is then ten times worse.
const LEVELS: usize = 4;

/// Fresh tasks in order of arrival, demoted ones by how long they ran.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: RunQueues,
    /// Levels that may hold somebody.
    levels: u64,
}

impl Waiting {
    pub(super) fn attach(&mut self, enclave: &Enclave) {
        self.queues.attach(enclave, 1 + LEVELS);
        self.levels = 0;
    }

    pub(super) fn push_fresh(&mut self, task: TaskId) {
        self.queues.push_back(FRESH, task);
    }

    pub(super) fn push_fresh_first(&mut self, task: TaskId) {
        self.queues.push_front(FRESH, task);
    }

    /// Adds a task of this level in front of its equals, or behind them.
    pub(super) fn push_demoted(&mut self, level: Level, task: TaskId, place: Place) {
        self.levels |= 1 << level.0;
        match place {
            Place::First => self.queues.push_front(1 + level.0, task),
            Place::Last => self.queues.push_back(1 + level.0, task),
        }
    }

    pub(super) fn remove(&mut self, task: TaskId) {
        self.queues.remove(task.index);
    }

    /// The fresh task to run next.
    pub(super) fn fresh<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        self.queues.front(FRESH, enclave)
    }

    /// The demoted task to run next and its level.
    pub(super) fn demoted<'e>(&mut self, enclave: &'e Enclave) -> Option<(Level, &'e Task)> {
        while self.levels != 0 {
            let level = self.levels.trailing_zeros() as usize;
            if let Some(task) = self.queues.front(1 + level, enclave) {
                return Some((Level(level), task));
            }
            self.levels &= !(1 << level);
        }
        None
    }

    /// Takes the task to run next.
    pub(super) fn pop<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        self.queues.pop_front(FRESH, enclave).or_else(|| self.pop_demoted(enclave))
    }

    pub(super) fn pop_demoted<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        let (_, task) = self.demoted(enclave)?;
        self.queues.remove(task.id.index);
        Some(task)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.total_len() == 0
    }

    pub(super) fn demoted_len(&self) -> usize {
        self.queues.total_len() - self.queues.len(FRESH)
    }
}

/// Where a task stands among its equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It was interrupted: its turn goes on.
    First,
    /// It had its turn.
    Last,
}

impl Place {
    pub(super) const fn after(used_ns: u64, turn_ns: u64) -> Self {
        if used_ns < turn_ns { Self::First } else { Self::Last }
    }
}

/// How long a demoted task ran, in doublings of D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    pub(super) fn of(attained_ns: u64, threshold_ns: u64) -> Self {
        let doublings = (attained_ns / threshold_ns).max(1).ilog2();
        Self((doublings as usize).min(LEVELS - 1))
    }
}
