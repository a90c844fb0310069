//! The batch tier: tasks nobody waits for, on CPUs nobody else wants.

use std::ops::ControlFlow;

use super::RunQueue;
use super::quantum::Quantum;
use crate::cpu::CpuId;
use crate::enclave::Enclave;
use crate::hint::Tier;
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// Batch tasks take turns of this length when there are more of them than CPUs left. Long enough
/// that a switch of 5 us costs 0.5 %; short enough that all of them are seen to move.
const QUANTUM_NS: u64 = 1_000_000;

/// The queue of batch tasks, served after every latency-critical one.
#[derive(Debug)]
pub struct BatchTier {
    queue: RunQueue,
    quantum: Quantum,
    /// A batch task was seen since the last attach. Without any, looking for victims is for nothing.
    is_in_use: bool,
}

impl Default for BatchTier {
    fn default() -> Self {
        Self { queue: RunQueue::default(), quantum: Quantum::new(QUANTUM_NS), is_in_use: false }
    }
}

impl BatchTier {
    /// Whether `task` belongs to this tier.
    pub fn owns(task: &Task) -> bool {
        task.hints.tier == Tier::Batch
    }

    /// CPUs that run a batch task: a latency-critical one may take any of them at once.
    pub fn victims<'e>(&self, enclave: &'e Enclave) -> impl Iterator<Item = CpuId> + use<'e> {
        let running = self.is_in_use.then(|| enclave.running()).into_iter().flatten();
        running.filter(|(_, task)| Self::owns(task)).map(|(cpu, _)| cpu)
    }

    /// CPUs for latency-critical tasks to start on: idle ones, then victims.
    pub fn cpus_for_critical<'e>(
        &self,
        enclave: &'e Enclave,
    ) -> impl Iterator<Item = CpuId> + use<'e> {
        enclave.idle().iter().chain(self.victims(enclave))
    }

    /// Forgets all tasks and makes room for every one `enclave` can hold.
    pub fn attach(&mut self, enclave: &Enclave) {
        self.queue.attach(enclave);
        self.quantum.recheck();
        self.is_in_use = enclave.tasks().any(Self::owns);
    }

    /// Takes the task if it belongs to this tier; `false` leaves it to the policy.
    pub fn accept(&mut self, task: &Task) -> bool {
        let is_ours = Self::owns(task);
        if is_ours {
            self.is_in_use = true;
            self.queue.push_back(task.id);
        }
        is_ours
    }

    /// Takes back a task of this tier whose transaction failed; `false` leaves it to the policy.
    pub fn accept_failed(&mut self, task: &Task) -> bool {
        let is_ours = Self::owns(task);
        if is_ours {
            self.queue.push_front(task.id);
            self.quantum.recheck();
        }
        is_ours
    }

    /// Gives batch tasks the idle CPUs that `batch` leaves, then lets them take turns. To be called
    /// after the latency-critical tasks were placed. Returns when the next turn ends.
    pub fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        if self.queue.is_empty(enclave) {
            return None;
        }
        for cpu in enclave.idle().iter() {
            if batch.names(cpu) {
                continue;
            }
            let task = self.queue.pop_front(enclave)?;
            batch.push(Transaction::new(task.id, task.seq, cpu));
        }
        self.take_turns(now_ns, enclave, batch)
    }

    fn take_turns(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        let Self { queue, quantum, .. } = self;
        queue.front(enclave)?;
        let used_ns = |task: &Task| Self::owns(task).then_some(0);
        let next_ns = quantum.sweep(now_ns, enclave, used_ns, |cpu, _| {
            if batch.names(cpu) {
                return ControlFlow::Continue(());
            }
            let Some(task) = queue.pop_front(enclave) else {
                return ControlFlow::Break(());
            };
            batch.push(Transaction::new(task.id, task.seq, cpu));
            ControlFlow::Continue(())
        });
        queue.front(enclave).map(|_| next_ns)
    }
}
