//! The waiting tasks of the two-queue policy, in the order they should run.

use crate::enclave::Enclave;
use crate::policy::RunQueues;
use crate::task::{Task, TaskId};

/// The queue of fresh tasks; those of demoted ones follow.
const FRESH: usize = 0;

/// Queues of demoted tasks, by attained service in demoted quanta. One word of bits tells which may
/// hold somebody; what ran longer than 64 quanta shares the last.
const LEVELS: usize = 64;

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

/// How long a demoted task ran, in quanta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    pub(super) fn of(attained_ns: u64, quantum_ns: u64) -> Self {
        Self(((attained_ns / quantum_ns) as usize).min(LEVELS - 1))
    }

    /// Whether a waiting task of this level takes the place of a running one that had its turn.
    pub(super) fn goes_ahead_of(self, running: Self) -> bool {
        self < running || self.0 == LEVELS - 1 && running == self
    }
}
