//! What all threads of one runtime share.

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

use super::dispatcher_bell::DispatcherBell;
use super::gauge::ClassGauge;
use super::lane::Lane;
use super::ownership::WorkerId;
use super::table::{Phase, Submission, Table};
use super::watchdog;
use super::worker::Worker;
use crate::hint::ClassId;
use crate::message::Message;
use crate::runtime::Leftover;
use crate::stall::StallMeters;
use crate::stats::ThreadCounters;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::task::TaskId;

/// Counters named after reasons. Relaxed: they order nothing.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) preempted_by_safepoint: AtomicU64,
    pub(super) preempted_by_signal: AtomicU64,
    pub(super) usurped_while_blocked: AtomicU64,
    pub(super) signals_sent: AtomicU64,
    pub(super) signals_resent: AtomicU64,
    pub(super) signals_stale: AtomicU64,
    pub(super) preemptions_deferred: AtomicU64,
    pub(super) latches_failed: AtomicU64,
    pub(super) migrations: AtomicU64,
    pub(super) fallbacks: AtomicU64,
    pub(super) recoveries: AtomicU64,
    pub(super) agent_panics: AtomicU64,
    pub(super) released_to_kernel: AtomicU64,
}

/// Adds one to a counter.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Who schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Mode {
    /// The agent.
    Attached = 0,
    /// The agent died or is stuck: the kernel schedules, and idle workers help themselves.
    Orphaned = 1,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) lanes: Box<[Lane]>,
    pub(super) workers: Box<[Worker]>,
    pub(super) table: Table,
    /// Accepted requests the agent has not been told of. Holds every slot, so it cannot be full.
    pub(super) submitted: ArrayQueue<TaskId>,
    /// What workers that own no CPU have to tell.
    pub(super) detached: ArrayQueue<Message>,
    detached_overflow: AtomicBool,
    pub(crate) stalls: StallMeters,
    pub(super) counters: Counters,
    pub(super) heartbeat: CachePadded<AtomicU64>,
    /// How long an idle thread polls before it sleeps.
    pub(super) spin_ns: u64,
    /// Dispatcher and workers share a CPU.
    pub(super) is_cramped: bool,
    classes: Box<[ClassGauge]>,
    mode: CachePadded<AtomicU32>,
    /// The dispatcher sleeps by it when there is nothing to do.
    pub(crate) dispatcher_bell: CachePadded<DispatcherBell>,
    aborting: AtomicBool,
    stopping: AtomicBool,
}

