//! Workers without an agent: the kernel schedules, and whoever is idle helps itself.
//!
//! Each CPU keeps an owner, so that an agent that comes back finds the world in order. The owner
//! takes the next request nobody has begun, makes an idle worker owner in its stead, and runs the
//! request beside it: one native thread a request, shared out by the kernel.

use std::time::Duration;

use super::*;
use crate::backend::threads::table::Phase;

/// How long an owner that found nothing sleeps. Requests wait that much longer than they must; an
/// owner that polled instead would take the CPU from the requests that run beside it.
const NAP: Duration = Duration::from_micros(200);

/// Serves the CPU without an agent, once. `None`: the CPU was handed over, or its threads ended.
pub(super) fn serve<'l>(
    shared: &'l Shared,
    worker: &Worker,
    mut switch: Switch<'l>,
) -> Option<Switch<'l>> {
    while let Some(message) = shared.detached.pop() {
        let _lost_to_statistics = shared.table.retire(message.task);
    }
    let Some(task) = next_pending(shared) else {
        if shared.is_stopping() {
            own::stop(shared, worker, switch);
            return None;
        }
        if switch.lane.mailbox.fall_asleep(switch.epoch) {
            switch.lane.mailbox.bell.sleep(NAP);
        }
        return Some(switch);
    };
    let Some(heir) = claim_idle(shared, &mut switch) else {
        return own::run(shared, worker, switch, task);
    };
    hand_over(shared, switch, heir);
    own::run_detached(shared, worker, task);
    None
}

/// A request nobody has begun: the oldest submission the agent had not seen, else any it had.
fn next_pending(shared: &Shared) -> Option<TaskId> {
    while let Some(task) = shared.submitted.pop() {
        if shared.table.get(task).is_some_and(|slot| slot.is_in(Phase::Pending)) {
            return Some(task);
        }
    }
    shared.table.iter().find(|(_, slot)| slot.is_in(Phase::Pending)).map(|(task, _)| task)
}

/// In the middle of `task` when the agent went: leaves the CPU to an idle worker and goes on beside
/// it.
pub(super) fn release(shared: &Shared, worker: &Worker, task: TaskId, mut switch: Switch<'_>) {
    let Some(heir) = claim_idle(shared, &mut switch) else {
        return preempt::stay(worker, switch);
    };
    count(&shared.counters.released_to_kernel);
    leave_our_scheduling(shared, worker, task);
    hand_over(shared, switch, heir);
}

/// Lets every request that is parked in its middle go on under the kernel's scheduler.
pub(in crate::backend::threads) fn release_parked(shared: &Shared) {
    for (task, slot) in shared.table.iter() {
        let is_waiting = slot.status.read().is_some_and(|(id, status)| {
            id == task && matches!(status.state, TaskState::Queued | TaskState::Latched)
        });
        let Some(bound) = slot.bound_to().filter(|_| is_waiting) else { continue };
        let worker = shared.worker(bound);
        if worker.park.claim() {
            worker.park.resume(Resume::Released);
        }
    }
}
