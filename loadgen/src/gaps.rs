//! What a CPU keeps from a generator: a thread that does nothing but read the clock sees every tick,
//! interrupt, other thread and host as a gap between two readings.
//!
//! Requests that are due in a gap are late by the rest of it, so the gaps alone say how late a
//! generator would be that took no time itself: the least lateness to be had on that CPU, at any rate.

use crate::clock::Clock;

/// The shortest gap noted: some readings of the clock, on any machine of today.
const GAP_MIN_NS: u64 = 1_000;

/// Most gaps noted. A machine has some thousands a second; beyond, the watch ends early.
const GAPS_MAX: usize = 1 << 20;

/// The gaps of one watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Each, in ascending order.
    lengths_ns: Vec<u64>,
    /// How long was watched.
    watched_ns: u64,
}

impl Gaps {
    /// Watches the calling thread's CPU for so long, and keeps it busy.
    #[must_use]
    pub fn watch(duration_ns: u64) -> Self {
        let mut lengths_ns = Vec::with_capacity(GAPS_MAX);
        let clock = Clock::start();
        let mut last_ns = clock.now_ns();
        while last_ns < duration_ns && lengths_ns.len() < GAPS_MAX {
            let now_ns = clock.now_ns();
            if now_ns - last_ns >= GAP_MIN_NS {
                lengths_ns.push(now_ns - last_ns);
            }
            last_ns = now_ns;
        }
        Self::of(lengths_ns, last_ns)
    }

    /// Gaps of these lengths in so much time.
    fn of(mut lengths_ns: Vec<u64>, watched_ns: u64) -> Self {
        lengths_ns.sort_unstable();
        Self { lengths_ns, watched_ns }
    }

    /// How long was watched.
    #[must_use]
    pub fn watched_ns(&self) -> u64 {
        self.watched_ns
    }

    /// How many gaps have `from_ns` up to below `to_ns`, and their share of the time.
    #[must_use]
    pub fn between(&self, from_ns: u64, to_ns: u64) -> (usize, f64) {
        let at = |limit_ns| self.lengths_ns.partition_point(|length_ns| *length_ns < limit_ns);
        let gaps = &self.lengths_ns[at(from_ns)..at(to_ns)];
        let lost_ns: u64 = gaps.iter().sum();
        (gaps.len(), lost_ns as f64 / self.watched_ns.max(1) as f64)
    }

    /// How late requests would be at this quantile, sent by a generator that took no time itself:
    /// the share `1 - quantile` of the time lies more than so much before the end of a gap.
    #[must_use]
    pub fn lateness_ns(&self, quantile: f64) -> u64 {
        let allowed_ns = (1.0 - quantile) * self.watched_ns as f64;
        // From the longest gap on: `longer` of them lose `sum_ns - longer * x` beyond a lateness x.
        let (mut sum_ns, mut longer) = (0.0, 0.0);
        let mut descending = self.lengths_ns.iter().rev().peekable();
        while let Some(length_ns) = descending.next() {
            sum_ns += *length_ns as f64;
            longer += 1.0;
            let next_ns = descending.peek().map_or(0.0, |next_ns| **next_ns as f64);
            if sum_ns - longer * next_ns >= allowed_ns {
                return ((sum_ns - allowed_ns) / longer).round().max(0.0) as u64;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_gap_makes_those_late_that_are_due_in_it() {
        // A tenth of the time is one gap: 99 % of it lie at most nine tenths of the gap before its end.
        let gaps = Gaps::of(vec![100_000], 1_000_000);
        assert_eq!(gaps.lateness_ns(0.99), 90_000);
        assert_eq!(gaps.lateness_ns(0.90), 0);
        assert_eq!(gaps.between(50_000, 200_000), (1, 0.1));
        assert_eq!(gaps.between(0, 100_000), (0, 0.0));
    }

    #[test]
    fn a_cpu_without_gaps_makes_nobody_late() {
        assert_eq!(Gaps::of(Vec::new(), 1_000_000).lateness_ns(0.999), 0);
    }

    #[test]
    fn a_watch_ends_when_its_time_is_over() {
        let gaps = Gaps::watch(2_000_000);
        assert!(gaps.watched_ns() >= 2_000_000);
        assert!(gaps.between(0, u64::MAX).1 <= 1.0);
    }

    proptest! {
        #[test]
        fn lateness_is_what_asking_at_every_moment_finds(
            lengths_ns in proptest::collection::vec(1_u64..60, 1..20),
            percent in 50_u32..100,
        ) {
            let busy_ns: u64 = lengths_ns.iter().sum();
            let watched_ns = busy_ns * 2;
            let quantile = f64::from(percent) / 100.0;
            let mut late_ns: Vec<u64> = lengths_ns.iter().flat_map(|length| 1..=*length).collect();
            late_ns.resize(watched_ns as usize, 0);
            late_ns.sort_unstable();
            let rank = (quantile * watched_ns as f64).ceil() as usize;
            let naive_ns = late_ns[rank.clamp(1, late_ns.len()) - 1];
            let found_ns = Gaps::of(lengths_ns, watched_ns).lateness_ns(quantile);
            prop_assert!(found_ns.abs_diff(naive_ns) <= 1, "{found_ns} for {naive_ns}");
        }
    }
}
