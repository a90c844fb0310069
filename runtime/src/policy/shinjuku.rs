//! One queue and a quantum: Shinjuku's centralised preemptive scheduling.

use std::ops::ControlFlow;

use super::quantum::Quantum;
use crate::enclave::Enclave;
use crate::offer::Offers;
use crate::policy::{
    BatchTier, Policy, PolicyCounters, PolicyOptionError, PolicyOptions, RunQueue,
};
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// Single-queue round robin: a task that ran a quantum goes to the tail, if somebody waits.
///
/// The paper's policy for dispersive loads. A preempted long task stands in the same queue as fresh
/// short ones, which is what [`TwoQueue`](crate::policy::TwoQueue) changes.
#[derive(Debug)]
pub struct Shinjuku {
    queue: RunQueue,
    batch_tier: BatchTier,
    quantum: Quantum,
    counters: PolicyCounters,
}

impl Shinjuku {
    /// The quantum of the ghOSt and Shinjuku papers' dispersive experiments.
    pub const QUANTUM_NS: u64 = 30_000;

    /// Round robin with turns of `quantum_ns`.
    pub fn new(quantum_ns: u64) -> Self {
        Self {
            queue: RunQueue::default(),
            batch_tier: BatchTier::default(),
            quantum: Quantum::new(quantum_ns),
            counters: PolicyCounters::default(),
        }
    }

    fn fill(&mut self, enclave: &Enclave, batch: &mut Batch) {
        for cpu in self.batch_tier.cpus_for_critical(enclave) {
            let Some(task) = self.queue.pop_front(enclave) else { break };
            batch.push(Transaction::new(task.id, task.seq, cpu));
            self.counters.preempted_batch += u64::from(!enclave.idle().contains(cpu));
        }
    }

    fn rotate(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        let Self { queue, quantum, counters, .. } = self;
        queue.front(enclave)?;
        let used_ns = |task: &Task| (!BatchTier::owns(task)).then_some(0);
        let next_ns = quantum.sweep(now_ns, enclave, used_ns, |cpu, _| {
            if batch.names(cpu) {
                return ControlFlow::Continue(());
            }
            let Some(task) = queue.pop_front(enclave) else {
                return ControlFlow::Break(());
            };
            batch.push(Transaction::new(task.id, task.seq, cpu));
            counters.preempted_quantum += 1;
            ControlFlow::Continue(())
        });
        queue.front(enclave).map(|_| next_ns)
    }
}

impl Default for Shinjuku {
    fn default() -> Self {
        Self::new(Self::QUANTUM_NS)
    }
}

impl Policy for Shinjuku {
    fn name(&self) -> &'static str {
        "shinjuku"
    }

    fn validate(&self) -> Result<(), PolicyOptionError> {
        let quantum_ns = self.quantum.length_ns();
        PolicyOptions { quantum_ns, ..PolicyOptions::default() }.validate()
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.queue.attach(enclave);
        self.batch_tier.attach(enclave);
        self.quantum.recheck();
    }

    fn task_new(&mut self, _now_ns: u64, task: &Task) {
        if !self.batch_tier.accept(task) {
            self.queue.push_back(task.id);
        }
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.batch_tier.grant(now_ns, enclave, batch);
        if self.queue.is_empty(enclave) {
            return self.batch_tier.schedule(now_ns, enclave, batch);
        }
        self.fill(enclave, batch);
        let rotate_ns = self.rotate(now_ns, enclave, batch);
        let batch_ns = self.batch_tier.schedule(now_ns, enclave, batch);
        [rotate_ns, batch_ns].into_iter().flatten().min()
    }

    fn commit_failed(&mut self, _now_ns: u64, task: &Task, _transaction: &Transaction) {
        if !self.batch_tier.accept_failed(task) {
            self.queue.push_front(task.id);
            self.quantum.recheck();
        }
    }

    fn offer(&self, enclave: &Enclave, offers: &mut Offers) {
        offers.extend(self.queue.iter(enclave));
    }

    fn counters(&self) -> PolicyCounters {
        PolicyCounters { batch_shares_granted: self.batch_tier.shares_granted(), ..self.counters }
    }
}
