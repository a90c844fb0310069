//! A worker without a task: idle, or owning its CPU and serving its mailbox.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::compiler_fence;
use std::time::Duration;

use super::*;
use crate::backend::threads::context::Context;
use crate::backend::threads::placement::{self, KernelPolicy};
use crate::backend::threads::table::{Ending, Slot};
use crate::backend::threads::{clock, signal};

/// An idle owner's sleep when no wake-up reaches it; only a bound on how late a fallback is noticed.
const OWNER_SLEEP: Duration = Duration::from_millis(100);

/// The body of a worker's thread. `first` owns its CPU from the start.
pub(in crate::backend::threads) fn main(shared: Arc<Shared>, id: WorkerId, first: bool) {
    let worker = shared.worker(id);
    let is_cramped = shared.is_cramped;
    placement::adopt(if is_cramped { KernelPolicy::Meek } else { KernelPolicy::Batch });
    worker.cpu_clock.store(clock::own_cpu_clock(), Ordering::Relaxed);
    // Release pairs with the acquire of whoever waits for the thread to be ready.
    worker.tid.store(placement::own_tid(), Ordering::Release);
    let _bound = signal::bind(&shared, worker);
    if first {
        let taken = worker.park.claim();
        debug_assert!(taken, "nobody resumes a first owner");
        worker.park.resume(Resume::AsOwner);
    }
    while worker.park.park() == Resume::AsOwner {
        own(&shared, worker);
    }
}

/// Serves the CPU until it is handed to another, with this worker idle again.
fn own(shared: &Shared, worker: &Worker) {
    let lane = &shared.lanes[worker.lane_index()];
    let mut switch = lane.inherit(worker.id);
    let mut order = worker.order.swap(NOTHING, Ordering::Relaxed);
    loop {
        let served = match order {
            NOTHING => serve(shared, worker, switch),
            task => run(shared, worker, switch, TaskId::from_bits(task)),
        };
        order = NOTHING;
        match served {
            Some(kept) => switch = kept,
            None => return,
        }
    }
}

/// Waits for a command and obeys it. `None`: the CPU was handed to another.
fn serve<'l>(shared: &'l Shared, worker: &Worker, switch: Switch<'l>) -> Option<Switch<'l>> {
    match await_mail(shared, worker, &switch) {
        Some(mail) => obey(shared, worker, switch, mail),
        None => fallback::serve(shared, worker, switch),
    }
}

/// Polls the mailbox; `None`: the agent is gone.
fn await_mail(shared: &Shared, worker: &Worker, switch: &Switch<'_>) -> Option<Mail> {
    let meter = shared.stalls.lane(worker.lane_index());
    let idle_since_ns = now_ns();
    meter.beat(idle_since_ns);
    loop {
        if let Some(mail) = switch.lane.mailbox.read(switch.epoch) {
            return Some(mail);
        }
        if shared.mode() == Mode::Orphaned {
            return None;
        }
        let now_ns = now_ns();
        meter.beat(now_ns);
        let is_long = now_ns - idle_since_ns > shared.spin_ns;
        if is_long && switch.lane.mailbox.fall_asleep(switch.epoch) {
            switch.lane.mailbox.bell.sleep(OWNER_SLEEP);
            meter.restart(clock::now_ns());
        }
        crate::sync::spin_loop();
    }
}

fn obey<'l>(
    shared: &'l Shared,
    worker: &Worker,
    mut switch: Switch<'l>,
    mail: Mail,
) -> Option<Switch<'l>> {
    switch.epoch = mail.epoch;
    match mail.command {
        Command::Run(task) => {
            let is_bound = shared.table.get(task).is_some_and(|slot| slot.bound_to().is_some());
            if !is_bound {
                return run(shared, worker, switch, task);
            }
            let Some(heir) = claim_heir(shared, &mut switch, task) else {
                refuse(shared, &mut switch, task);
                switch.stay_idle();
                return Some(switch);
            };
            step_down(shared, worker, switch, heir);
            None
        }
        Command::Vacate => {
            switch.stay_idle();
            Some(switch)
        }
        Command::Stop => {
            stop(shared, worker, switch);
            None
        }
    }
}

