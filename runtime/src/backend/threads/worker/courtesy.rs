//! A worker on the dispatcher's CPU lets it have its turn.
//!
//! When the dispatcher wakes up it should take the CPU at once. In 3 of 1 000 wake-ups the kernel lets
//! the worker go on to the next tick instead, seemingly as the dispatcher has no claim by EEVDF's account
//! just then: what came from the network waits for up to 4 ms. A worker that yields has it look again.

use super::now_ns;
use crate::sync::{AtomicU64, Ordering};

/// Time between two yields: the slice the dispatcher asks for. Twice or half as long made no difference
/// that four runs show.
const PERIOD_NS: u64 = 100_000;

/// When the worker yields next. Of its own thread only.
#[derive(Debug)]
pub(super) struct Courtesy {
    /// [`u64::MAX`]: it has its CPU to itself.
    next_ns: AtomicU64,
}

impl Courtesy {
    pub(super) fn new(is_cramped: bool) -> Self {
        Self { next_ns: AtomicU64::new(if is_cramped { 0 } else { u64::MAX }) }
    }

    /// Yields, if it is time to.
    #[inline]
    pub(super) fn show(&self) {
        if self.next_ns.load(Ordering::Relaxed) != u64::MAX && self.is_due(now_ns()) {
            // SAFETY: has no preconditions.
            unsafe { libc::sched_yield() };
        }
    }

    fn is_due(&self, now_ns: u64) -> bool {
        let is_due = now_ns >= self.next_ns.load(Ordering::Relaxed);
        if is_due {
            self.next_ns.store(now_ns + PERIOD_NS, Ordering::Relaxed);
        }
        is_due
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::backend::threads::ownership::WorkerId;
    use crate::backend::threads::worker::Worker;

    #[test]
    fn it_is_due_once_a_period() {
        let courtesy = Courtesy::new(true);
        let due: Vec<_> = (0..10).map(|step| courtesy.is_due(step * PERIOD_NS / 3)).collect();
        assert_eq!(
            due,
            [0, 3, 6, 9].iter().fold(vec![false; 10], |mut due, step| {
                due[*step] = true;
                due
            })
        );
    }

    #[test]
    fn safepoints_show_it_beside_the_dispatcher_only() {
        let next_ns = |is_cramped, pass: fn(&Worker)| {
            let worker = Worker::new(WorkerId(0), 0, is_cramped);
            pass(&worker);
            worker.courtesy.next_ns.load(Ordering::Relaxed)
        };
        for pass in [Worker::safepoint, Worker::relent] {
            assert_eq!(next_ns(false, pass), u64::MAX);
            assert!((1..u64::MAX).contains(&next_ns(true, pass)));
        }
    }
}
