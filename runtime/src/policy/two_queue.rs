//! Two queues: tasks that may be short first, tasks known to be long in the time they leave.

use std::ops::ControlFlow;

use super::quantum::Quantum;
use super::share::Share;
use crate::cpu::CpuId;
use crate::enclave::Enclave;
use crate::offer::Offers;
use crate::policy::{BatchTier, Policy, PolicyCounters, PolicyOptionError, PolicyOptions};
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

mod options;
mod record;
mod threshold;
mod waiting;

pub use options::{Demotion, TwoQueueOptions};
use record::{Record, under_way_ns};
use threshold::Threshold;
use waiting::{Level, Place, Waiting};

/// The default policy. It needs to know nothing about a task beforehand.
///
/// - A *fresh* task has run for less than the demotion threshold D. Fresh tasks run first, in the
///   order they came, and never leave their CPU to one another.
/// - A task that ran for D is *demoted*: it runs on as long as no fresh task wants its CPU, and
///   loses it at once when one does. Of the demoted, those that just passed D go first, for
///   they may still be short; equals take turns.
/// - D follows the work: it stands in the gap between short and long tasks.
/// - Demoted tasks receive a minimum share, and at most so many of them wait.
#[derive(Debug)]
pub struct TwoQueue {
    options: TwoQueueOptions,
    waiting: Waiting,
    threshold: Threshold,
    share: Share,
    turns: Quantum,
    batch_tier: BatchTier,
    /// By place in the task table.
    records: Vec<Record>,
    /// Too many started tasks wait for another to be preempted.
    is_full: bool,
    /// No running task can be preempted by a fresh one before this.
    preemptible_ns: u64,
    counters: PolicyCounters,
}

impl TwoQueue {
    /// A policy with these options. [`PolicyOptions::validate`](crate::policy::PolicyOptions) says
    /// which make sense.
    pub fn new(options: TwoQueueOptions) -> Self {
        let (min_ns, max_ns) = options.demotion.bounds_ns();
        Self {
            options,
            waiting: Waiting::default(),
            threshold: Threshold::new(min_ns, max_ns),
            share: Share::default(),
            turns: Quantum::new(options.demoted_quantum_ns),
            batch_tier: BatchTier::default(),
            records: Vec::new(),
            is_full: false,
            preemptible_ns: 0,
            counters: PolicyCounters::default(),
        }
    }

    /// Queues a task that has run before. Below D it is not demoted for having lost its CPU: it goes
    /// on as soon as it can.
    fn queue_started(&mut self, now_ns: u64, task: &Task, place: Place) {
        if task.runtime_ns < self.threshold.ns() {
            return self.waiting.push_fresh_first(task.id);
        }
        self.share.advance(now_ns, self.waiting.demoted_len() > 0);
        let level = Level::of(task.runtime_ns, self.threshold.ns());
        self.waiting.push_demoted(level, task.id, place);
        let is_new = self.records[task.id.index as usize].demote(task, place);
        self.counters.demoted += u64::from(is_new);
    }

    /// Places tasks on idle CPUs, and on those of batch tasks that were not granted a slice.
    fn fill(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) {
        for cpu in self.batch_tier.cpus_for_critical(enclave) {
            let granted = self.grant(now_ns, cpu, enclave);
            let Some(task) = granted.or_else(|| self.waiting.pop(enclave)) else { return };
            batch.push(Transaction::new(task.id, task.seq, cpu));
            self.counters.preempted_batch += u64::from(!enclave.idle().contains(cpu));
        }
    }

