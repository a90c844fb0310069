//! The watchdog: notices that the dispatcher no longer turns, and lets the kernel take over.

use std::sync::Arc;
use std::time::Duration;

use super::ownership::{Phase, USURPER};
use super::shared::{Mode, Shared, count};
use super::{sentinel, signal, worker};
use crate::sync::{AtomicU32, Ordering};

/// Time between looks. Each costs some CPU that requests want some 10 us.
const PERIOD: Duration = Duration::from_millis(50);

/// Looks without a heartbeat before the dispatcher counts as stuck. Counted in the watchdog's own
/// looks, not in time: a process that was stopped and continued as a whole has missed none.
const MISSES_MAX: u32 = 2;

/// The body of the watchdog's thread. Sleeps on `alarm`, which rings when the runtime stops.
pub(super) fn main(shared: Arc<Shared>, alarm: Arc<AtomicU32>) {
    let (mut last, mut misses) = (0, 0);
    while !shared.is_stopping() {
        super::futex::wait(&alarm, 0, Some(PERIOD));
        let heartbeat = shared.heartbeat.load(Ordering::Relaxed);
        misses = if heartbeat == last { misses + 1 } else { 0 };
        last = heartbeat;
        if misses >= MISSES_MAX {
            orphan(&shared);
        }
        if shared.mode() == Mode::Orphaned {
            relieve(&shared);
        }
    }
}

/// Declares the agent gone.
pub(super) fn orphan(shared: &Shared) {
    if shared.set_mode(Mode::Orphaned) {
        count(&shared.counters.fallbacks);
    }
}

/// Frees whatever waits for an agent. Repeated while there is none: a worker may have been on its
/// way to park when the agent went.
pub(super) fn relieve(shared: &Shared) {
    worker::release_parked(shared);
    for lane in &shared.lanes {
        lane.mailbox.bell.ring();
        sentinel::rouse(lane);
        let owner = lane.ownership.read();
        if owner.phase == Phase::InTask && owner.worker != USURPER {
            let worker = shared.worker(owner.worker);
            worker.ask_at(owner.epoch);
            signal::send(worker.tid.load(Ordering::Relaxed));
        }
    }
}
