//! One queue for all CPUs; a task runs until it blocks or is done.

use crate::enclave::Enclave;
use crate::offer::Offers;
use crate::policy::{BatchTier, Policy, PolicyCounters, RunQueue};
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// Central first-in first-out: the paper's simplest global policy.
///
/// Short tasks behind a long one wait for all of it. It is the yardstick for run-to-completion
/// thread pools, and the right choice when all tasks are alike.
#[derive(Debug, Default)]
pub struct Fifo {
    queue: RunQueue,
    batch_tier: BatchTier,
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.queue.attach(enclave);
        self.batch_tier.attach(enclave);
    }

    fn task_new(&mut self, _now_ns: u64, task: &Task) {
        if !self.batch_tier.accept(task) {
            self.queue.push_back(task.id);
        }
    }

    fn task_preempted(&mut self, _now_ns: u64, task: &Task) {
        // A higher class took its CPU, or batch work its share: it is still its turn.
        if !self.batch_tier.accept(task) {
            self.queue.push_front(task.id);
        }
    }

    fn task_yield(&mut self, now_ns: u64, task: &Task) {
        self.task_new(now_ns, task);
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.batch_tier.grant(now_ns, enclave, batch);
        if !self.queue.is_empty(enclave) {
            for cpu in self.batch_tier.cpus_for_critical(enclave) {
                let Some(task) = self.queue.pop_front(enclave) else { break };
                batch.push(Transaction::new(task.id, task.seq, cpu));
            }
        }
        self.batch_tier.schedule(now_ns, enclave, batch)
    }

    fn commit_failed(&mut self, _now_ns: u64, task: &Task, _transaction: &Transaction) {
        if !self.batch_tier.accept_failed(task) {
            self.queue.push_front(task.id);
        }
    }

    fn offer(&self, enclave: &Enclave, offers: &mut Offers) {
        offers.extend(self.queue.iter(enclave));
    }

    fn counters(&self) -> PolicyCounters {
        let batch_shares_granted = self.batch_tier.shares_granted();
        PolicyCounters { batch_shares_granted, ..PolicyCounters::default() }
    }
}