/// Ends the CPU's idle workers and this one. Nobody owns the CPU in a meaningful way afterwards.
pub(super) fn stop(shared: &Shared, worker: &Worker, mut switch: Switch<'_>) {
    while let Some(idle) = claim_idle(shared, &mut switch) {
        shared.worker(idle).park.resume(Resume::Stop);
    }
    worker.park.prepare();
    let stopped = worker.park.claim();
    debug_assert!(stopped, "nobody resumes an owner");
    worker.park.resume(Resume::Stop);
}

/// Becomes idle and gives the CPU to `heir`.
fn step_down(shared: &Shared, worker: &Worker, mut switch: Switch<'_>, heir: WorkerId) {
    worker.park.prepare();
    switch.push_idle(worker.id);
    hand_over(shared, switch, heir);
}

/// Begins `task` on this worker and runs it to its end, however often it is preempted on the way.
/// `None`: the worker ended it detached, and is idle now.
pub(super) fn run<'l>(
    shared: &'l Shared,
    worker: &Worker,
    mut switch: Switch<'l>,
    task: TaskId,
) -> Option<Switch<'l>> {
    let slot = shared.table.get(task);
    let Some((slot, work)) = slot.and_then(|slot| Some((slot, slot.begin(worker.id)?))) else {
        refuse(shared, &mut switch, task);
        switch.stay_idle();
        return Some(switch);
    };
    begin_stint(shared, &mut switch, task);
    slot.started_ns.store(now_ns(), Ordering::Relaxed);
    let epoch = switch.epoch;
    switch.run();
    let ending = run_in_task(shared, worker, task, slot, epoch, work);
    match shared.lanes[worker.lane_index()].enter(worker.id) {
        Some(mut switch) => {
            end(shared, &mut switch, task, slot, ending);
            Some(switch)
        }
        None => {
            end_detached(shared, worker, task, slot, ending);
            None
        }
    }
}

