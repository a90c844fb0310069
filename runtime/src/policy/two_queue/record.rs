//! What the two-queue policy remembers of a task between its stints.

use super::waiting::Place;
use crate::enclave::Enclave;
use crate::policy::BatchTier;
use crate::task::{Task, TaskId};

/// Attained service at a few moments of a task's life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Whom this record is about; a new generation starts a new one.
    demoted: Option<TaskId>,
    /// Attained service when the present stint began.
    pub(super) stint_from_ns: u64,
    /// Attained service when the present turn among equals began.
    turn_from_ns: u64,
}

impl Record {
    /// What the task used of its turn up to its last stint's end. A task that was never demoted has
    /// no turn: its record may be about another.
    pub(super) fn used_ns(&self, task: &Task) -> u64 {
        match self.demoted == Some(task.id) {
            true => task.runtime_ns.saturating_sub(self.turn_from_ns),
            false => 0,
        }
    }

    /// The length of the job that is over, if the task, which just woke, has begun another: its
    /// service then counts anew. The record does, too.
    pub(super) fn end_job(&mut self, task: &Task) -> Option<u64> {
        let ended_ns = self.stint_from_ns;
        (task.runtime_ns < ended_ns).then(|| {
            *self = Self::default();
            ended_ns
        })
    }

    /// Notes that the task is queued as demoted; `true` if it is so for the first time. A turn begins
    /// with that, and when the last one was used up.
    pub(super) fn demote(&mut self, task: &Task, place: Place) -> bool {
        let is_new = self.demoted != Some(task.id);
        self.demoted = Some(task.id);
        if is_new || place == Place::Last {
            self.turn_from_ns = task.runtime_ns;
        }
        is_new
    }
}

/// Service of tasks that ran for more than `threshold_ns`, in stints that are not over yet.
pub(super) fn under_way_ns(now_ns: u64, enclave: &Enclave, threshold_ns: u64) -> u64 {
    let critical = enclave.running().map(|(_, task)| task).filter(|task| !BatchTier::owns(task));
    let demoted = critical.filter(|task| enclave.attained_ns(task, now_ns) >= threshold_ns);
    demoted.map(|task| enclave.stint_ns(task, now_ns)).sum()
}