    /// A demoted task that goes ahead of the fresh ones, because its kind is owed a slice.
    fn grant<'e>(&mut self, now_ns: u64, cpu: CpuId, enclave: &'e Enclave) -> Option<&'e Task> {
        let threshold_ns = self.threshold.ns();
        if !self.share.owes_slice(|| under_way_ns(now_ns, enclave, threshold_ns)) {
            return None;
        }
        let task = self.waiting.pop_demoted(enclave)?;
        self.share.grant(now_ns, cpu, task.id);
        self.counters.shares_granted += 1;
        Some(task)
    }

    /// Lets fresh tasks take CPUs from demoted ones. Returns when that may next be possible, if some
    /// still wait.
    fn preempt(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        let mut evicted = 0;
        while let Some(task) = self.waiting.fresh(enclave) {
            if now_ns < self.preemptible_ns {
                return Some(self.preemptible_ns).filter(|ns| *ns < u64::MAX);
            }
            let Some(cpu) = self.victim(now_ns, enclave, batch) else { continue };
            // Tasks beyond the bound run on; that one of those waiting goes is a message.
            if self.is_refused(evicted) {
                return None;
            }
            self.waiting.remove(task.id);
            batch.push(Transaction::new(task.id, task.seq, cpu));
            evicted += 1;
            self.counters.preempted_on_arrival += 1;
        }
        None
    }

    /// Whether one more started task must not join those that wait, `evicted` of which have not
    /// been heard of yet.
    fn is_refused(&mut self, evicted: usize) -> bool {
        let is_full = self.waiting.demoted_len() + evicted >= self.options.demoted_max;
        self.counters.demotions_refused += u64::from(is_full && !self.is_full);
        self.is_full = is_full;
        is_full
    }

    /// Where the demoted task runs that has run longest. If there is none, notes when there may be.
    fn victim(&mut self, now_ns: u64, enclave: &Enclave, batch: &Batch) -> Option<CpuId> {
        let mut longest: Option<(u64, CpuId)> = None;
        let mut next_ns = u64::MAX;
        let is_left_alone = |cpu| batch.names(cpu) || self.batch_tier.is_granted(cpu);
        for (cpu, task) in enclave.running().filter(|(cpu, _)| !is_left_alone(*cpu)) {
            let attained_ns = enclave.attained_ns(task, now_ns);
            let demoted_ns = now_ns + self.threshold.ns().saturating_sub(attained_ns);
            let from_ns = demoted_ns.max(self.share.granted_until_ns(cpu, task.id));
            if from_ns > now_ns {
                next_ns = next_ns.min(from_ns);
            } else if longest.is_none_or(|(most_ns, _)| attained_ns > most_ns) {
                longest = Some((attained_ns, cpu));
            }
        }
        if longest.is_none() {
            self.preemptible_ns = next_ns;
        }
        longest.map(|(_, cpu)| cpu)
    }

    /// Lets demoted tasks take turns. Returns when the next turn ends, if some still wait.
    fn take_turns(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        let Self { waiting, records, turns, counters, .. } = self;
        let threshold_ns = self.threshold.ns();
        waiting.demoted(enclave)?;
        let used_ns = |task: &Task| {
            let is_demoted = enclave.attained_ns(task, now_ns) >= threshold_ns;
            let record = &records[task.id.index as usize];
            (is_demoted && !BatchTier::owns(task)).then(|| record.used_ns(task))
        };
        let next_ns = turns.sweep(now_ns, enclave, used_ns, |cpu, running| {
            let Some((level, next)) = waiting.demoted(enclave) else {
                return ControlFlow::Break(());
            };
            let attained_ns = enclave.attained_ns(running, now_ns);
            if level <= Level::of(attained_ns, threshold_ns) && !batch.names(cpu) {
                waiting.take(level, next);
                batch.push(Transaction::new(next.id, next.seq, cpu));
                counters.preempted_quantum += 1;
            }
            ControlFlow::Continue(())
        });
        waiting.demoted(enclave).map(|_| next_ns)
    }

    /// Takes the length of a task, or of a thread's job, into account for D.
    fn count(&mut self, service_ns: u64) {
        if self.threshold.count(service_ns) {
            // A lower threshold makes tasks preemptible earlier than was thought.
            self.preemptible_ns = 0;
        }
    }

    /// Accounts for the stint that just ended.
    fn end_stint(&mut self, now_ns: u64, task: &Task) {
        self.share.advance(now_ns, self.waiting.demoted_len() > 0);
        let record = &mut self.records[task.id.index as usize];
        let stint_ns = task.runtime_ns.saturating_sub(record.stint_from_ns);
        if record.stint_from_ns >= self.threshold.ns() {
            self.share.received(stint_ns);
        }
        record.stint_from_ns = task.runtime_ns;
        if let Some(cpu) = task.cpu {
            self.share.end_grant(cpu, task.id);
        }
    }
}

impl Default for TwoQueue {
    fn default() -> Self {
        Self::new(TwoQueueOptions::default())
    }
}

