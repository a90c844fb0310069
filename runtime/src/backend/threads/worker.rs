//! Workers: the native threads that requests run on.
//!
//! A worker is idle (parked on its CPU's stack), owns its CPU (polls the mailbox, or runs a task),
//! is parked in the middle of its task (preempted), or is *detached*: in its task without owning a
//! CPU, because it was blocked in the kernel and another took over, or because the kernel schedules.
//! A request stays on the worker that began it until it is done: thread-local state, locks and C
//! libraries see an ordinary thread.

use crossbeam_utils::CachePadded;

use super::clock::now_ns;
use super::lane::{Lane, Switch};
use super::mailbox::{Command, Mail};
use super::ownership::WorkerId;
use super::park::{ParkWord, Resume};
use super::shared::{Mode, Shared, count};
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::sync::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::task::{TaskId, TaskState};

use courtesy::Courtesy;

mod courtesy;
mod fallback;
mod own;
mod preempt;
mod usurp;

pub(super) use fallback::release_parked;
#[cfg(feature = "kernel")]
pub(super) use own::run_served;
pub(super) use own::{leave_class, main};
pub(super) use preempt::{How, preempt_point, yield_now};
pub(super) use usurp::usurp;

/// A worker as others see it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) tid: AtomicI32,
    pub(super) cpu_clock: AtomicI32,
    pub(super) park: ParkWord,
    /// The epoch at which it is asked to give up its CPU: written by the dispatcher.
    preempt: CachePadded<AtomicU32>,
    /// The epoch at which it runs its task.
    epoch: AtomicU32,
    lane: AtomicUsize,
    task: AtomicU64,
    /// What an heir finds to begin; [`NOTHING`] if it should poll the mailbox.
    order: AtomicU64,
    /// It runs the application's code: a signal may preempt it. Only its own thread and the signal
    /// handler on that thread touch this and the two fields below, so program order is enough.
    in_task: AtomicBool,
    forbidden: AtomicU32,
    deferred: AtomicBool,
    courtesy: Courtesy,
}

const NOTHING: u64 = u64::MAX;

impl Worker {
    /// A worker of the CPU at `lane`, to be parked by its thread. `is_cramped`: the dispatcher has no
    /// CPU to itself.
    pub(super) fn new(id: WorkerId, lane: usize, is_cramped: bool) -> Self {
        let worker = Self {
            id,
            tid: AtomicI32::new(0),
            cpu_clock: AtomicI32::new(0),
            park: ParkWord::default(),
            preempt: CachePadded::default(),
            epoch: AtomicU32::new(0),
            lane: AtomicUsize::new(lane),
            task: AtomicU64::new(NOTHING),
            order: AtomicU64::new(NOTHING),
            in_task: AtomicBool::new(false),
            forbidden: AtomicU32::new(0),
            deferred: AtomicBool::new(false),
            courtesy: Courtesy::new(is_cramped),
        };
        worker.park.prepare();
        worker
    }

    /// The task it runs, or ran last.
    pub(super) fn task(&self) -> TaskId {
        TaskId::from_bits(self.task.load(Ordering::Relaxed))
    }

    pub(super) fn lane_index(&self) -> usize {
        self.lane.load(Ordering::Relaxed)
    }

    /// Asks the worker to give up its CPU at its next safepoint, if it still runs at `epoch`.
    pub(super) fn ask_at(&self, epoch: u32) {
        self.preempt.store(epoch, Ordering::Relaxed);
    }

    /// Asks the worker to give up whatever it runs now.
    pub(super) fn ask_now(&self) {
        self.ask_at(self.epoch.load(Ordering::Relaxed));
    }

    #[inline]
    fn is_asked(&self) -> bool {
        self.preempt.load(Ordering::Relaxed) == self.epoch.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn safepoint(&self) {
        self.courtesy.show();
        if self.is_asked() {
            preempt::at_safepoint();
        }
    }

    /// A safepoint that counts while preemption is forbidden, too.
    #[inline]
    pub(super) fn relent(&self) {
        self.courtesy.show();
        if !self.is_asked() && !self.deferred.load(Ordering::Relaxed) {
            return;
        }
        let depth = self.forbidden.load(Ordering::Relaxed);
        self.forbidden.store(0, Ordering::Relaxed);
        self.deferred.store(false, Ordering::Relaxed);
        // As in `forbid_preemption`: the handler runs on this thread.
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        preempt::at_safepoint();
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        self.forbidden.store(depth, Ordering::Relaxed);
    }

    /// Keeps signals and safepoints from preempting until the guard is dropped.
    #[inline]
    pub(super) fn forbid_preemption(&self) -> PreemptionForbidden<'_> {
        self.forbidden.store(self.forbidden.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // The handler runs on this thread: only the compiler could move the section out.
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        PreemptionForbidden(self)
    }
}

/// While it lives, its worker is not preempted.
#[derive(Debug)]
pub(super) struct PreemptionForbidden<'w>(&'w Worker);

