//! What is counted of each request class as it happens: by submitters and workers, so that it stays
//! true when there is no agent.

use std::time::Duration;

use super::table::Ending;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// Weight of a new service time in the running mean: one in eight, about the last twenty requests.
const MEAN_SHIFT: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct ClassGauge {
    in_flight: AtomicUsize,
    admitted: AtomicU64,
    endings: [AtomicU64; Ending::ALL.len()],
    rejected_overloaded: AtomicU64,
    rejected_expired: AtomicU64,
    rejected_shutting_down: AtomicU64,
    mean_service_ns: AtomicU64,
}

/// Why a request was turned away, for counting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Overloaded,
    Expired,
    ShuttingDown,
}

/// A gauge's counts at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Accepted and not over.
    pub in_flight: usize,
    /// Accepted in all.
    pub admitted: u64,
    /// Over, because the work returned.
    pub completed: u64,
    /// Over, because the work panicked.
    pub panicked: u64,
    /// Over, because it was cancelled before it began.
    pub cancelled: u64,
    /// Over, because its deadline passed before it began.
    pub expired: u64,
    /// Turned away: too many in flight.
    pub rejected_overloaded: u64,
    /// Turned away: its deadline had passed.
    pub rejected_expired: u64,
    /// Turned away: the runtime is shutting down.
    pub rejected_shutting_down: u64,
}

impl ClassGauge {
    /// Takes a place among at most `limit` in flight; `false`: there is none.
    pub(crate) fn enter(&self, limit: usize) -> bool {
        let entered = self.in_flight.fetch_add(1, Ordering::Relaxed) < limit;
        if entered {
            self.admitted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        entered
    }

    /// Gives the place back: the request was not accepted after all.
    pub(crate) fn undo(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, why: Refusal) {
        let counter = match why {
            Refusal::Overloaded => &self.rejected_overloaded,
            Refusal::Expired => &self.rejected_expired,
            Refusal::ShuttingDown => &self.rejected_shutting_down,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is over, having used `service_ns` of CPU time.
    pub(super) fn leave(&self, ending: Ending, service_ns: u64) {
        self.endings[ending as usize].fetch_add(1, Ordering::Relaxed);
        let mean_ns = self.mean_service_ns.load(Ordering::Relaxed);
        let step_ns = (service_ns as i64 - mean_ns as i64) >> MEAN_SHIFT;
        // Two workers may lose one of two updates of a mean: it is an estimate.
        let next_ns = if mean_ns == 0 { service_ns } else { mean_ns.wrapping_add_signed(step_ns) };
        self.mean_service_ns.store(next_ns, Ordering::Relaxed);
        // Last, and release: whoever waits for zero in flight sees everything the requests did.
        self.in_flight.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn in_flight(&self) -> usize {
        // Pairs with `leave`.
        self.in_flight.load(Ordering::Acquire)
    }

    /// When a place should be free: those in flight share `cpus` CPUs.
    pub(crate) fn retry_after(&self, cpus: usize) -> Duration {
        let mean_ns = self.mean_service_ns.load(Ordering::Relaxed).max(1_000);
        Duration::from_nanos(mean_ns * self.in_flight().max(1) as u64 / cpus.max(1) as u64)
    }

    pub(crate) fn counts(&self) -> ClassCounts {
        let ended = |ending: Ending| self.endings[ending as usize].load(Ordering::Relaxed);
        ClassCounts {
            in_flight: self.in_flight(),
            admitted: self.admitted.load(Ordering::Relaxed),
            completed: ended(Ending::Completed),
            panicked: ended(Ending::Panicked),
            cancelled: ended(Ending::Cancelled),
            expired: ended(Ending::Expired),
            rejected_overloaded: self.rejected_overloaded.load(Ordering::Relaxed),
            rejected_expired: self.rejected_expired.load(Ordering::Relaxed),
            rejected_shutting_down: self.rejected_shutting_down.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_places_come_back() {
        let gauge = ClassGauge::default();
        assert!(gauge.enter(2) && gauge.enter(2));
        assert!(!gauge.enter(2));
        gauge.leave(Ending::Panicked, 8_000);
        assert!(gauge.enter(2));
        let counts = gauge.counts();
        assert_eq!((counts.in_flight, counts.admitted, counts.panicked), (2, 3, 1));
        assert_eq!(gauge.retry_after(1), Duration::from_micros(16));
    }
}
