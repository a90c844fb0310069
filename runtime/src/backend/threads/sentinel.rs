//! Sentinels: one thread a worker CPU under SCHED_IDLE, which runs exactly when no worker of that
//! CPU does.
//!
//! If the owner is in a task and the sentinel runs, the task is blocked in the kernel: within some
//! microseconds the dispatcher sees the beat, and TASK_BLOCKED exists on a stock kernel. If a command
//! waits in the mailbox, the sentinel takes the CPU from the blocked owner and hands it to the
//! successor, which costs a local wake-up instead of a remote one. It also keeps the CPU out of deep
//! idle.
//!
//! SCHED_IDLE still has a weight, so the kernel gives the sentinel a turn of up to a tick now and
//! then although a worker is runnable. It therefore yields at every step: then such a turn lasts
//! microseconds, and only an unbroken run of steps counts as a beat.

use std::sync::Arc;
use std::time::Duration;

use super::clock::now_ns;
use super::futex;
use super::lane::Lane;
use super::mailbox::Command;
use super::ownership::{Owner, Phase};
use super::placement::{self, KernelPolicy};
use super::shared::Shared;
use super::worker;
use crate::sync::{AtomicU64, Ordering};

/// Steps in a row that make a run. One step follows a yield, and a yield returns at once only if no
/// worker is runnable: two could be luck with a worker that was just waking.
const RUN_STEPS: u32 = 3;

/// A step that took longer than this was interrupted: ten times a yield with nobody to yield to.
const STEP_MAX_NS: u64 = 5_000;

/// After this long of blocking it is not worth keeping the CPU awake; look once a nap instead.
const PATIENCE_NS: u64 = 10_000_000;
const NAP: Duration = Duration::from_millis(1);

/// Beside an owner that sleeps there is nothing to see before somebody wakes it, and that rouses the
/// sentinel too. Only a call that comes as it lies down is missed, for this long. Each look of an
/// idle machine costs it some 10 us: a millisecond's nap would be a whole percent of a CPU.
const REST: Duration = Duration::from_millis(10);

/// A run of the sentinel, as the dispatcher reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// The epoch whose task is blocked.
    pub(super) epoch: u32,
    /// Changes with every step of the run.
    pub(super) count: u32,
}

/// Reads a CPU's beat.
pub(super) fn read_beat(word: &AtomicU64) -> Beat {
    // Relaxed: a hint; whatever is done about it is checked against the ownership word.
    let bits = word.load(Ordering::Relaxed);
    Beat { epoch: (bits >> 32) as u32, count: bits as u32 }
}

/// The body of the sentinel's thread.
pub(super) fn main(shared: Arc<Shared>, lane: usize) {
    placement::adopt(KernelPolicy::Idle);
    let mut watch =
        Watch { shared: &shared, lane: &shared.lanes[lane], index: lane, run: Run::default() };
    while !shared.is_stopping() {
        watch.step();
    }
}

/// An unbroken run of steps beside the same owner.
#[derive(Default)]
struct Run {
    owner: Option<Owner>,
    steps: u32,
    began_ns: u64,
    last_ns: u64,
}

struct Watch<'r> {
    shared: &'r Shared,
    lane: &'r Lane,
    index: usize,
    run: Run,
}

impl Watch<'_> {
    fn step(&mut self) {
        let owner = self.lane.ownership.read();
        let now_ns = now_ns();
        let is_unbroken = self.run.owner == Some(owner) && now_ns - self.run.last_ns < STEP_MAX_NS;
        if !is_unbroken {
            self.run = Run { owner: Some(owner), steps: 0, began_ns: now_ns, last_ns: now_ns };
        }
        self.run.steps = self.run.steps.saturating_add(1);
        self.run.last_ns = now_ns;
        match owner.phase {
            Phase::Switching if self.lane.mailbox.bell.is_asleep() => self.nap(REST),
            Phase::Switching => {}
            Phase::InTask if self.run.steps >= RUN_STEPS => self.beside_blocked(owner, now_ns),
            Phase::InTask => {}
        }
        // SAFETY: has no preconditions.
        unsafe { libc::sched_yield() };
    }

    /// The owner's task is blocked.
    fn beside_blocked(&mut self, owner: Owner, now_ns: u64) {
        // A CPU whose task waits for the kernel is not stalled.
        self.shared.stalls.lane(self.index).restart(now_ns);
        let bits = u64::from(owner.epoch) << 32 | u64::from(self.run.steps);
        self.lane.sentinel_beat.store(bits, Ordering::Relaxed);
        self.shared.ring_dispatcher();
        let is_wanted = self
            .lane
            .mailbox
            .read(owner.epoch)
            .is_some_and(|mail| matches!(mail.command, Command::Run(_)));
        if is_wanted {
            let _came_back = !worker::usurp(self.shared, self.lane, owner);
        } else if now_ns - self.run.began_ns > PATIENCE_NS {
            self.nap(NAP);
        }
    }

    /// Sleeps until the dispatcher or a worker has news for this CPU, or for a while.
    fn nap(&mut self, time: Duration) {
        self.lane.sentinel_nap.store(1, Ordering::Relaxed);
        futex::wait(&self.lane.sentinel_nap, 1, Some(time));
        self.lane.sentinel_nap.store(0, Ordering::Relaxed);
        self.run = Run::default();
    }
}

/// Ends a nap: there may be something to see.
pub(super) fn rouse(lane: &Lane) {
    // Relaxed: a nap that is missed ends by itself.
    if lane.sentinel_nap.load(Ordering::Relaxed) == 1 {
        futex::wake(&lane.sentinel_nap, 1);
    }
}
