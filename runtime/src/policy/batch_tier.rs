//! The batch tier: tasks nobody waits for, on CPUs nobody else wants, and in a small share of the rest.

use std::ops::ControlFlow;

use super::RunQueue;
use super::quantum::Quantum;
use super::share::Share;
use crate::cpu::{CpuId, CpuSet};
use crate::enclave::Enclave;
use crate::hint::Tier;
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// Batch tasks take turns of this length when there are more of them than CPUs left. Long enough
/// that a switch of 5 us costs 0.5 %; short enough that all of them are seen to move.
const QUANTUM_NS: u64 = 1_000_000;

/// CPU time batch tasks receive at least while they wait, as a share of all. A thread of the kernel
/// that never runs cannot even be killed, and is one the watchdog finds unserved. Doubled, more than
/// one in a hundred latency-critical tasks of an overloaded machine would meet a slice, and their
/// p99 would show it; halved, 50 waiting threads a CPU are too many for a watchdog of 5 s.
const SHARE: f64 = 0.01;

/// How long a slice that is owed waits for a CPU to become free, before a task that runs makes room.
/// Halved, run-to-completion policies would interrupt tasks of a few ms; doubled, batch tasks behind
/// endless ones would get a sixth less.
const PATIENCE_NS: u64 = 10_000_000;

/// The queue of batch tasks, served after every latency-critical one but for their share.
#[derive(Debug)]
pub struct BatchTier {
    queue: RunQueue,
    quantum: Quantum,
    share: Share,
    /// CPUs whose slice is not over: latency-critical tasks leave them alone.
    granted: CpuSet,
    /// Whether batch tasks waited, and how many ran, when the account was advanced last.
    was_waiting: bool,
    running_count: u64,
    /// Since when a slice is owed.
    owed_since_ns: Option<u64>,
    shares_granted: u64,
    /// A batch task was seen since the last attach. Without any, looking for victims is for nothing.
    is_in_use: bool,
}

impl Default for BatchTier {
    fn default() -> Self {
        Self {
            queue: RunQueue::default(),
            quantum: Quantum::new(QUANTUM_NS),
            share: Share::default(),
            granted: CpuSet::EMPTY,
            was_waiting: false,
            running_count: 0,
            owed_since_ns: None,
            shares_granted: 0,
            is_in_use: false,
        }
    }
}

impl BatchTier {
    /// Whether `task` belongs to this tier.
    pub fn owns(task: &Task) -> bool {
        task.hints.tier == Tier::Batch
    }