impl Policy for TwoQueue {
    fn name(&self) -> &'static str {
        "two-queue"
    }

    fn validate(&self) -> Result<(), PolicyOptionError> {
        PolicyOptions { two_queue: self.options, ..PolicyOptions::default() }.validate()
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.waiting.attach(enclave);
        self.batch_tier.attach(enclave);
        self.records.clear();
        self.records.resize(enclave.tasks_max(), Record::default());
        self.share.attach(self.options.demoted_share, enclave);
        self.preemptible_ns = 0;
        self.turns.recheck();
    }

    fn task_new(&mut self, now_ns: u64, task: &Task) {
        if self.batch_tier.accept(task) {
            return;
        }
        if task.runtime_ns < self.threshold.ns() {
            return self.waiting.push_fresh(task.id);
        }
        self.queue_started(now_ns, task, Place::Last);
    }

    fn task_wakeup(&mut self, now_ns: u64, task: &Task) {
        let ended_ns = self.records[task.id.index as usize].end_job(task);
        if let Some(service_ns) = ended_ns.filter(|_| !BatchTier::owns(task)) {
            self.count(service_ns);
        }
        self.task_new(now_ns, task);
    }

    fn task_preempted(&mut self, now_ns: u64, task: &Task) {
        self.end_stint(now_ns, task);
        if !self.batch_tier.accept(task) {
            let used_ns = self.records[task.id.index as usize].used_ns(task);
            self.queue_started(now_ns, task, Place::after(used_ns, self.turns.length_ns()));
        }
    }

    fn task_yield(&mut self, now_ns: u64, task: &Task) {
        self.end_stint(now_ns, task);
        self.task_new(now_ns, task);
    }

    fn task_latch_failed(&mut self, now_ns: u64, task: &Task) {
        if !self.batch_tier.accept_failed(task) {
            self.queue_started(now_ns, task, Place::First);
        }
    }

    fn task_blocked(&mut self, now_ns: u64, task: &Task) {
        self.end_stint(now_ns, task);
    }

    fn task_on_cpu(&mut self, now_ns: u64, task: &Task) {
        let record = &mut self.records[task.id.index as usize];
        record.stint_from_ns = task.runtime_ns;
        self.turns.resume(now_ns, self.turns.length_ns().saturating_sub(record.used_ns(task)));
        let fresh_ns = self.threshold.ns().saturating_sub(task.runtime_ns);
        self.preemptible_ns = self.preemptible_ns.min(now_ns + fresh_ns);
    }

    fn task_dead(&mut self, now_ns: u64, task: &Task) {
        self.end_stint(now_ns, task);
        self.waiting.remove(task.id);
        if task.runtime_ns > 0 && !BatchTier::owns(task) {
            self.count(task.runtime_ns);
        }
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.batch_tier.grant(now_ns, enclave, batch);
        if self.waiting.is_empty() {
            return self.batch_tier.schedule(now_ns, enclave, batch);
        }
        self.share.advance(now_ns, self.waiting.demoted_len() > 0);
        self.fill(now_ns, enclave, batch);
        let preempt_ns = self.preempt(now_ns, enclave, batch);
        let turn_ns = match self.waiting.fresh(enclave) {
            None => self.take_turns(now_ns, enclave, batch),
            Some(_) => None,
        };
        let batch_ns = self.batch_tier.schedule(now_ns, enclave, batch);
        [preempt_ns, turn_ns, batch_ns].into_iter().flatten().min()
    }

    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction) {
        self.share.end_grant(transaction.cpu, task.id);
        // Whoever was to be replaced still runs, and may be replaced still.
        self.preemptible_ns = 0;
        self.turns.recheck();
        if !self.batch_tier.accept_failed(task) {
            self.queue_started(now_ns, task, Place::First);
        }
    }

    fn offer(&self, enclave: &Enclave, offers: &mut Offers) {
        offers.extend(self.waiting.all_fresh(enclave));
    }

    fn counters(&self) -> PolicyCounters {
        PolicyCounters {
            demotion_threshold_ns: Some(self.threshold.ns()),
            batch_shares_granted: self.batch_tier.shares_granted(),
            ..self.counters
        }
    }
}

#[cfg(test)]
mod tests;
