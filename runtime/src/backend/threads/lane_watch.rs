//! What the dispatcher keeps of a worker CPU: the last command, whether it was obeyed, and whether
//! the task that runs there is blocked.

use std::collections::VecDeque;

use super::lane::Lane;
use super::mailbox::Command;
use super::ownership::{Owner, Phase};
use super::sentinel::{self, Beat};
use super::shared::{Shared, count};
use super::signal;
use super::stillness::{self, Reading, Stillness};
use super::switch_times::SwitchTimes;
use super::worker;
use crate::channel::Consumer;
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::sync::Ordering;
use crate::task::{TaskId, TaskState};
use crate::transaction::SLICE_INFINITE_NS;

/// How long a safepoint has before a signal follows. A flag is seen in 0.1 us where there are
/// safepoints; a signal costs each side 6 us. Halving it sends signals into code that was about to
/// look; doubling it delays code that never looks.
const GRACE_NS: u64 = 2_000;

/// After so many signals in a row the grace is saved, but for every so manieth time, which would
/// notice safepoints that came back. A tick takes three in a row at most.
const DEAF_AFTER: u32 = 4;
const DEAF_PROBE: u32 = 32;

/// The same where the task seems blocked: its CPU's sentinel takes over, and a signal would only
/// break its system call off.
const GRACE_BLOCKED_NS: u64 = 50_000;

/// A signal takes 12-40 us to arrive on a virtual machine; one unanswered for this long may have
/// been consumed as stale.
const RESEND_NS: u64 = 100_000;

/// A blocked task whose sentinel has not stepped for this long runs again: six steps, or a tick.
const AWAKE_NS: u64 = 30_000;

/// Notices kept a CPU: a task that blocks, wakes and blocks again before the agent reads any.
const NOTICES_MAX: usize = 8;

/// A worker was asked to make way, and has not yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    owner: Owner,
    signalled_ns: Option<u64>,
}

/// The slice of the command under way or obeyed last.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    length_ns: u64,
    ends_ns: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct LaneWatch {
    pub(super) posted_epoch: u32,
    pub(super) times: SwitchTimes,
    posted_ns: u64,
    asked: Option<Asked>,
    /// Preemptions in a row that took a signal: work that has no safepoints is not waited for.
    deaf: u32,
    slice: Slice,
    beat: Beat,
    beat_ns: u64,
    /// The epoch whose task was told to be blocked.
    blocked_epoch: Option<u32>,
    /// It was so by its clock: the sentinel does not run.
    seen_by_clock: bool,
    stillness: Stillness,
    is_stopped: bool,
    /// Messages that a look brought to light, until the agent reads them. At most [`NOTICES_MAX`]:
    /// while there is no room for another two, nothing further is noticed.
    notices: VecDeque<Message>,
}

impl LaneWatch {
    /// Whether the last command has been taken.
    pub(super) fn is_taken(&self, lane: &Lane) -> bool {
        lane.ownership.read().epoch == self.posted_epoch
    }

