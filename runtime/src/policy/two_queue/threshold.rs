//! The demotion threshold: how much service tells a long task from a short one.

/// Steps of the grid and buckets of the count an octave. Finer steps would not be told apart by the
/// few hundred completions a decision rests on; coarser ones would overshoot the shorts by up to 2x.
const STEPS_PER_OCTAVE: usize = 2;

/// A threshold D stands in a gap if few tasks end soon after it, that is in (D, 4D].
const GAP_STEPS: usize = 2 * STEPS_PER_OCTAVE;

/// "Few": 1 of 500 of those that end at or below D. At 1 of 100 the shorts' own tail, their p99.9,
/// would be demoted; at 1 of 5000 a stray 200 us request would hold D up for good.
const GAP_SHARE: u64 = 500;

/// Completions after which counts are halved: some seconds of a busy server, and enough for
/// [`GAP_SHARE`] to be told from chance.
const DECAY_COMPLETIONS: u64 = 1 << 16;

/// Completions between two looks at the counts.
const REVIEW_COMPLETIONS: u64 = 64;

/// Grid steps from the lowest bound up: 24 at two an octave reach 4096 times the lowest.
const STEPS_MAX: usize = 24;

/// Finds D on a geometric grid from completed service times.
///
/// Tasks between D and the end of the shorts' distribution are demoted though short, and wait behind
/// long ones: D must sit above them. Tasks above D delay arrivals by D: it must not sit higher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    min_ns: u64,
    /// Steps of the grid a threshold may stand on.
    steps: usize,
    /// Upper bounds of the buckets.
    bounds_ns: [u64; STEPS_MAX + GAP_STEPS],
    /// Completions at or below each bound and above the one before.
    counts: [u64; STEPS_MAX + GAP_STEPS],
    until_review: u64,
    until_decay: u64,
    current_ns: u64,
}

impl Threshold {
    /// A grid from `min_ns` up to `max_ns`; a fixed threshold if they are equal.
    pub(super) fn new(min_ns: u64, max_ns: u64) -> Self {
        let step = |index: usize| 2f64.powf(index as f64 / STEPS_PER_OCTAVE as f64);
        let mut bounds_ns = [0; STEPS_MAX + GAP_STEPS];
        for (index, bound_ns) in bounds_ns.iter_mut().enumerate() {
            *bound_ns = (min_ns as f64 * step(index)).round() as u64;
        }
        let steps = bounds_ns[..STEPS_MAX].partition_point(|bound_ns| *bound_ns <= max_ns).max(1);
        Self {
            min_ns,
            steps,
            bounds_ns,
            counts: [0; STEPS_MAX + GAP_STEPS],
            until_review: REVIEW_COMPLETIONS,
            until_decay: DECAY_COMPLETIONS,
            current_ns: min_ns,
        }
    }

    /// D now.
    pub(super) const fn ns(&self) -> u64 {
        self.current_ns
    }

    /// Counts a completed task. `true` if D changed.
    pub(super) fn count(&mut self, service_ns: u64) -> bool {
        if self.steps == 1 {
            return false;
        }
        let bucket = match service_ns <= self.min_ns {
            true => 0,
            false => self.bounds_ns.partition_point(|bound_ns| *bound_ns < service_ns),
        };
        // What ends beyond the last bound is long under any threshold.
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.until_review -= 1;
        if self.until_review > 0 {
            return false;
        }
        self.review()
    }

    fn review(&mut self) -> bool {
        self.until_review = REVIEW_COMPLETIONS;
        self.until_decay = self.until_decay.saturating_sub(REVIEW_COMPLETIONS);
        if self.until_decay == 0 {
            self.until_decay = DECAY_COMPLETIONS;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
        let found_ns = self.find();
        let is_changed = found_ns != self.current_ns;
        self.current_ns = found_ns;
        is_changed
    }

    /// The lowest step in a gap; the highest of all if there is none.
    fn find(&self) -> u64 {
        let mut below = 0;
        for step in 0..self.steps {
            below += self.counts[step];
            let after: u64 = self.counts[step + 1..=step + GAP_STEPS].iter().sum();
            // An empty stretch before the shortest tasks is no gap between short and long.
            if below > 0 && after * GAP_SHARE <= below {
                return self.bounds_ns[step];
            }
        }
        self.bounds_ns[self.steps - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    const US: u64 = 1_000;

    fn settled(mut draw: impl FnMut(&mut Xoshiro256PlusPlus) -> u64) -> u64 {
        let mut threshold = Threshold::new(50 * US, 1_000 * US);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        for _ in 0..200_000 {
            threshold.count(draw(&mut random));
        }
        threshold.ns()
    }

    fn exponential(random: &mut Xoshiro256PlusPlus, mean_ns: u64) -> u64 {
        (-(1.0 - random.random::<f64>()).ln() * mean_ns as f64) as u64
    }

    #[test]
    fn constant_shorts_beside_longs_keep_it_at_the_floor() {
        let mix = |random: &mut Xoshiro256PlusPlus| {
            if random.random_bool(0.005) { 10_000 * US } else { 10 * US }
        };
        assert_eq!(settled(mix), 50 * US);
    }

    #[test]
    fn exponential_shorts_lift_it_above_their_tail() {
        let d_ns = settled(|random| exponential(random, 10 * US));
        assert!((60 * US..=100 * US).contains(&d_ns), "{d_ns}");
    }

    #[test]
    fn shorts_of_200_us_lift_it_above_200_us() {
        assert_eq!(settled(|_| 200 * US), 200 * US);
    }

    #[test]
    fn without_a_gap_it_stays_below_its_bound() {
        let d_ns = settled(|random| exponential(random, 2_000 * US));
        assert!((700 * US..=1_000 * US).contains(&d_ns), "{d_ns}");
    }

    #[test]
    fn it_comes_down_again_when_the_load_changes() {
        let mut threshold = Threshold::new(50 * US, 1_000 * US);
        for _ in 0..10_000 {
            threshold.count(300 * US);
        }
        assert!(threshold.ns() >= 280 * US);
        for _ in 0..2_000_000 {
            threshold.count(10 * US);
        }
        assert_eq!(threshold.ns(), 50 * US);
    }
}
