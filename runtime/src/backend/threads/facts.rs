//! What the backend knows of a transaction's task and CPU when it is committed.

use super::Threads;
use super::ownership::Phase;
use super::table::Phase as SlotPhase;
use crate::task::{TaskId, TaskState};
use crate::transaction::{Committer, CpuFacts, Outcome, TargetFacts, Transaction, check};

impl Threads {
    pub(super) fn check(&self, transaction: &Transaction) -> Outcome {
        let lane = self.lane_of(transaction.cpu);
        let target = self.target_facts(transaction.task);
        let cpu = lane.map_or(
            CpuFacts { exists: false, is_online: false, is_occupied: false, is_available: false },
            |lane| self.cpu_facts(lane, transaction.task),
        );
        check(transaction, Committer::REMOTE, target.as_ref(), &cpu)
    }

    fn target_facts(&self, task: TaskId) -> Option<TargetFacts> {
        let slot = self.shared.table.get(task).filter(|slot| !slot.is_in(SlotPhase::Free))?;
        let (id, status) = slot.status.read()?;
        let is_placed = matches!(status.state, TaskState::OnCpu | TaskState::Latched);
        Some(TargetFacts {
            is_agent: false,
            is_gone: id != task || status.state == TaskState::Dead,
            seq: status.seq,
            is_ours: true,
            is_runnable: is_placed || status.state == TaskState::Queued,
            on_cpu: is_placed.then_some(status.cpu),
            in_enclave: true,
        })
    }

    fn cpu_facts(&self, index: usize, task: TaskId) -> CpuFacts {
        let lane = &self.shared.lanes[index];
        let owner = lane.ownership.read();
        let is_taken = owner.epoch == self.watches[index].posted_epoch;
        let is_in_task = owner.phase == Phase::InTask;
        let is_bound = || self.shared.table.get(task).is_some_and(|s| s.bound_to().is_some());
        // A fresh request needs a worker of its own where the present one keeps its.
        let has_worker = !is_in_task || lane.idle_count() > 0 || is_bound();
        CpuFacts {
            exists: true,
            is_online: true,
            is_occupied: is_in_task || !is_taken,
            is_available: is_taken && has_worker && !self.is_stopping,
        }
    }
}
