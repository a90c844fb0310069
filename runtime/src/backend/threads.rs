//! Backend `threads`: this process's own native threads, without any privilege.
//!
//! A request runs on a native thread (a *worker*) from its first instruction to its last. Each
//! worker CPU (a *lane*) has one owner at a time; the dispatcher writes commands into its mailbox
//! and never wakes anybody on the fast path. A preempted worker wakes its successor on the same CPU
//! and parks where it stands, in a safepoint or in a signal handler.
//!
//! This file is the dispatcher's half: it turns what workers did into messages and transactions into
//! commands. Only the dispatcher's thread has it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::backend::Backend;
use crate::channel::Consumer;
use crate::cpu::CpuId;
use crate::hint::Hints;
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::sync::Ordering;
use crate::task::{Seq, TaskId, TaskState};
use crate::topology::Topology;
use crate::transaction::{Batch, Transaction};

pub(crate) mod clock;
mod context;
mod detached;
mod dispatcher;
mod dispatcher_bell;
mod doorbell;
mod facts;
mod futex;
mod gauge;
mod lane;
mod lane_watch;
mod mailbox;
mod ownership;
mod park;
pub mod placement;
mod progress;
mod sentinel;
#[cfg(feature = "kernel")]
pub(crate) mod served;
mod shared;
mod signal;
mod start;
mod stillness;
mod switch_times;
mod table;
mod watchdog;
mod work;
mod worker;

pub use context::Context;
pub use gauge::ClassCounts;
pub use start::{Crew, Options, start};
pub use table::{Completion, Ending};
pub use work::{Handler, Once, Work};

pub(crate) use dispatcher::Dispatcher;
pub(crate) use gauge::Refusal;
pub(crate) use shared::Shared;
pub(crate) use start::{RING_MESSAGES, WORKERS_MAX, pause};
pub(crate) use table::Submission;

use detached::Detached;
use lane_watch::LaneWatch;
use mailbox::Command;
use table::Phase as SlotPhase;

pub use switch_times::SwitchTimes;

/// New requests told of in one turn at most; the rest wait for the next, after a decision.
const NEWS_PER_TURN: usize = 64;

/// The dispatcher's half of the backend.
#[derive(Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    topology: Topology,
    rings: Vec<Consumer>,
    watches: Vec<LaneWatch>,
    detached: Detached,
    /// TASK_NEW messages. Bounded by the news of one turn.
    news: VecDeque<Message>,
    /// Requests that ended, until the dispatcher passes them on. Bounded by the task table.
    completions: VecDeque<Completion>,
    next_ring: usize,
    overflows: u64,
    agent_seq: Seq,
    is_stopping: bool,
}

impl Threads {
    pub(super) fn new(shared: Arc<Shared>, topology: Topology, rings: Vec<Consumer>) -> Self {
        let lanes = shared.lanes.len();
        Self {
            watches: (0..lanes).map(|_| LaneWatch::default()).collect(),
            detached: Detached::with_capacity(shared.workers.len()),
            news: VecDeque::with_capacity(NEWS_PER_TURN),
            completions: VecDeque::with_capacity(shared.table.capacity()),
            next_ring: 0,
            overflows: 0,
            agent_seq: Seq(0),
            is_stopping: false,
            shared,
            topology,
            rings,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How long switches took, by what brought them about.
    pub(crate) fn switch_times(&mut self) -> impl Iterator<Item = &mut SwitchTimes> {
        self.watches.iter_mut().map(|watch| &mut watch.times)
    }

    /// Message rings that overflowed, in the backend's life.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Looks at everything that sends no message by itself: new requests, blocked tasks, workers
    /// that were asked to make way and did not yet. Also shows the watchdog that there is an agent: 100
    /// ms without a call, and the kernel takes over.
    pub fn poll(&mut self, now_ns: u64) {
        self.shared.heartbeat.store(now_ns, Ordering::Relaxed);
        self.welcome(now_ns);
        for (index, watch) in self.watches.iter_mut().enumerate() {
            watch.look(&self.shared, index, now_ns);
        }
        self.detached.poll_one(&self.shared, now_ns);
    }

    fn welcome(&mut self, now_ns: u64) {
        for _ in 0..NEWS_PER_TURN.saturating_sub(self.news.len()) {
            let Some(task) = self.shared.submitted.pop() else { return };
            let Some(slot) = self.shared.table.get(task) else { continue };
            // A fallback may have run it, or a rescan found it, before this entry was read.
            let news = slot.status.update(task, |status| {
                let is_new = status.seq == Seq(0) && status.state == TaskState::Queued;
                is_new.then_some(Status { seq: Seq(1), ..status })
            });
            if let Some(status) = news {
                self.news.push_back(Message {
                    kind: MessageKind::TaskNew,
                    cpu: CpuId(0),
                    task,
                    seq: status.seq,
                    time_ns: now_ns,
                    runtime_ns: 0,
                });
            }
        }
    }

    /// A message is on its way to the agent: what this half must know of it.
    fn observe(&mut self, message: &Message) {
        match message.kind {
            MessageKind::TaskDead => {
                self.completions.extend(self.shared.table.retire(message.task))
            }
            MessageKind::TaskBlocked => self.detached.watch(&self.shared, message.task),
            _ => {}
        }
    }

    /// Puts a request of class 0 before the agent, bypassing admission; `None`: the table is full.
    pub fn submit(&self, now_ns: u64, work: Work) -> Option<TaskId> {
        let submission = Submission {
            hints: Hints::default(),
            arrived_ns: now_ns,
            admitted_ns: now_ns,
            token: work.token(),
            work,
        };
        self.shared.submit(submission).ok()
    }

    /// The status word of `task`; `None`: it is over, or its word is under change.
    pub fn status(&self, task: TaskId) -> Option<Status> {
        let (id, status) = self.shared.table.get(task)?.status.read()?;
        (id == task && status.state != TaskState::Dead).then_some(status)
    }

    /// The next request that ended.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// Whether nothing waits to be read here or in any ring.
    pub(crate) fn is_quiet(&self) -> bool {
        self.news.is_empty()
            && !self.watches.iter().any(LaneWatch::has_notice)
            && self.shared.submitted.is_empty()
            && self.shared.detached.is_empty()
            && self.rings.iter().all(Consumer::is_empty)
    }

    /// Ends the workers through their mailboxes: those that are idle now, others when they are done.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
        for (lane, watch) in self.shared.lanes.iter().zip(&mut self.watches) {
            watch.stop(lane);
        }
    }

    /// Whether every CPU was told to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.watches.iter().all(LaneWatch::is_stopped)
    }

