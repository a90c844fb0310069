//! What became of all requests of a run: histograms per class.

use hdrhistogram::Histogram;

use crate::interval::Interval;
use crate::sample::Sample;
use crate::window::{Window, Windows};

/// Highest latency told apart: 100 s. Above it, and for unfinished requests, this value is recorded
/// and the request counted as saturated.
pub const LATENCY_MAX_NS: u64 = 100_000_000_000;

/// Three significant digits: percentiles are within 0.1 % of the sample's.
const DIGITS: u8 = 3;

/// The part of a run that counts, in nanoseconds from the start of the plan. What was intended
/// before `start_ns` is warm-up; `end_ns` is the plan's duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// End of the warm-up.
    pub start_ns: u64,
    /// End of the plan.
    pub end_ns: u64,
}

impl Phase {
    fn seconds(self) -> f64 {
        self.end_ns.saturating_sub(self.start_ns) as f64 / 1e9
    }

    fn contains(self, at_ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&at_ns)
    }
}

/// All classes of a run, and all requests together.
#[derive(Clone, Debug)]
pub struct Record {
    /// By class index.
    pub classes: Vec<ClassRecord>,
    /// Every request, whatever its class.
    pub all: ClassRecord,
}

impl Record {
    /// Records the samples that count, as raw and, outside the stalls, as clean.
    ///
    /// # Panics
    /// When a sample names a class at or above `classes`.
    #[must_use]
    pub fn new(samples: &[Sample], classes: usize, phase: Phase, stalls: &[Window]) -> Self {
        let stalls = Windows::new(stalls);
        let mut record =
            Self { classes: vec![ClassRecord::new(phase); classes], all: ClassRecord::new(phase) };
        for sample in samples {
            let class = &mut record.classes[usize::from(sample.class)];
            for part in [class, &mut record.all] {
                part.completed += u64::from(phase.contains(sample.done_ns));
                if phase.contains(sample.intended_ns) {
                    part.add(sample, stalls.overlap(sample.intended_ns, sample.done_ns));
                }
            }
        }
        record
    }
}

/// The requests of one class.
#[derive(Clone, Debug)]
pub struct ClassRecord {
    phase: Phase,
    latency_ns: Histogram<u64>,
    clean_ns: Histogram<u64>,
    lateness_ns: Histogram<u64>,
    slowdown_milli: Histogram<u64>,
    max_ns: u64,
    completed: u64,
    stalled: u64,
    saturated: u64,
    unfinished: u64,
    preemptions: u64,
}

impl ClassRecord {
    fn new(phase: Phase) -> Self {
        // Never resizes: a request of 100 s must cost as little to record as one of 10 us.
        let histogram = || {
            Histogram::new_with_max(LATENCY_MAX_NS, DIGITS).expect("bounds are constants in range")
        };
        Self {
            phase,
            latency_ns: histogram(),
            clean_ns: histogram(),
            lateness_ns: histogram(),
            slowdown_milli: histogram(),
            max_ns: 0,
            completed: 0,
            stalled: 0,
            saturated: 0,
            unfinished: 0,
            preemptions: 0,
        }
    }

    fn add(&mut self, sample: &Sample, stalled: bool) {
        let latency_ns = sample.latency_ns();
        self.saturated += u64::from(latency_ns > LATENCY_MAX_NS);
        self.unfinished += u64::from(!sample.finished());
        self.stalled += u64::from(stalled);
        self.preemptions += u64::from(sample.preempted);
        let latency_ns = latency_ns.min(LATENCY_MAX_NS);
        self.max_ns = self.max_ns.max(latency_ns);
        self.latency_ns.saturating_record(latency_ns);
        self.slowdown_milli.saturating_record(sample.slowdown_milli().min(LATENCY_MAX_NS));
        self.lateness_ns.saturating_record(sample.lateness_ns().min(LATENCY_MAX_NS));
        if !stalled {
            self.clean_ns.saturating_record(latency_ns);
        }
    }

    /// Requests recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.latency_ns.len()
    }

    /// Length of the phase recorded.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.phase.seconds()
    }

    /// Requests a second that were meant to be sent.
    #[must_use]
    pub fn offered_rps(&self) -> f64 {
        rate(self.count(), self.phase)
    }

    /// Requests a second that were done within the phase, also those intended in the warm-up:
    /// below the offered rate, the system did not keep up.
    #[must_use]
    pub fn achieved_rps(&self) -> f64 {
        rate(self.completed, self.phase)
    }

    /// Latency from the intended time at a quantile (0 to 1); `None` without samples.
    #[must_use]
    pub fn latency_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.latency_ns, quantile)
    }

    /// The same over requests that overlap no stall.
    #[must_use]
    pub fn clean_latency_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.clean_ns, quantile)
    }

    /// 95 % confidence interval of a latency quantile; `None` with too few samples.
    #[must_use]
    pub fn latency_interval_ns(&self, quantile: f64) -> Option<Interval> {
        Interval::of(&self.latency_ns, quantile)
    }

    /// Largest latency, exact up to [`LATENCY_MAX_NS`]; `None` without samples.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max_ns)
    }

    /// How late requests were sent, at a quantile; `None` without samples.
    #[must_use]
    pub fn lateness_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.lateness_ns, quantile)
    }

    /// Latency over planned service time at a quantile; `None` without samples.
    #[must_use]
    pub fn slowdown(&self, quantile: f64) -> Option<f64> {
        at(&self.slowdown_milli, quantile).map(|milli| milli as f64 / 1e3)
    }

    /// Part of the requests that overlap a stall, 0 to 1.
    #[must_use]
    pub fn stalled_share(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.stalled as f64 / self.count() as f64 }
    }

    /// Requests whose latency is above [`LATENCY_MAX_NS`], unfinished ones among them.
    #[must_use]
    pub fn saturated(&self) -> u64 {
        self.saturated
    }

    /// Requests that were not done when the run was ended.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// How often all of them together were preempted.
    #[must_use]
    pub fn preemptions(&self) -> u64 {
        self.preemptions
    }
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    // The histogram answers 0 when it is empty, which would read as a perfect latency.
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
}

fn rate(count: u64, phase: Phase) -> f64 {
    let seconds = phase.seconds();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
#[path = "record/tests.rs"]
mod tests;
