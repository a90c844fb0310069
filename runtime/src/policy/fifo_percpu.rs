//! A queue for every CPU; a task stays where it was placed.

use crate::cpu::{CpuId, CpuSet};
use crate::enclave::Enclave;
use crate::policy::{BatchTier, Policy, PolicyCounters, RunQueues};
use crate::task::{Task, TaskId};
use crate::transaction::{Batch, Transaction};

/// First-in first-out per CPU, the paper's per-CPU example.
///
/// A task is placed when it enters: on an idle CPU, else on the one with the fewest waiting. It
/// does not move, so that caches stay warm and a CPU can idle beside another's queue: the price of
/// not sharing. Only a CPU that a higher class has taken gives its tasks to idle ones.
#[derive(Debug, Default)]
pub struct FifoPerCpu {
    /// One queue a CPU, in the enclave's order of CPUs, and one more for tasks that entered since
    /// the last turn: placing them needs the enclave.
    queues: RunQueues,
    /// CPUs whose queue may hold somebody.
    waiting: CpuSet,
    /// The place in the enclave's order of each CPU, by number.
    order: Vec<usize>,
    /// Where each task was placed, by its place in the task table.
    homes: Vec<Option<(TaskId, CpuId)>>,
    batch_tier: BatchTier,
}

impl FifoPerCpu {
    fn home(&self, task: TaskId) -> Option<CpuId> {
        let (owner, cpu) = self.homes[task.index as usize]?;
        (owner == task).then_some(cpu)
    }

    /// The CPU with the least ahead of a newcomer.
    fn choose(&self, enclave: &Enclave) -> Option<CpuId> {
        enclave.cpus().iter().copied().min_by_key(|&cpu| {
            let record = enclave.cpu(cpu);
            let occupant = record.latched.or(record.current).and_then(|id| enclave.task(id));
            let is_occupied = occupant.is_some_and(|task| !BatchTier::owns(task));
            let ahead = self.queues.len(self.order[cpu.index()]) + usize::from(is_occupied);
            // Among equals rather one that is idle than one a batch task must leave first.
            (record.is_busy_elsewhere, ahead, !enclave.idle().contains(cpu))
        })
    }

    fn place(&mut self, enclave: &Enclave) {
        let arrivals = enclave.cpus().len();
        while let Some(task) = self.queues.pop_front(arrivals, enclave) {
            let Some(cpu) = self.choose(enclave) else { return };
            self.homes[task.id.index as usize] = Some((task.id, cpu));
            self.queues.push_back(self.order[cpu.index()], task.id);
            self.waiting.insert(cpu);
        }
    }

    /// Gives idle CPUs without work of their own the tasks of CPUs that are busy elsewhere.
    fn rehome(&mut self, enclave: &Enclave) {
        let taken = self.waiting.iter().filter(|cpu| enclave.cpu(*cpu).is_busy_elsewhere);
        let taken: CpuSet = taken.collect();
        if taken.is_empty() {
            return;
        }
        for idle in enclave.idle().minus(&self.waiting).iter() {
            let queues = &mut self.queues;
            let order = &self.order;
            let task = taken.iter().find_map(|cpu| queues.pop_front(order[cpu.index()], enclave));
            let Some(task) = task else { return };
            self.homes[task.id.index as usize] = Some((task.id, idle));
            self.queues.push_back(self.order[idle.index()], task.id);
            self.waiting.insert(idle);
        }
    }

    fn start_next(&mut self, cpu: CpuId, enclave: &Enclave, batch: &mut Batch) {
        let Some(task) = self.queues.pop_front(self.order[cpu.index()], enclave) else {
            return self.waiting.remove(cpu);
        };
        batch.push(Transaction::new(task.id, task.seq, cpu));
    }
}

impl Policy for FifoPerCpu {
    fn name(&self) -> &'static str {
        "fifo-percpu"
    }

    fn attach(&mut self, enclave: &Enclave) {
        let cpus = enclave.cpus();
        self.queues.attach(enclave, cpus.len() + 1);
        self.order = vec![0; cpus.last().map_or(0, |cpu| cpu.index() + 1)];
        cpus.iter().enumerate().for_each(|(place, cpu)| self.order[cpu.index()] = place);
        self.homes.clear();
        self.homes.resize(enclave.tasks_max(), None);
        self.waiting = CpuSet::EMPTY;
        self.batch_tier.attach(enclave);
    }

    fn task_new(&mut self, _now_ns: u64, task: &Task) {
        if self.batch_tier.accept(task) {
            return;
        }
        match self.home(task.id) {
            Some(cpu) => {
                self.queues.push_back(self.order[cpu.index()], task.id);
                self.waiting.insert(cpu);
            }
            None => self.queues.push_back(self.queues.count() - 1, task.id),
        }
    }

    fn task_preempted(&mut self, now_ns: u64, task: &Task) {
        // A higher class took its CPU, or batch work its share: it is still its turn.
        match self.home(task.id).filter(|_| !BatchTier::owns(task)) {
            Some(cpu) => {
                self.queues.push_front(self.order[cpu.index()], task.id);
                self.waiting.insert(cpu);
            }
            None => self.task_new(now_ns, task),
        }
    }

    fn task_yield(&mut self, now_ns: u64, task: &Task) {
        self.task_new(now_ns, task);
    }

    fn task_dead(&mut self, _now_ns: u64, task: &Task) {
        // The length of a queue decides where newcomers go, so the dead must not count.
        self.queues.remove(task.id.index);
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.batch_tier.grant(now_ns, enclave, batch);
        self.place(enclave);
        self.rehome(enclave);
        if !self.waiting.is_empty() {
            let waiting = self.waiting;
            let cpus = self.batch_tier.cpus_for_critical(enclave);
            for cpu in cpus.filter(|cpu| waiting.contains(*cpu)) {
                self.start_next(cpu, enclave, batch);
            }
        }
        self.batch_tier.schedule(now_ns, enclave, batch)
    }

    fn commit_failed(&mut self, _now_ns: u64, task: &Task, transaction: &Transaction) {
        if !self.batch_tier.accept_failed(task) {
            self.queues.push_front(self.order[transaction.cpu.index()], task.id);
            self.waiting.insert(transaction.cpu);
        }
    }

    fn counters(&self) -> PolicyCounters {
        let batch_shares_granted = self.batch_tier.shares_granted();
        PolicyCounters { batch_shares_granted, ..PolicyCounters::default() }
    }
}
