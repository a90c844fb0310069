//! Backend `kernel`: threads of any process, through the kernel's sched_ext.
//!
//! The kernel half (crate `revenant-bpf`) holds every runnable thread of an enclave until its agent
//! commits it to a CPU. This file is the agent's half: messages come out of a ring, transactions go
//! into a mapped table and are committed by one system call.
//!
//! A thread's `runtime_ns` is that of its present *job*: it begins anew at each wake-up. Policies
//! that tell short work from long thus see a server's requests, not the age of its threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use revenant_bpf::abi::{self, Commit};
use revenant_bpf::{CallError, Ring, Scheduler};

use crate::backend::Backend;
use crate::cpu::{CPUS_MAX, CpuId};
use crate::hint::{ClassId, Hints, Tier};
use crate::message::{Message, MessageKind};
use crate::offer::Offer;
use crate::status::Status;
use crate::task::{Seq, TaskId, TaskState};
use crate::topology::Topology;
use crate::transaction::{Batch, BatchMode, Outcome, Transaction};

mod abandoned;
pub mod agent;
mod crew;
mod dispatcher;
pub mod enclaves;
mod fast_path;
pub mod members;

use fast_path::FastPath;

pub use crew::CrewError;
pub(crate) use crew::{Crew, start};
pub(crate) use dispatcher::Dispatcher;

// Both sides have room for the same machines.
const _: () = assert!(CPUS_MAX == abi::CPUS_MAX);

/// An enclave of the kernel, as its agent sees it. One agent has it.
#[derive(Debug)]
pub struct Kernel {
    scheduler: Arc<Scheduler>,
    topology: Topology,
    enclave: u32,
    channel: u32,
    ring: Ring,
    lost_seen: u64,
    /// CPUs a rescan found busy, to be told of. Room for all of them.
    notices: Vec<CpuId>,
    capacity: usize,
    local_cpu: Option<CpuId>,
    is_dismissed: bool,
    fast_path: FastPath,
}

impl Kernel {
    /// Opens a channel of an enclave, holding `capacity` messages. Another agent may still read it,
    /// until [`Self::begin`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(
        scheduler: Arc<Scheduler>,
        enclave: u32,
        channel: u32,
        capacity: usize,
    ) -> Result<Self, CallError> {
        let ring = scheduler.open_channel(enclave, channel, capacity)?;
        let lost_seen = scheduler.channel(enclave, channel).lost.load(Ordering::Relaxed);
        let topology = enclaves::topology(&scheduler, enclave);
        Ok(Self {
            scheduler,
            topology,
            enclave,
            channel,
            ring,
            lost_seen,
            notices: Vec::with_capacity(CPUS_MAX),
            capacity,
            local_cpu: None,
            is_dismissed: false,
            fast_path: FastPath::new(),
        })
    }

    /// Makes this the channel's only reader. The calling process is to be the enclave's agent by now
    /// ([`Scheduler::attach_agent`]); what happened before is in the status words.
    pub fn begin(&mut self) {
        self.scheduler.begin_channel(self.enclave, self.channel, self.capacity, &mut self.ring);
        self.lost_seen = self.record().lost.load(Ordering::Relaxed);
    }

    /// Makes the agent a local one: it sleeps on `cpu`, and gives it up to what it commits there.
    #[must_use]
    pub fn local_to(mut self, cpu: CpuId) -> Self {
        self.topology = self.topology.restricted_to(&[cpu].into_iter().collect());
        self.local_cpu = Some(cpu);
        self
    }

    /// The scheduler behind it.
    pub fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// The enclave's number.
    pub fn enclave(&self) -> u32 {
        self.enclave
    }

    /// Whether the enclave has, or must get, another agent: commits no longer do anything.
    pub fn is_dismissed(&self) -> bool {
        self.is_dismissed
    }

    /// The channel, for an agent that sleeps on it.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The task's status word, unless the task is gone.
    pub fn status(&self, task: TaskId) -> Option<Status> {
        let word = self.scheduler.status_words().get(task.index as usize)?;
        let (id, status) = read(word)?;
        (id == task && status.state != TaskState::Dead).then_some(status)
    }

    /// Where this agent's transactions begin: local agents of an enclave must not share places.
    fn first(&self) -> usize {
        self.local_cpu.map_or(0, CpuId::index)
    }

    fn record(&self) -> &abi::Channel {
        self.scheduler.channel(self.enclave, self.channel)
    }

    fn write(&self, index: usize, transaction: &Transaction) {
        let place = self.scheduler.transaction(self.enclave, self.first() + index);
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(transaction.idle_only, abi::IDLE_ONLY)
            | flag(transaction.allow_on_cpu, abi::ALLOW_ON_CPU);
        place.task.store(transaction.task.to_bits(), Ordering::Relaxed);
        place.slice_ns.store(transaction.slice_ns, Ordering::Relaxed);
        place.seq.store(transaction.seq.0, Ordering::Relaxed);
        place.cpu.store(transaction.cpu.0, Ordering::Relaxed);
        // The system call that follows orders these stores before the kernel's loads.
        place.flags.store(flags, Ordering::Relaxed);
    }
}

