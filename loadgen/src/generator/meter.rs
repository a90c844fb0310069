//! Keeps [`Live`] up to date without costing a request anything.

use hdrhistogram::Histogram;

use crate::live::{Glance, Live};
use crate::record::LATENCY_MAX_NS;
use crate::tally::Outcome;

/// Time between two glances.
const PERIOD_NS: u64 = 500_000_000;

/// Counts since the beginning, and latencies since the last glance.
#[derive(Debug)]
pub(super) struct Meter<'a> {
    live: &'a Live,
    glance: Glance,
    /// One digit: its percentiles cost two microseconds, which nobody's latency shows.
    recent_ns: Histogram<u32>,
    next_ns: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(live: &'a Live) -> Self {
        let recent_ns = Histogram::new_with_max(LATENCY_MAX_NS, 1);
        Self {
            live,
            glance: Glance::default(),
            recent_ns: recent_ns.expect("bounds are constants in range"),
            next_ns: PERIOD_NS,
        }
    }

    pub(super) fn sent(&mut self) {
        self.glance.sent += 1;
    }

    pub(super) fn ended(&mut self, outcome: Outcome, latency_ns: u64) {
        if outcome == Outcome::Answered {
            self.glance.answered += 1;
            self.recent_ns.saturating_record(latency_ns);
        } else {
            self.glance.failed += 1;
        }
    }

    /// Shows a glance if it is time for one.
    pub(super) fn turn(&mut self, now_ns: u64, in_flight: usize) {
        if now_ns < self.next_ns {
            return;
        }
        self.next_ns = now_ns + PERIOD_NS;
        self.glance.in_flight = in_flight as u64;
        self.glance.p99_ns = self.recent_ns.value_at_quantile(0.99);
        self.recent_ns.reset();
        self.live.show(self.glance);
    }
}