    /// Whether somebody was asked to make way and has not yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.watches.iter().any(LaneWatch::is_waiting)
    }

    fn lane_of(&self, cpu: CpuId) -> Option<usize> {
        self.shared.lanes.iter().position(|lane| lane.cpu == cpu)
    }

    fn apply(&mut self, now_ns: u64, transaction: &Transaction) {
        let Some(index) = self.lane_of(transaction.cpu) else { return };
        let slot = self.shared.table.slot(transaction.task.index);
        let _released_by_the_watchdog_if_none = slot.status.update(transaction.task, |status| {
            let is_queued = status.state == TaskState::Queued;
            is_queued.then_some(Status {
                state: TaskState::Latched,
                cpu: transaction.cpu,
                ..status
            })
        });
        self.watches[index].post(
            &self.shared,
            index,
            now_ns,
            Command::Run(transaction.task),
            transaction.slice_ns,
        );
    }
}

impl Backend for Threads {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn agent_seq(&self) -> Seq {
        self.agent_seq
    }

    fn next_message(&mut self) -> Option<Message> {
        let mut found = self.news.pop_front();
        for _ in 0..self.rings.len() {
            if found.is_some() {
                break;
            }
            let lane = self.next_ring;
            found = self.watches[lane].read(&mut self.rings[lane]);
            match found {
                None => self.next_ring = (lane + 1) % self.rings.len(),
                Some(message) if message.kind == MessageKind::TaskOnCpu => {
                    self.watches[lane].began(&message);
                }
                Some(_) => {}
            }
        }
        let message = found.or_else(|| self.shared.detached.pop())?;
        self.agent_seq = self.agent_seq.next();
        self.observe(&message);
        Some(message)
    }

    fn take_overflow(&mut self) -> bool {
        let rings: u64 = self.rings.iter_mut().map(Consumer::take_overflow).map(u64::from).sum();
        let lost = rings + u64::from(self.shared.take_detached_overflow());
        self.overflows += lost;
        lost > 0
    }

    fn hints(&self, task: TaskId) -> Hints {
        self.shared.table.get(task).map(table::Slot::hints).unwrap_or_default()
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.news.clear();
        for ring in &mut self.rings {
            while ring.read().is_some() {}
        }
        while self.shared.detached.pop().is_some() {}
        self.detached.clear();
        self.watches.iter_mut().for_each(LaneWatch::forget_notices);
        for (task, slot) in self.shared.table.iter() {
            if slot.is_in(SlotPhase::Done) {
                self.completions.extend(self.shared.table.retire(task));
                continue;
            }
            let is_alive = slot.is_in(SlotPhase::Pending) || slot.is_in(SlotPhase::Started);
            let Some((id, status)) = slot.status.read().filter(|_| is_alive) else { continue };
            if id != task || (status.seq == Seq(0) && slot.is_in(SlotPhase::Pending)) {
                continue;
            }
            if status.state == TaskState::Blocked {
                self.detached.watch(&self.shared, task);
            }
            visit(task, status, slot.hints());
        }
    }

    fn commit(&mut self, now_ns: u64, _seq_read: Seq, batch: &mut Batch) {
        let this = RefCell::new(self);
        batch.resolve(
            |transaction| this.borrow().check(transaction),
            |transaction| this.borrow_mut().apply(now_ns, transaction),
        );
    }
}