impl Drop for PreemptionForbidden<'_> {
    fn drop(&mut self) {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        let left = self.0.forbidden.load(Ordering::Relaxed) - 1;
        self.0.forbidden.store(left, Ordering::Relaxed);
        if left == 0 && self.0.deferred.load(Ordering::Relaxed) {
            self.0.deferred.store(false, Ordering::Relaxed);
            preempt::at_safepoint();
        }
    }
}

/// Finds the thread that will run `task` on the switch's CPU, and takes the right to resume it.
/// `None`: the task cannot run here now.
fn claim_heir(shared: &Shared, switch: &mut Switch<'_>, task: TaskId) -> Option<WorkerId> {
    let slot = shared.table.get(task)?;
    let Some(bound) = slot.bound_to() else {
        let idle = claim_idle(shared, switch)?;
        shared.worker(idle).order.store(task.to_bits(), Ordering::Relaxed);
        return Some(idle);
    };
    let worker = shared.worker(bound);
    if !worker.park.claim() {
        return None;
    }
    if !std::ptr::eq(&raw const shared.lanes[worker.lane_index()], switch.lane) {
        migrate(shared, worker, switch.lane);
    }
    Some(bound)
}

/// Takes an idle worker that will poll the mailbox unless given an order.
fn claim_idle(shared: &Shared, switch: &mut Switch<'_>) -> Option<WorkerId> {
    loop {
        let idle = switch.pop_idle()?;
        // Only a worker that ends by itself, as the runtime stops, is on the stack and not to be had.
        if shared.worker(idle).park.claim() {
            shared.worker(idle).order.store(NOTHING, Ordering::Relaxed);
            return Some(idle);
        }
    }
}

/// Moves a parked worker to another CPU.
fn migrate(shared: &Shared, worker: &Worker, lane: &Lane) {
    let cpu = [lane.cpu].into_iter().collect();
    // A CPU that went offline meanwhile leaves the worker where it was: it then runs beside that
    // CPU's own tasks, which is slow but right.
    let _best_effort = super::placement::pin(worker.tid.load(Ordering::Relaxed), &cpu);
    let index = shared.lanes.iter().position(|other| std::ptr::eq(other, lane));
    worker.lane.store(index.expect("lanes do not come or go"), Ordering::Relaxed);
    count(&shared.counters.migrations);
}

/// Gives the CPU to a claimed worker and sets it going.
fn hand_over(shared: &Shared, switch: Switch<'_>, heir: WorkerId) {
    switch.hand_over(heir);
    shared.worker(heir).park.resume(Resume::AsOwner);
}

/// Publishes a change of `task`'s status and the message that tells of it.
fn tell(
    shared: &Shared,
    switch: &mut Switch<'_>,
    task: TaskId,
    (kind, time_ns): (MessageKind, u64),
    change: impl FnMut(Status) -> Option<Status>,
) {
    let cpu = switch.lane.cpu;
    if let Some(status) = publish(shared, task, change) {
        switch.post(Message {
            kind,
            cpu,
            task,
            seq: status.seq,
            time_ns,
            runtime_ns: status.runtime_ns,
        });
        shared.ring_dispatcher();
    }
}

/// Publishes a change of `task`'s status, with the next sequence number.
fn publish(
    shared: &Shared,
    task: TaskId,
    mut change: impl FnMut(Status) -> Option<Status>,
) -> Option<Status> {
    let slot = shared.table.get(task)?;
    slot.status.update(task, |status| {
        change(status).map(|changed| Status { seq: status.seq.next(), ..changed })
    })
}

/// The task's stint on `cpu` begins.
fn begin_stint(shared: &Shared, switch: &mut Switch<'_>, task: TaskId) {
    let (now_ns, cpu) = (now_ns(), switch.lane.cpu);
    tell(shared, switch, task, (MessageKind::TaskOnCpu, now_ns), |status| {
        Some(Status { state: TaskState::OnCpu, cpu, since_ns: now_ns, ..status })
    });
}

/// The status after a stint that ended at `now_ns` in `state`.
fn after_stint(status: Status, state: TaskState, now_ns: u64) -> Status {
    let ran_ns = match status.state {
        TaskState::OnCpu => now_ns.saturating_sub(status.since_ns),
        _ => 0,
    };
    Status { state, runtime_ns: status.runtime_ns + ran_ns, ..status }
}

/// The task goes on under the kernel's scheduler alone: to the agent, it is blocked.
fn leave_our_scheduling(shared: &Shared, worker: &Worker, task: TaskId) {
    let now_ns = now_ns();
    let left =
        publish(shared, task, |status| Some(after_stint(status, TaskState::Blocked, now_ns)));
    // An agent that is just coming back may have read the status before.
    preempt::post_detached(shared, worker, task, MessageKind::TaskBlocked, left);
}

/// The latched task could not run here: back into the queue with it.
fn refuse(shared: &Shared, switch: &mut Switch<'_>, task: TaskId) {
    count(&shared.counters.latches_failed);
    tell(shared, switch, task, (MessageKind::TaskLatchFailed, now_ns()), |status| {
        let is_latched = status.state == TaskState::Latched;
        is_latched.then_some(Status { state: TaskState::Queued, ..status })
    });
}