    /// CPUs that run a batch task: a latency-critical one may take any of them at once, but for
    /// those of a [granted](Self::grant) slice.
    pub fn victims<'e>(&self, enclave: &'e Enclave) -> impl Iterator<Item = CpuId> + use<'e> {
        let running = self.is_in_use.then(|| enclave.running()).into_iter().flatten();
        let granted = self.granted;
        let own = running.filter(|(_, task)| Self::owns(task)).map(|(cpu, _)| cpu);
        own.filter(move |cpu| !granted.contains(*cpu))
    }

    /// CPUs for latency-critical tasks to start on: idle ones, then victims.
    pub fn cpus_for_critical<'e>(
        &self,
        enclave: &'e Enclave,
    ) -> impl Iterator<Item = CpuId> + use<'e> {
        let granted = self.granted;
        let idle = enclave.idle().iter().filter(move |cpu| !granted.contains(*cpu));
        idle.chain(self.victims(enclave))
    }

    /// Whether a slice that latency-critical tasks must wait for is under way on `cpu`.
    pub fn is_granted(&self, cpu: CpuId) -> bool {
        self.granted.contains(cpu)
    }

    /// How many slices were granted.
    pub fn shares_granted(&self) -> u64 {
        self.shares_granted
    }

    /// Forgets all tasks and makes room for every one `enclave` can hold.
    pub fn attach(&mut self, enclave: &Enclave) {
        self.queue.attach(enclave);
        self.quantum.recheck();
        self.share.attach(SHARE, enclave);
        self.granted = CpuSet::EMPTY;
        (self.was_waiting, self.running_count) = (false, 0);
        self.owed_since_ns = None;
        self.is_in_use = enclave.tasks().any(Self::owns);
    }

    /// Grants the first waiting task a slice that the latency-critical ones must wait for, if its
    /// tier is owed one. To be called before they are placed.
    pub fn grant(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) {
        if !self.is_in_use {
            return;
        }
        self.end_grants(now_ns, enclave);
        self.account(now_ns, enclave);
        if !self.was_waiting || !self.share.owes_slice(|| 0) {
            self.owed_since_ns = None;
            return;
        }
        let since_ns = *self.owed_since_ns.get_or_insert(now_ns);
        let idle = enclave.idle().first();
        let is_overdue = now_ns >= since_ns + PATIENCE_NS;
        let longest = || Self::longest(now_ns, enclave);
        let Some(cpu) = idle.or_else(|| is_overdue.then(longest).flatten()) else { return };
        let Some(task) = self.queue.pop_front(enclave) else { return };
        self.share.grant(now_ns, cpu, task.id);
        self.granted.insert(cpu);
        self.owed_since_ns = None;
        self.shares_granted += 1;
        batch.push(Transaction::new(task.id, task.seq, cpu));
    }

    /// What the tier was owed and received since the last look.
    fn account(&mut self, now_ns: u64, enclave: &Enclave) {
        let elapsed_ns = self.share.advance(now_ns, self.was_waiting);
        self.share.received(elapsed_ns * self.running_count);
        self.was_waiting = !self.queue.is_empty(enclave);
        let running = enclave.running().filter(|(_, task)| Self::owns(task));
        self.running_count = running.count() as u64;
    }

    /// Ends slices that are used up, and those of tasks that left their CPU or never got it.
    fn end_grants(&mut self, now_ns: u64, enclave: &Enclave) {
        let granted = self.granted;
        for cpu in granted.iter() {
            let Some((task, until_ns)) = self.share.granted(cpu) else { continue };
            let record = enclave.cpu(cpu);
            let has_cpu = record.current == Some(task) || record.latched == Some(task);
            if now_ns >= until_ns || !has_cpu {
                self.share.end_grant(cpu, task);
                self.granted.remove(cpu);
            }
        }
    }

    /// Where the latency-critical task runs that has run longest without a break.
    fn longest(now_ns: u64, enclave: &Enclave) -> Option<CpuId> {
        let critical = enclave.running().filter(|(_, task)| !Self::owns(task));
        critical.max_by_key(|(_, task)| enclave.stint_ns(task, now_ns)).map(|(cpu, _)| cpu)
    }

    /// When the tier's share needs another look: at the end of a slice, and when one is owed.
    fn look_ns(&mut self, now_ns: u64, enclave: &Enclave) -> Option<u64> {
        let ends = self.granted.iter().filter_map(|cpu| self.share.granted(cpu));
        let end_ns = ends.map(|(_, until_ns)| until_ns).min();
        let owed_ns = match self.owed_since_ns {
            Some(since_ns) => Some(since_ns + PATIENCE_NS),
            None => self.share.owed_at_ns(now_ns),
        };
        let owed_ns = owed_ns.filter(|_| !self.queue.is_empty(enclave));
        // What is due and cannot be had is a matter of messages to come.
        [end_ns, owed_ns].into_iter().flatten().filter(|at_ns| *at_ns > now_ns).min()
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
    /// after the latency-critical tasks were placed. Returns when to look again.
    pub fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        if !self.is_in_use {
            return None;
        }
        for cpu in enclave.idle().iter().filter(|cpu| !self.granted.contains(*cpu)) {
            if batch.names(cpu) {
                continue;
            }
            let Some(task) = self.queue.pop_front(enclave) else { break };
            batch.push(Transaction::new(task.id, task.seq, cpu));
        }
        let turn_ns = self.take_turns(now_ns, enclave, batch);
        [turn_ns, self.look_ns(now_ns, enclave)].into_iter().flatten().min()
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