/// The application's code runs in here, and only in here.
fn run_in_task(
    shared: &Shared,
    worker: &Worker,
    task: TaskId,
    slot: &Slot,
    epoch: u32,
    work: crate::backend::threads::work::Work,
) -> Ending {
    let context = Context { shared, worker, slot, task };
    worker.task.store(task.to_bits(), Ordering::Relaxed);
    worker.epoch.store(epoch, Ordering::Relaxed);
    worker.in_task.store(true, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    let refusal = reason_not_to_run(slot);
    let outcome = catch_unwind(AssertUnwindSafe(|| match refusal {
        None => work.run(&context),
        Some(ending) => work.refuse(ending),
    }));
    // The payload of a panic is the application's too, and so is its drop.
    let ending = match outcome {
        Ok(()) => refusal.unwrap_or_default(),
        Err(payload) => {
            std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
            Ending::Panicked
        }
    };
    compiler_fence(Ordering::SeqCst);
    worker.in_task.store(false, Ordering::Relaxed);
    worker.deferred.store(false, Ordering::Relaxed);
    ending
}

fn reason_not_to_run(slot: &Slot) -> Option<Ending> {
    if slot.cancelled.load(Ordering::Relaxed) {
        return Some(Ending::Cancelled);
    }
    let deadline_ns = slot.hints().deadline_ns?;
    (now_ns() > deadline_ns).then_some(Ending::Expired)
}

fn end(shared: &Shared, switch: &mut Switch<'_>, task: TaskId, slot: &Slot, ending: Ending) {
    let now_ns = now_ns();
    leave_class(shared, slot, ending, now_ns);
    slot.finish(ending, now_ns);
    let is_orphaned = shared.mode() == Mode::Orphaned;
    tell(shared, switch, task, (MessageKind::TaskDead, now_ns), |status| {
        Some(after_stint(status, TaskState::Dead, now_ns))
    });
    if is_orphaned {
        // Nobody reads the message. An agent that recovers right now retires the slot itself.
        let _lost_to_statistics = shared.table.retire(task);
    }
}

/// Counts the request as over, once.
pub(in crate::backend::threads) fn leave_class(
    shared: &Shared,
    slot: &Slot,
    ending: Ending,
    now_ns: u64,
) {
    if slot.is_counted.swap(true, Ordering::Relaxed) {
        return;
    }
    let service_ns = slot
        .status
        .read()
        .map_or(0, |(_, status)| after_stint(status, TaskState::Dead, now_ns).runtime_ns);
    shared.class(slot.hints().class).leave(ending, service_ns);
}

/// Runs a request outside the agent's scheduling, from beginning to end.
pub(super) fn run_detached(shared: &Shared, worker: &Worker, task: TaskId) {
    let slot = shared.table.get(task);
    let Some((slot, work)) = slot.and_then(|slot| Some((slot, slot.begin(worker.id)?))) else {
        return become_idle(shared, worker);
    };
    slot.started_ns.store(now_ns(), Ordering::Relaxed);
    leave_our_scheduling(shared, worker, task);
    let epoch = worker.epoch.load(Ordering::Relaxed);
    let ending = run_in_task(shared, worker, task, slot, epoch, work);
    end_detached(shared, worker, task, slot, ending);
}

/// Runs a request, from beginning to end, on a thread of the application's process that another
/// scheduler has: the kernel backend's agent. Its end is posted like that of any worker without a
/// CPU.
#[cfg(feature = "kernel")]
pub(in crate::backend::threads) fn run_served(shared: &Shared, worker: &Worker, task: TaskId) {
    let slot = shared.table.get(task);
    let Some((slot, work)) = slot.and_then(|slot| Some((slot, slot.begin(worker.id)?))) else {
        return;
    };
    slot.started_ns.store(now_ns(), Ordering::Relaxed);
    let clock = worker.cpu_clock.load(Ordering::Relaxed);
    let used_ns = || clock::thread_cpu_ns(clock).unwrap_or_default();
    let (before_ns, epoch) = (used_ns(), worker.epoch.load(Ordering::Relaxed));
    let ending = run_in_task(shared, worker, task, slot, epoch, work);
    let runtime_ns = used_ns() - before_ns;
    // Blocked, to an agent of this process: none has a say in it.
    publish(shared, task, |status| {
        Some(Status { state: TaskState::Blocked, runtime_ns, ..status })
    });
    let now_ns = now_ns();
    leave_class(shared, slot, ending, now_ns);
    slot.finish(ending, now_ns);
    let died = publish(shared, task, |status| Some(after_stint(status, TaskState::Dead, now_ns)));
    preempt::post_detached(shared, worker, task, MessageKind::TaskDead, died);
}

/// Ends a task without owning a CPU, and becomes idle on the CPU it was last on.
fn end_detached(shared: &Shared, worker: &Worker, task: TaskId, slot: &Slot, ending: Ending) {
    let now_ns = now_ns();
    leave_class(shared, slot, ending, now_ns);
    slot.finish(ending, now_ns);
    let died = publish(shared, task, |status| Some(after_stint(status, TaskState::Dead, now_ns)));
    preempt::post_detached(shared, worker, task, MessageKind::TaskDead, died);
    become_idle(shared, worker);
}

/// Waits, without owning a CPU, for the owner of the one it was last on.
fn become_idle(shared: &Shared, worker: &Worker) {
    worker.park.prepare();
    let lane = &shared.lanes[worker.lane_index()];
    lane.returned.push(worker.id).expect("a lane has room for every worker");
    // Pairs with `Shared::stop`: either the owner that stops the idle finds this worker among them,
    // or this worker sees that everything stops.
    crate::sync::fence(Ordering::SeqCst);
    if shared.is_stopping() && worker.park.claim() {
        worker.park.resume(Resume::Stop);
    }
}
