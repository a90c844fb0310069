//! Hand-off: a spinning agent leaves a CPU that a thread of the fair class wants.
//!
//! ghOSt keeps a thread on every CPU and lets the next one begin to spin. Here the one thread moves:
//! to the kernel that is the same, and nothing has to be handed over.

use std::sync::atomic::Ordering;

use revenant_bpf::Scheduler;

use super::priority;
use crate::cpu::{CpuId, CpuSet};
use crate::enclave::Enclave;

/// Time on a CPU before the next move. A move costs some 20 us and preempts a task: much shorter, and
/// two busy CPUs would make the agent do nothing else; much longer, and a fair thread waits.
const STAY_NS: u64 = 1_000_000;

/// Where a global agent spins.
#[derive(Debug)]
pub(super) struct Handoff {
    cpu: CpuId,
    /// Where it may go. Empty if it is not on a CPU of its enclave.
    range: CpuSet,
    tid: u32,
    moved_ns: u64,
}

impl Handoff {
    /// An agent that begins on `cpu`.
    pub(super) fn new(cpu: CpuId, range: CpuSet) -> Self {
        Self { cpu, range, tid: priority::own_tid(), moved_ns: 0 }
    }

    /// Where the agent is.
    pub(super) fn cpu(&self) -> CpuId {
        self.cpu
    }

    /// Moves the agent if somebody wants its CPU and there is a better one. Whether it moved.
    pub(super) fn make_way(
        &mut self,
        now_ns: u64,
        scheduler: &Scheduler,
        enclave: &Enclave,
    ) -> bool {
        let own = &scheduler.cpus()[self.cpu.index()];
        if own.is_wanted.load(Ordering::Relaxed) == 0 || now_ns < self.moved_ns + STAY_NS {
            return false;
        }
        let Some(next) = self.next(scheduler, enclave) else { return false };
        own.is_wanted.store(0, Ordering::Relaxed);
        own.agent_tid.store(0, Ordering::Relaxed);
        let heir = &scheduler.cpus()[next.index()];
        heir.is_wanted.store(0, Ordering::Relaxed);
        heir.agent_tid.store(self.tid, Ordering::Relaxed);
        // A CPU that went offline since leaves the agent where the kernel put it.
        let _best_effort = priority::pin(&[next].into_iter().collect());
        self.cpu = next;
        self.moved_ns = now_ns;
        true
    }

    /// An idle CPU, else one that a task of ours has; never one of a higher class.
    fn next(&self, scheduler: &Scheduler, enclave: &Enclave) -> Option<CpuId> {
        let is_free = |cpu: &CpuId| {
            let record = &scheduler.cpus()[cpu.index()];
            *cpu != self.cpu
                && record.is_busy.load(Ordering::Relaxed) == 0
                && record.is_online.load(Ordering::Relaxed) != 0
        };
        let idle = enclave.idle().and(&self.range);
        let first = idle.iter().find(is_free);
        first.or_else(|| self.range.iter().find(is_free))
    }
}