impl Backend for Kernel {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn agent_seq(&self) -> Seq {
        // Acquire pairs with the addition in `post`: messages counted here are readable, or will be
        // after the next turn's look.
        Seq(self.record().seq.load(Ordering::Acquire) as u32)
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(cpu) = self.notices.pop() {
            return Some(Message { kind: MessageKind::CpuBusy, cpu, ..Message::default() });
        }
        let message = self.ring.read()?;
        let read = &self.record().read;
        read.store(read.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(Message {
            kind: kind(message.kind),
            cpu: CpuId(message.cpu),
            seq: Seq(message.seq),
            task: TaskId::from_bits(message.task),
            time_ns: message.time_ns,
            runtime_ns: message.runtime_ns,
        })
    }

    fn take_overflow(&mut self) -> bool {
        let lost = self.record().lost.load(Ordering::Relaxed);
        std::mem::replace(&mut self.lost_seen, lost) != lost
    }

    fn hints(&self, task: TaskId) -> Hints {
        let slot = task.index as usize;
        let (Some(word), Some(hint)) =
            (self.scheduler.status_words().get(slot), self.scheduler.hints().get(slot))
        else {
            return Hints::default();
        };
        let weight = word.weight.load(Ordering::Relaxed).min(u32::from(u16::MAX)) as u16;
        if hint.task.load(Ordering::Relaxed) != task.to_bits() {
            return Hints { weight, ..Hints::default() };
        }
        let deadline_ns = hint.deadline_ns.load(Ordering::Relaxed);
        Hints {
            class: ClassId(hint.class.load(Ordering::Relaxed)),
            // Anything but the one word that means batch is what nobody has hinted at.
            tier: match hint.tier.load(Ordering::Relaxed) {
                1 => Tier::Batch,
                _ => Tier::LatencyCritical,
            },
            deadline_ns: (deadline_ns > 0).then_some(deadline_ns),
            weight: match hint.weight.load(Ordering::Relaxed) {
                0 => weight,
                hinted => hinted,
            },
        }
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        // The reader forgets which CPUs it was told are busy. What is still in the ring is later news.
        let scheduler = &self.scheduler;
        let is_busy_told =
            |cpu: &CpuId| scheduler.cpus()[cpu.index()].is_busy_told.load(Ordering::Relaxed) != 0;
        self.notices.clear();
        self.notices.extend(self.topology.cpus().iter().filter(is_busy_told));
        let used = self.scheduler.machine().slots_used.load(Ordering::Relaxed) as usize;
        for word in self.scheduler.status_words().iter().take(used) {
            let is_ours = word.enclave.load(Ordering::Relaxed) == self.enclave
                && word.channel.load(Ordering::Relaxed) == self.channel;
            let Some((id, status)) = is_ours.then(|| read(word)).flatten() else { continue };
            if status.state != TaskState::Dead {
                let hints = self.hints(id);
                visit(id, status, hints);
            }
        }
    }

    fn commit(&mut self, _now_ns: u64, seq_read: Seq, batch: &mut Batch) {
        for (index, transaction) in batch.transactions().iter().enumerate() {
            self.write(index, transaction);
        }
        let seq = self.record().seq.load(Ordering::Relaxed);
        let mut commit = Commit {
            enclave: self.enclave,
            count: batch.transactions().len() as u32,
            is_all_or_none: u32::from(batch.mode == BatchMode::AllOrNone),
            channel: self.channel,
            // The upper half cannot have changed unnoticed between two turns.
            seq_read: (seq & !u64::from(u32::MAX)) | u64::from(seq_read.0),
            local_cpu: self.local_cpu.map_or(abi::CPUS_MAX as u32, |cpu| u32::from(cpu.0)),
            first: self.first() as u32,
            ..Commit::default()
        };
        let committed = self.scheduler.commit(&mut commit);
        self.is_dismissed |= committed.is_err();
        let (scheduler, enclave, first) = (&self.scheduler, self.enclave, self.first());
        for (index, transaction) in batch.transactions_mut().iter_mut().enumerate() {
            let outcome =
                scheduler.transaction(enclave, first + index).outcome.load(Ordering::Relaxed);
            transaction.outcome = Some(match committed {
                Ok(()) => Outcome::ALL.get(usize::from(outcome)).copied(),
                Err(_) => None,
            })
            .map(|outcome| outcome.unwrap_or(Outcome::Aborted));
        }
    }

    fn wants_offers(&self) -> bool {
        let record = &self.scheduler.enclaves()[self.enclave as usize];
        // There is one ring an enclave, so agents for each CPU do not fill it.
        self.local_cpu.is_none() && record.flags.load(Ordering::Relaxed) & abi::FAST_PATH != 0
    }

    fn offer(&mut self, offers: &[Offer]) {
        self.fast_path.publish(self.scheduler.offers(self.enclave), offers);
    }
}

fn kind(number: u16) -> MessageKind {
    MessageKind::ALL.get(usize::from(number)).copied().unwrap_or(MessageKind::CpuTick)
}

/// A status word's task and contents, unless its writer was in the way.
pub(crate) fn read(word: &abi::StatusWord) -> Option<(TaskId, Status)> {
    let words = word.read()?;
    let packed = words.seq_state_cpu;
    let status = Status {
        seq: Seq(packed as u32),
        state: TaskState::from_bits((packed >> 32) as u8),
        cpu: CpuId((packed >> 48) as u16),
        runtime_ns: words.runtime_ns,
        since_ns: words.since_ns,
    };
    Some((TaskId::from_bits(words.task), status))
}

/// `CLOCK_MONOTONIC`, which the kernel half stamps messages with.
pub(crate) fn now_ns() -> u64 {
    crate::backend::threads::clock::now_ns()
}
