//! A worker in the middle of its task: giving up the CPU, and getting one again.

use std::sync::atomic::compiler_fence;

use super::*;
use crate::backend::threads::signal;

/// What brought a worker to look whether it should give up its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend::threads) enum How {
    /// The application's own safepoint.
    Safepoint,
    /// A signal.
    Signal,
}

/// A safepoint of whatever worker this thread is.
#[cold]
pub(super) fn at_safepoint() {
    if let Some((shared, worker)) = signal::bound() {
        preempt_point(shared, worker, How::Safepoint);
    }
}

/// Gives up the CPU: to whom the mailbox names, or to nobody until the policy decides anew.
pub(in crate::backend::threads) fn yield_now(shared: &Shared, worker: &Worker) {
    if worker.forbidden.load(Ordering::Relaxed) > 0 {
        return;
    }
    worker.in_task.store(false, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    step_back(shared, worker);
    compiler_fence(Ordering::SeqCst);
    worker.in_task.store(true, Ordering::Relaxed);
}

fn step_back(shared: &Shared, worker: &Worker) {
    let task = worker.task();
    let Some(mut switch) = shared.lanes[worker.lane_index()].enter(worker.id) else {
        // SAFETY: has no preconditions. A detached worker shares its CPU under the kernel's scheduler.
        unsafe { libc::sched_yield() };
        return;
    };
    if shared.mode() == Mode::Orphaned || switch.lane.mailbox.read(switch.epoch).is_some() {
        stay(worker, switch);
        return give_up(shared, worker, How::Safepoint);
    }
    let Some(heir) = claim_idle(shared, &mut switch) else {
        return stay(worker, switch);
    };
    worker.park.prepare();
    leave(shared, worker, &mut switch, MessageKind::TaskYield);
    hand_over(shared, switch, heir);
    resume(shared, worker, task);
}

/// Where a task may lose its CPU. Returns when it has one again.
pub(in crate::backend::threads) fn preempt_point(shared: &Shared, worker: &Worker, how: How) {
    if !worker.in_task.load(Ordering::Relaxed) {
        // A signal that came late: the worker is in our code and looks at its mailbox anyway.
        count(&shared.counters.signals_stale);
        return;
    }
    if worker.forbidden.load(Ordering::Relaxed) > 0 {
        worker.deferred.store(true, Ordering::Relaxed);
        count(&shared.counters.preemptions_deferred);
        return;
    }
    // From here to the end a further signal on this thread finds nothing to do.
    worker.in_task.store(false, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    give_up(shared, worker, how);
    compiler_fence(Ordering::SeqCst);
    worker.in_task.store(true, Ordering::Relaxed);
}

fn give_up(shared: &Shared, worker: &Worker, how: How) {
    let task = worker.task();
    let Some(switch) = shared.lanes[worker.lane_index()].enter(worker.id) else {
        return rejoin(shared, worker, task);
    };
    if shared.mode() == Mode::Orphaned {
        return fallback::release(shared, worker, task, switch);
    }
    match switch.lane.mailbox.read(switch.epoch) {
        Some(Mail { epoch, command: Command::Run(next) }) => {
            make_way(shared, worker, task, switch, epoch, Some(next), how);
        }
        Some(Mail { epoch, command: Command::Vacate }) => {
            make_way(shared, worker, task, switch, epoch, None, how);
        }
        Some(Mail { command: Command::Stop, .. }) | None => {
            if how == How::Signal {
                count(&shared.counters.signals_stale);
            }
            stay(worker, switch);
        }
    }
}

/// Goes on with the task as the CPU's owner.
pub(super) fn stay(worker: &Worker, switch: Switch<'_>) {
    worker.epoch.store(switch.epoch, Ordering::Relaxed);
    switch.run();
}

/// Parks in the middle of `task` in favour of `next`, or of an idle worker if nobody is next.
fn make_way(
    shared: &Shared,
    worker: &Worker,
    task: TaskId,
    mut switch: Switch<'_>,
    epoch: u32,
    next: Option<TaskId>,
    how: How,
) {
    switch.epoch = epoch;
    let heir = match next {
        Some(next) => claim_heir(shared, &mut switch, next),
        None => claim_idle(shared, &mut switch),
    };
    let Some(heir) = heir else {
        if let Some(next) = next {
            refuse(shared, &mut switch, next);
        }
        return stay(worker, switch);
    };
    count(match how {
        How::Safepoint => &shared.counters.preempted_by_safepoint,
        How::Signal => &shared.counters.preempted_by_signal,
    });
    // Before the message: its reader may have this worker resumed on another CPU at once.
    worker.park.prepare();
    leave(shared, worker, &mut switch, MessageKind::TaskPreempted);
    hand_over(shared, switch, heir);
    resume(shared, worker, task);
}

/// Tells that the worker's task stopped running here and is queued.
fn leave(shared: &Shared, worker: &Worker, switch: &mut Switch<'_>, kind: MessageKind) {
    let task = worker.task();
    if let Some(slot) = shared.table.get(task).filter(|_| kind == MessageKind::TaskPreempted) {
        slot.preemptions.fetch_add(1, Ordering::Relaxed);
    }
    let now_ns = now_ns();
    shared.stalls.lane(worker.lane_index()).beat(now_ns);
    tell(shared, switch, task, (kind, now_ns), |status| {
        Some(after_stint(status, TaskState::Queued, now_ns))
    });
}

/// Parked in the middle of `task`: waits for a CPU, or for the kernel to take over.
fn resume(shared: &Shared, worker: &Worker, task: TaskId) {
    match worker.park.park() {
        Resume::AsOwner => {
            let mut switch = shared.lanes[worker.lane_index()].inherit(worker.id);
            begin_stint(shared, &mut switch, task);
            stay(worker, switch);
        }
        Resume::Released | Resume::Stop => {
            count(&shared.counters.released_to_kernel);
            leave_our_scheduling(shared, worker, task);
        }
    }
}

/// A detached worker was asked to come back under the agent's scheduling.
fn rejoin(shared: &Shared, worker: &Worker, task: TaskId) {
    if shared.mode() == Mode::Orphaned || shared.is_stopping() {
        return;
    }
    worker.park.prepare();
    let woke = publish(shared, task, |status| Some(Status { state: TaskState::Queued, ..status }));
    post_detached(shared, worker, task, MessageKind::TaskWakeup, woke);
    resume(shared, worker, task);
}

/// Posts a message of a worker that owns no CPU.
pub(super) fn post_detached(
    shared: &Shared,
    worker: &Worker,
    task: TaskId,
    kind: MessageKind,
    status: Option<Status>,
) {
    let Some(status) = status else { return };
    let message = Message {
        kind,
        cpu: shared.lanes[worker.lane_index()].cpu,
        task,
        seq: status.seq,
        time_ns: now_ns(),
        runtime_ns: status.runtime_ns,
    };
    shared.post_detached(message);
}
