//! How long preemptions take, by what brought them about.

use hdrhistogram::Histogram;

/// Highest switch time told apart, 10 ms; above it counts as that.
const SWITCH_MAX_NS: u64 = 10_000_000;

/// Times from a preempting decision to the next task's first instruction.
#[derive(Clone, Debug)]
pub struct SwitchTimes {
    /// Where the safepoint flag was enough.
    pub by_safepoint: Histogram<u64>,
    /// Where a signal was sent.
    pub by_signal: Histogram<u64>,
}

impl Default for SwitchTimes {
    fn default() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, SWITCH_MAX_NS, 3)
                .expect("bounds that the library accepts")
        };
        Self { by_safepoint: histogram(), by_signal: histogram() }
    }
}

impl SwitchTimes {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.by_safepoint += &other.by_safepoint;
        self.by_signal += &other.by_signal;
    }

    /// Forgets all counts.
    pub fn clear(&mut self) {
        self.by_safepoint.reset();
        self.by_signal.reset();
    }
}
