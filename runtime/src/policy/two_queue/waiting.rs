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

/// Demoted tasks that may go before one of a higher level, in a row. Threads that serve one job after
/// another fill the lower levels for ever; requests end. Halved, short tasks that were demoted by
/// accident would wait for long ones; doubled, a long task of an overloaded machine gets half as much.
const PASSES: u32 = 16;

/// Fresh tasks in order of arrival, demoted ones by how long they ran.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: RunQueues,
    /// Levels that may hold somebody.
    levels: u64,
    /// Demoted tasks that went before one of a higher level since one of the highest went.
    passes: u32,
}

impl Waiting {
    pub(super) fn attach(&mut self, enclave: &Enclave) {
        self.queues.attach(enclave, 1 + LEVELS);
        self.levels = 0;
        self.passes = 0;
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

    /// All fresh tasks, in the order they should run.
    pub(super) fn all_fresh<'e>(&self, enclave: &'e Enclave) -> impl Iterator<Item = &'e Task> {
        self.queues.iter(FRESH, enclave)
    }

    /// The demoted task to run next and its level.
    pub(super) fn demoted<'e>(&mut self, enclave: &'e Enclave) -> Option<(Level, &'e Task)> {
        let mut candidates = self.levels;
        while candidates != 0 {
            let level = match self.passes < PASSES {
                true => candidates.trailing_zeros(),
                false => candidates.ilog2(),
            } as usize;
            if let Some(task) = self.queues.front(1 + level, enclave) {
                return Some((Level(level), task));
            }
            candidates &= !(1 << level);
            self.levels = candidates;
        }
        None
    }

    /// Takes the demoted task to run next.
    pub(super) fn pop_demoted<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        let (level, task) = self.demoted(enclave)?;
        self.take(level, task);
        Some(task)
    }

    /// Takes a task that [`Self::demoted`] has shown.
    pub(super) fn take(&mut self, level: Level, task: &Task) {
        self.queues.remove(task.id.index);
        let is_highest = self.levels >> (level.0 + 1) == 0;
        self.passes = if is_highest { 0 } else { self.passes + 1 };
    }

    /// Takes the task to run next.
    pub(super) fn pop<'e>(&mut self, enclave: &'e Enclave) -> Option<&'e Task> {
        self.queues.pop_front(FRESH, enclave).or_else(|| self.pop_demoted(enclave))
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
