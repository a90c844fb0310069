//! Tasks that blocked and lost their CPU to another: when do they run again?
//!
//! The kernel does not say. But a thread that runs uses CPU time, and its clock can be read from
//! outside (0.3 us): a clock that moved is TASK_WAKEUP. The worker is then asked, by signal, to
//! report and park until it is scheduled; until it does so it shares its CPU with its successor
//! under the kernel's scheduler.

use super::clock;
use super::shared::Shared;
use super::signal;
use super::table::Phase;
use crate::sync::Ordering;
use crate::task::{TaskId, TaskState};

/// Time between two clock readings. A woken task may run that long times the number of blocked ones
/// beside its successor; halving it doubles what reading costs the dispatcher (0.3 us each).
const PERIOD_NS: u64 = 20_000;

#[derive(Debug)]
pub(super) struct Detached {
    tasks: Vec<Watched>,
    next: usize,
    polled_ns: u64,
}

#[derive(Debug)]
struct Watched {
    task: TaskId,
    /// CPU time at the last reading.
    cpu_ns: Option<u64>,
}

impl Detached {
    pub(super) fn with_capacity(workers: usize) -> Self {
        Self { tasks: Vec::with_capacity(workers), next: 0, polled_ns: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    /// Watches a task that was told to be blocked.
    pub(super) fn watch(&mut self, shared: &Shared, task: TaskId) {
        if let Some(watched) = self.tasks.iter_mut().find(|watched| watched.task == task) {
            // It woke and blocked again before its clock was read: what it used until now is old.
            watched.cpu_ns = None;
            return;
        }
        if self.tasks.len() == self.tasks.capacity() {
            self.tasks.retain(|watched| is_blocked(shared, watched.task));
        }
        // A blocked task has a worker of its own, so there is room for all of them.
        debug_assert!(self.tasks.len() < self.tasks.capacity());
        self.tasks.push(Watched { task, cpu_ns: None });
    }

    /// Reads one clock, if it is time to.
    pub(super) fn poll_one(&mut self, shared: &Shared, now_ns: u64) {
        if self.tasks.is_empty() || now_ns.saturating_sub(self.polled_ns) < PERIOD_NS {
            return;
        }
        self.polled_ns = now_ns;
        self.next %= self.tasks.len();
        let watched = &mut self.tasks[self.next];
        if is_blocked(shared, watched.task) {
            read_clock(shared, watched);
            self.next += 1;
        } else {
            self.tasks.swap_remove(self.next);
        }
    }
}

fn is_blocked(shared: &Shared, task: TaskId) -> bool {
    let Some(slot) = shared.table.get(task).filter(|slot| slot.is_in(Phase::Started)) else {
        return false;
    };
    // A word that could not be read is under change: look again next time.
    slot.status.read().is_none_or(|(id, status)| id == task && status.state == TaskState::Blocked)
}

fn read_clock(shared: &Shared, watched: &mut Watched) {
    let Some(bound) = shared.table.get(watched.task).and_then(|slot| slot.bound_to()) else {
        return;
    };
    let worker = shared.worker(bound);
    let owner = shared.lanes[worker.lane_index()].ownership.read();
    if owner.worker == bound {
        // It still has its CPU; the lane's sentinel sees whether it runs.
        return;
    }
    let cpu_ns = clock::thread_cpu_ns(worker.cpu_clock.load(Ordering::Relaxed));
    let has_run = watched.cpu_ns.is_some() && cpu_ns > watched.cpu_ns;
    watched.cpu_ns = cpu_ns;
    if has_run {
        worker.ask_now();
        signal::send(worker.tid.load(Ordering::Relaxed));
    }
}