    /// Posts the last command, once the one before has been taken.
    pub(super) fn stop(&mut self, lane: &Lane) {
        if !self.is_stopped && self.is_taken(lane) {
            self.posted_epoch = lane.mailbox.post(self.posted_epoch, Command::Stop);
            self.is_stopped = true;
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether a worker was asked to make way and has not yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Posts a command. If a task runs, its worker is asked to make way.
    pub(super) fn post(
        &mut self,
        shared: &Shared,
        index: usize,
        now_ns: u64,
        command: Command,
        slice_ns: u64,
    ) {
        let lane = &shared.lanes[index];
        self.slice = Slice { length_ns: slice_ns, ends_ns: None };
        self.posted_ns = now_ns;
        self.posted_epoch = lane.mailbox.post(self.posted_epoch, command);
        sentinel::rouse(lane);
        self.insist(shared, lane, lane.ownership.read(), now_ns);
    }

    /// A task began to run here.
    pub(super) fn began(&mut self, message: &Message) {
        let slice = &mut self.slice;
        slice.ends_ns = (slice.length_ns != SLICE_INFINITE_NS)
            .then(|| message.time_ns.saturating_add(slice.length_ns));
        if let Some(asked) = self.asked.take() {
            let took_ns = message.time_ns.saturating_sub(self.posted_ns);
            match asked.signalled_ns {
                None => {
                    self.deaf = 0;
                    self.times.by_safepoint.saturating_record(took_ns);
                }
                Some(_) => {
                    self.deaf = self.deaf.saturating_add(1);
                    self.times.by_signal.saturating_record(took_ns);
                }
            }
        }
    }

    /// One look at `now_ns`.
    pub(super) fn look(&mut self, shared: &Shared, index: usize, now_ns: u64) {
        let lane = &shared.lanes[index];
        let owner = lane.ownership.read();
        self.insist(shared, lane, owner, now_ns);
        self.end_slice(shared, index, owner, now_ns);
        if self.notices.len() <= NOTICES_MAX - 2 {
            self.watch_blocked(shared, lane, owner, now_ns);
        }
    }

    /// Whether a notice waits to be read.
    pub(super) fn has_notice(&self) -> bool {
        !self.notices.is_empty()
    }

    /// Forgets notices: a rescan reads the status words they told of.
    pub(super) fn forget_notices(&mut self) {
        self.notices.clear();
    }

    /// The next message of this CPU: its ring's, or a notice, whichever has the lower sequence number
    /// if they are about the same task. Ring and notices are each in order, but not one after the
    /// other.
    pub(super) fn read(&mut self, ring: &mut Consumer) -> Option<Message> {
        let Some(notice) = self.notices.front() else { return ring.read() };
        match ring.peek() {
            Some(message) if message.task != notice.task || notice.seq.is_after(message.seq) => {
                ring.read()
            }
            _ => self.notices.pop_front(),
        }
    }

    /// Asks whoever runs a task while a command waits to make way: by its safepoint flag, then by
    /// signals.
    ///
    /// The command may have been posted when the owner was still about to enter the task, so this
    /// looks at what is, not at what was when it was posted.
    fn insist(&mut self, shared: &Shared, lane: &Lane, owner: Owner, now_ns: u64) {
        if owner.phase != Phase::InTask || owner.epoch == self.posted_epoch || self.is_stopped {
            return;
        }
        let worker = shared.worker(owner.worker);
        let signalled_ns = match self.asked {
            Some(asked) if asked.owner == owner => asked.signalled_ns,
            _ => {
                worker.ask_at(owner.epoch);
                self.asked = Some(Asked { owner, signalled_ns: None });
                None
            }
        };
        let (waited_ns, patience_ns, counter) = match signalled_ns {
            None => (now_ns - self.posted_ns, self.grace_ns(owner), &shared.counters.signals_sent),
            Some(last_ns) => (now_ns - last_ns, RESEND_NS, &shared.counters.signals_resent),
        };
        if waited_ns < patience_ns {
            return;
        }
        if self.usurp_if_asleep(shared, lane, owner) {
            self.asked = None;
            return;
        }
        count(counter);
        self.asked = Some(Asked { owner, signalled_ns: Some(now_ns) });
        signal::send(worker.tid.load(Ordering::Relaxed));
    }

    /// Takes the CPU from an owner whose blocking only its clock showed, as the sentinel, which would,
    /// gets no turn. A signal would wake the task, to be preempted like one that has work to do: it
    /// would be given the CPU again, block again, and keep all behind it waiting.
    fn usurp_if_asleep(&self, shared: &Shared, lane: &Lane, owner: Owner) -> bool {
        let is_blocked = self.seen_by_clock && self.blocked_epoch == Some(owner.epoch);
        let tid = shared.worker(owner.worker).tid.load(Ordering::Relaxed);
        is_blocked && stillness::is_asleep(tid) && worker::usurp(shared, lane, owner)
    }

    /// How long a safepoint has.
    fn grace_ns(&self, owner: Owner) -> u64 {
        let is_deaf = self.deaf >= DEAF_AFTER && !self.deaf.is_multiple_of(DEAF_PROBE);
        match self.blocked_epoch {
            Some(epoch) if epoch == owner.epoch => GRACE_BLOCKED_NS,
            _ if is_deaf => 0,
            _ => GRACE_NS,
        }
    }

    fn end_slice(&mut self, shared: &Shared, index: usize, owner: Owner, now_ns: u64) {
        let is_over = self.slice.ends_ns.is_some_and(|ends_ns| now_ns >= ends_ns);
        if !is_over {
            return;
        }
        self.slice.ends_ns = None;
        if owner.phase == Phase::InTask && owner.epoch == self.posted_epoch {
            self.post(shared, index, now_ns, Command::Vacate, SLICE_INFINITE_NS);
        }
    }

    fn watch_blocked(&mut self, shared: &Shared, lane: &Lane, owner: Owner, now_ns: u64) {
        if self.blocked_epoch.is_some_and(|epoch| epoch != owner.epoch) {
            self.blocked_epoch = None;
        }
        let beat = sentinel::read_beat(&lane.sentinel_beat);
        let has_stepped = beat != self.beat;
        if has_stepped {
            self.beat = beat;
            self.beat_ns = now_ns;
        }
        if owner.phase != Phase::InTask {
            return;
        }
        let has_beat = has_stepped && owner.epoch == beat.epoch;
        let is_still = now_ns - self.beat_ns > AWAKE_NS && owner.epoch == beat.epoch;
        let reading = self.stillness.read(owner, shared.worker(owner.worker), now_ns);
        // The sentinel sees sooner and more: what the clock saw holds until it is back.
        self.seen_by_clock &= !has_beat;
        let _only_if_its_status_allows = match (self.blocked_epoch, reading) {
            (None, _) if has_beat => self.blocked(shared, lane, owner, now_ns),
            (None, Some(Reading::Asleep)) => {
                self.seen_by_clock = true;
                self.blocked(shared, lane, owner, now_ns)
            }
            (Some(_), Some(Reading::Moved)) if self.seen_by_clock => {
                self.awake(shared, lane, owner, now_ns)
            }
            (Some(_), _) if is_still && !self.seen_by_clock => {
                self.awake(shared, lane, owner, now_ns)
            }
            _ => None,
        };
    }

    /// The owner's task is blocked.
    fn blocked(&mut self, shared: &Shared, lane: &Lane, owner: Owner, now_ns: u64) -> Option<()> {
        let task = shared.worker(owner.worker).task();
        let status = note(shared, task, |status| {
            let runs_here = status.state == TaskState::OnCpu && status.cpu == lane.cpu;
            runs_here.then(|| Status {
                seq: status.seq.next(),
                state: TaskState::Blocked,
                runtime_ns: status.runtime_ns + now_ns.saturating_sub(status.since_ns),
                ..status
            })
        })?;
        self.blocked_epoch = Some(owner.epoch);
        self.notices.push_back(message(MessageKind::TaskBlocked, task, &status, now_ns));
        Some(())
    }

    /// The owner's task was blocked, and runs again where it was.
    fn awake(&mut self, shared: &Shared, lane: &Lane, owner: Owner, now_ns: u64) -> Option<()> {
        if lane.sentinel_nap.load(Ordering::Relaxed) == 1 {
            return None;
        }
        let task = shared.worker(owner.worker).task();
        let status = note(shared, task, |status| {
            let is_blocked_here = status.state == TaskState::Blocked && status.cpu == lane.cpu;
            is_blocked_here.then(|| Status {
                seq: status.seq.next().next(),
                state: TaskState::OnCpu,
                since_ns: now_ns,
                ..status
            })
        })?;
        self.blocked_epoch = None;
        let on_cpu = message(MessageKind::TaskOnCpu, task, &status, now_ns);
        let wakeup = Message {
            kind: MessageKind::TaskWakeup,
            seq: crate::task::Seq(status.seq.0.wrapping_sub(1)),
            ..on_cpu
        };
        self.notices.extend([wakeup, on_cpu]);
        Some(())
    }
}

/// Changes a running task's status from outside, if its own thread is not just doing so.
fn note(
    shared: &Shared,
    task: TaskId,
    change: impl FnMut(Status) -> Option<Status>,
) -> Option<Status> {
    shared.table.get(task)?.status.try_update(task, change).ok().flatten()
}

fn message(kind: MessageKind, task: TaskId, status: &Status, now_ns: u64) -> Message {
    Message {
        kind,
        cpu: status.cpu,
        task,
        seq: status.seq,
        time_ns: now_ns,
        runtime_ns: status.runtime_ns,
    }
}
