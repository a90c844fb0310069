//! What became of the requests of a networked run: histograms and counts by class, made to be
//! merged with those of other machines.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::interval::Interval;
use crate::record::LATENCY_MAX_NS;

/// Three significant digits: percentiles are within 0.1 % of the sample's.
pub(crate) const DIGITS: u8 = 3;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a reply that is no error.
    Answered,
    /// The server said that it is overloaded, or that the deadline had passed.
    Rejected,
    /// With any other error.
    Error,
    /// Its connection ended before its reply came.
    Lost,
    /// Its reply had not come when the run was ended.
    Unanswered,
    /// It was never sent: the bound on requests under way was reached.
    Dropped,
}

/// How many requests ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Answered.
    pub answered: u64,
    /// Rejected by the server.
    pub rejected: u64,
    /// Answered with an error.
    pub errors: u64,
    /// Lost with their connection.
    pub lost: u64,
    /// Not answered in time.
    pub unanswered: u64,
    /// Never sent.
    pub dropped: u64,
}

impl Counts {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Answered => &mut self.answered,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Error => &mut self.errors,
            Outcome::Lost => &mut self.lost,
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::Dropped => &mut self.dropped,
        } += 1;
    }

    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.errors += other.errors;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.dropped += other.dropped;
    }

    /// All requests that were not answered, or not with what was asked for.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.rejected + self.errors + self.lost + self.unanswered + self.dropped
    }
}

/// The stamps of a request that counts, in nanoseconds from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// When it was meant to be sent.
    pub intended_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When its reply was read, or it was given up.
    pub done_ns: u64,
}

/// The part of a run that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// End of the warm-up.
    pub start_ns: u64,
    /// End of the plan.
    pub end_ns: u64,
}

impl Span {
    /// Its length.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.end_ns.saturating_sub(self.start_ns) as f64 / 1e9
    }

    /// Whether a time lies in it.
    #[must_use]
    pub fn contains(self, at_ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&at_ns)
    }

    fn middle_ns(self) -> u64 {
        self.start_ns + (self.end_ns - self.start_ns) / 2
    }
}

/// The requests of one class, or of all.
#[derive(Clone, Debug)]
pub struct ClassTally {
    /// What is counted.
    pub span: Span,
    /// How requests ended.
    pub counts: Counts,
    /// Replies within the span, whenever their requests were intended.
    pub completed: u64,
    /// Histograms: latency from the intended time in the first and the second half, latency from
    /// the actual send, lateness of sends.
    pub(crate) histograms: [Histogram<u64>; 4],
}

const FIRST: usize = 0;
const SECOND: usize = 1;
const FROM_SEND: usize = 2;
const LATENESS: usize = 3;

impl ClassTally {
    /// Of a span, still empty.
    #[must_use]
    pub fn new(span: Span) -> Self {
        // Never resizes: a request of 100 s must cost as little to record as one of 10 us.
        let histogram = || {
            Histogram::new_with_max(LATENCY_MAX_NS, DIGITS).expect("bounds are constants in range")
        };
        Self {
            span,
            counts: Counts::default(),
            completed: 0,
            histograms: std::array::from_fn(|_| histogram()),
        }
    }

    /// A request ended. What was not answered as asked counts with the highest latency there is.
    pub fn add(&mut self, stamps: Stamps, outcome: Outcome) {
        let answered = outcome == Outcome::Answered;
        self.completed += u64::from(answered && self.span.contains(stamps.done_ns));
        if !self.span.contains(stamps.intended_ns) {
            return;
        }
        self.counts.count(outcome);
        let since = |from_ns: u64| {
            if answered {
                stamps.done_ns.saturating_sub(from_ns).min(LATENCY_MAX_NS)
            } else {
                LATENCY_MAX_NS
            }
        };
        let half = if stamps.intended_ns < self.span.middle_ns() { FIRST } else { SECOND };
        self.histograms[half].saturating_record(since(stamps.intended_ns));
        if outcome != Outcome::Dropped {
            self.histograms[FROM_SEND].saturating_record(since(stamps.sent_ns));
            let late_ns = stamps.sent_ns.saturating_sub(stamps.intended_ns);
            self.histograms[LATENESS].saturating_record(late_ns.min(LATENCY_MAX_NS));
        }
    }

