//! What a generator shows of itself while it runs: a few numbers, written now and then, that
//! whoever watches reads without disturbing it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// The numbers. All are written by the generator alone and read by eyes: relaxed throughout, as
/// nobody draws conclusions from one about another.
#[derive(Debug, Default)]
pub struct Live {
    sent: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    in_flight: AtomicU64,
    p99_ns: AtomicU64,
    stop: AtomicBool,
}

/// A reading of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// The p99 of what was answered since the glance before; 0 when nothing was.
    pub p99_ns: u64,
}

impl Live {
    /// Shows these numbers from now on.
    pub fn show(&self, glance: Glance) {
        self.sent.store(glance.sent, Ordering::Relaxed);
        self.answered.store(glance.answered, Ordering::Relaxed);
        self.failed.store(glance.failed, Ordering::Relaxed);
        self.in_flight.store(glance.in_flight, Ordering::Relaxed);
        self.p99_ns.store(glance.p99_ns, Ordering::Relaxed);
    }

    /// The numbers last shown.
    #[must_use]
    pub fn glance(&self) -> Glance {
        Glance {
            sent: self.sent.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            p99_ns: self.p99_ns.load(Ordering::Relaxed),
        }
    }

    /// Asks the generator to end its run.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