/// The parts a [`Shared`] is made of.
pub(super) struct Parts {
    pub(super) lanes: Vec<Lane>,
    pub(super) workers: Vec<Worker>,
    pub(super) classes: Vec<ClassGauge>,
    pub(super) tasks_max: usize,
    pub(super) spin_ns: u64,
    pub(super) is_cramped: bool,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { lanes, workers, classes, tasks_max, spin_ns, is_cramped } = parts;
        Self {
            table: Table::new(tasks_max),
            submitted: ArrayQueue::new(tasks_max),
            // A worker's request blocks, wakes and dies once each between two looks, as a rule.
            detached: ArrayQueue::new(4 * workers.len()),
            detached_overflow: AtomicBool::new(false),
            stalls: StallMeters::new(lanes.len()),
            counters: Counters::default(),
            heartbeat: CachePadded::default(),
            spin_ns,
            is_cramped,
            mode: CachePadded::default(),
            dispatcher_bell: CachePadded::default(),
            aborting: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            classes: classes.into(),
            lanes: lanes.into(),
            workers: workers.into(),
        }
    }

    pub(super) fn worker(&self, id: WorkerId) -> &Worker {
        &self.workers[id.0 as usize]
    }

    pub(super) fn mode(&self) -> Mode {
        // Acquire pairs with the release in `set_mode`.
        match self.mode.load(Ordering::Acquire) {
            0 => Mode::Attached,
            _ => Mode::Orphaned,
        }
    }

    /// Changes who schedules; `false` if it was so already.
    pub(super) fn set_mode(&self, mode: Mode) -> bool {
        self.mode.swap(mode as u32, Ordering::AcqRel) != mode as u32
    }

    /// Cancels what has not begun and asks the rest to end early:
    /// [`super::Context::is_cancelled`].
    pub(crate) fn abort(&self) {
        self.aborting.store(true, Ordering::Relaxed);
        self.table.iter().for_each(|(_, slot)| slot.cancelled.store(true, Ordering::Relaxed));
    }

    pub(super) fn is_aborting(&self) -> bool {
        self.aborting.load(Ordering::Relaxed)
    }

    /// Tells helper threads to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        // Sequentially consistent, with `stop`: see `own::become_idle`.
        self.stopping.load(Ordering::SeqCst)
    }

    /// Wakes the dispatcher if it sleeps. After anything it should look at.
    pub(crate) fn ring_dispatcher(&self) {
        self.dispatcher_bell.ring();
    }

    /// Posts a message of a worker that owns no CPU. If there is no room it is lost, and the agent
    /// rescans.
    pub(super) fn post_detached(&self, message: Message) {
        if self.detached.push(message).is_err() {
            // Release pairs with the acquire in `take_detached_overflow`.
            self.detached_overflow.store(true, Ordering::Release);
        }
        self.ring_dispatcher();
    }

    pub(super) fn take_detached_overflow(&self) -> bool {
        self.detached_overflow.load(Ordering::Relaxed)
            && self.detached_overflow.swap(false, Ordering::Acquire)
    }

    /// A class's gauge.
    pub(crate) fn class(&self, id: ClassId) -> &ClassGauge {
        &self.classes[id.index()]
    }

    /// Requests accepted and not over, of all classes.
    pub(crate) fn in_flight(&self) -> usize {
        self.classes.iter().map(ClassGauge::in_flight).sum()
    }

    pub(crate) fn lane_count(&self) -> usize {
        self.lanes.len()
    }

    /// Puts an accepted request before the dispatcher; gives it back if the table is full.
    pub(crate) fn submit(&self, submission: Submission) -> Result<TaskId, Submission> {
        let task = self.table.submit(submission)?;
        self.submitted.push(task).expect("there is room for every slot");
        self.ring_dispatcher();
        Ok(task)
    }

    /// The requester of `task` lost interest.
    pub(crate) fn cancel(&self, task: TaskId) {
        if let Some(slot) = self.table.get(task) {
            slot.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// No agent schedules.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.mode() == Mode::Orphaned
    }

    /// Leaves everything to the kernel and ends the threads as they run out of work.
    pub(crate) fn abandon(&self) {
        watchdog::orphan(self);
        watchdog::relieve(self);
        self.stop();
    }

    /// Requests that are not over.
    pub(crate) fn leftovers(&self, now_ns: u64, names: &[String]) -> Vec<Leftover> {
        let is_alive = |phase| phase == Phase::Pending || phase == Phase::Started;
        let alive = self
            .table
            .iter()
            .map(|(_, slot)| (slot, slot.phase()))
            .filter(|(_, phase)| is_alive(*phase));
        alive
            .map(|(slot, phase)| Leftover {
                class: names[slot.hints().class.index()].clone(),
                age: std::time::Duration::from_nanos(now_ns.saturating_sub(slot.arrived_ns())),
                has_begun: phase == Phase::Started,
            })
            .collect()
    }

    pub(crate) fn thread_counters(&self) -> ThreadCounters {
        let Counters {
            preempted_by_safepoint,
            preempted_by_signal,
            usurped_while_blocked,
            signals_sent,
            signals_resent,
            signals_stale,
            preemptions_deferred,
            latches_failed,
            migrations,
            fallbacks,
            recoveries,
            agent_panics,
            released_to_kernel,
        } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ThreadCounters {
            preempted_by_safepoint: read(preempted_by_safepoint),
            preempted_by_signal: read(preempted_by_signal),
            usurped_while_blocked: read(usurped_while_blocked),
            signals_sent: read(signals_sent),
            signals_resent: read(signals_resent),
            signals_stale: read(signals_stale),
            preemptions_deferred: read(preemptions_deferred),
            latches_failed: read(latches_failed),
            migrations: read(migrations),
            fallbacks: read(fallbacks),
            recoveries: read(recoveries),
            agent_panics: read(agent_panics),
            released_to_kernel: read(released_to_kernel),
        }
    }
}