    /// Takes in what another machine, or another class, counted over a span of the same length.
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.completed += other.completed;
        for (own, others) in self.histograms.iter_mut().zip(&other.histograms) {
            own.add(others).expect("all histograms have the same bounds");
        }
    }

    /// Requests counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histograms[FIRST].len() + self.histograms[SECOND].len()
    }

    /// Requests a second that were meant to be sent.
    #[must_use]
    pub fn offered_rps(&self) -> f64 {
        self.per_second(self.count())
    }

    /// Requests a second that were answered within the span.
    #[must_use]
    pub fn achieved_rps(&self) -> f64 {
        self.per_second(self.completed)
    }

    fn per_second(&self, count: u64) -> f64 {
        let seconds = self.span.seconds();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }

    /// Latencies from the intended time, both halves.
    #[must_use]
    pub fn latencies(&self) -> Histogram<u64> {
        let mut both = self.histograms[FIRST].clone();
        both.add(&self.histograms[SECOND]).expect("all histograms have the same bounds");
        both
    }

    /// Latencies from the intended time, by half of the span.
    #[must_use]
    pub fn halves(&self) -> (&Histogram<u64>, &Histogram<u64>) {
        (&self.histograms[FIRST], &self.histograms[SECOND])
    }

    /// Latency from the intended time at a quantile (0 to 1); `None` without requests.
    #[must_use]
    pub fn latency_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.latencies(), quantile)
    }

    /// 95 % confidence interval of a latency quantile; `None` with too few requests.
    #[must_use]
    pub fn latency_interval_ns(&self, quantile: f64) -> Option<Interval> {
        Interval::of(&self.latencies(), quantile)
    }

    /// Latency from the intended time over the answered requests alone.
    #[must_use]
    pub fn answered_latency_ns(&self, quantile: f64) -> Option<u64> {
        let share = self.counts.answered as f64 / self.count().max(1) as f64;
        if self.counts.answered == 0 { None } else { at(&self.latencies(), quantile * share) }
    }

    /// Latency from the actual send at a quantile: what a closed loop would have reported.
    #[must_use]
    pub fn latency_from_send_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.histograms[FROM_SEND], quantile)
    }

    /// How late requests were sent, at a quantile.
    #[must_use]
    pub fn lateness_ns(&self, quantile: f64) -> Option<u64> {
        at(&self.histograms[LATENESS], quantile)
    }
}

fn at(histogram: &Histogram<u64>, quantile: f64) -> Option<u64> {
    // The histogram answers 0 when it is empty, which would read as a perfect latency.
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile).min(LATENCY_MAX_NS))
}

/// All classes together.
#[must_use]
pub fn all_of(classes: &[ClassTally], span: Span) -> ClassTally {
    let mut all = ClassTally::new(span);
    classes.iter().for_each(|class| all.merge(class));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Span = Span { start_ns: 1_000_000_000, end_ns: 3_000_000_000 };

    fn stamps(intended_ns: u64, late_ns: u64, service_ns: u64) -> Stamps {
        let sent_ns = intended_ns + late_ns;
        Stamps { intended_ns, sent_ns, done_ns: sent_ns + service_ns }
    }

    fn near(got: Option<u64>, exact: u64) -> bool {
        got.is_some_and(|got| got.abs_diff(exact) as f64 <= exact as f64 * 1e-3 + 1.0)
    }

    #[test]
    fn latency_counts_from_the_intended_time_and_says_what_the_sender_added() {
        let mut tally = ClassTally::new(SPAN);
        tally.add(stamps(SPAN.start_ns, 30_000, 20_000), Outcome::Answered);
        assert!(near(tally.latency_ns(0.5), 50_000));
        assert!(near(tally.latency_from_send_ns(0.5), 20_000));
        assert!(near(tally.lateness_ns(0.5), 30_000));
    }

    #[test]
    fn warm_up_and_what_follows_count_as_throughput_only() {
        let mut tally = ClassTally::new(SPAN);
        tally.add(stamps(SPAN.start_ns - 1, 0, 10), Outcome::Answered);
        tally.add(stamps(SPAN.end_ns, 0, 10), Outcome::Answered);
        tally.add(stamps(SPAN.start_ns - 1, 0, 10), Outcome::Error);
        assert_eq!((tally.count(), tally.completed, tally.counts.errors), (0, 1, 0));
        assert_eq!((tally.latency_ns(0.99), tally.answered_latency_ns(0.5)), (None, None));
    }

    #[test]
    fn whatever_is_not_answered_is_the_worst_tail_and_has_a_name() {
        let mut tally = ClassTally::new(SPAN);
        for _ in 0..95 {
            tally.add(stamps(SPAN.start_ns, 0, 10_000), Outcome::Answered);
        }
        for outcome in [
            Outcome::Rejected,
            Outcome::Error,
            Outcome::Lost,
            Outcome::Unanswered,
            Outcome::Dropped,
        ] {
            tally.add(stamps(SPAN.start_ns, 0, 10_000), outcome);
        }
        assert_eq!((tally.count(), tally.counts.answered, tally.counts.failed()), (100, 95, 5));
        assert!(near(tally.latency_ns(0.95), 10_000));
        assert_eq!(tally.latency_ns(0.96), Some(LATENCY_MAX_NS));
        assert!(near(tally.answered_latency_ns(1.0), 10_000));
        assert_eq!(tally.histograms[FROM_SEND].len(), 99, "what was dropped was never sent");
    }

    proptest! {
        #[test]
        fn merging_is_counting_together(
            requests in prop::collection::vec((0..4_000_000_000_u64, 1..1_000_000_u64, 0..6_u8), 0..80),
            cut in 0..80_usize,
        ) {
            let outcomes = [
                Outcome::Answered, Outcome::Rejected, Outcome::Error,
                Outcome::Lost, Outcome::Unanswered, Outcome::Dropped,
            ];
            let tally = |requests: &[(u64, u64, u8)]| {
                let mut tally = ClassTally::new(SPAN);
                for &(at_ns, length_ns, way) in requests {
                    tally.add(stamps(at_ns, length_ns / 3, length_ns), outcomes[usize::from(way)]);
                }
                tally
            };
            let cut = cut.min(requests.len());
            let mut merged = tally(&requests[..cut]);
            merged.merge(&tally(&requests[cut..]));
            let whole = tally(&requests);
            prop_assert_eq!(merged.counts, whole.counts);
            prop_assert_eq!(merged.completed, whole.completed);
            prop_assert!(merged.histograms == whole.histograms);
        }
    }
}
