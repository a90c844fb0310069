//! A part of the sends, chosen by lot: the arrivals that the tests look at.
//!
//! A Poisson process of which each arrival is kept with the same probability is a Poisson process
//! still. Thinning bounds the memory and the power of the tests: over a million gaps they would
//! reject a clock that ticks in nanoseconds. What they see is what lasts, bunches and silences from
//! a hundredth of the mean gap of what is kept; lateness, which is checked beside them, sees every
//! microsecond.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Most arrivals kept.
pub const ARRIVALS_MAX: usize = 4_096;

/// Arrivals aimed at: what the tests take in a few microseconds, and enough to see a distribution
/// that is off by 3 %.
const ARRIVALS_AIM: f64 = 2_000.0;

/// Times of sending, thinned.
#[derive(Clone, Debug)]
pub struct Thinning {
    keep: f64,
    generator: Xoshiro256PlusPlus,
    times_ns: Vec<u64>,
}

impl Thinning {
    /// Of about `expected` sends, keeps so many that the tests have what they need.
    #[must_use]
    pub fn new(expected: usize, seed: u64) -> Self {
        Self {
            keep: (ARRIVALS_AIM / expected.max(1) as f64).min(1.0),
            generator: Xoshiro256PlusPlus::seed_from_u64(seed),
            times_ns: Vec::with_capacity(ARRIVALS_MAX),
        }
    }

    /// A request was sent; times ascend.
    pub fn sent(&mut self, at_ns: u64) {
        if self.generator.random::<f64>() < self.keep && self.times_ns.len() < ARRIVALS_MAX {
            self.times_ns.push(at_ns);
        }
    }

    /// Gaps between the sends that were kept.
    #[must_use]
    pub fn gaps(&self) -> Vec<f64> {
        self.times_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_about_as_many_as_the_tests_need_and_never_more_than_it_may() {
        let mut thinning = Thinning::new(1_000_000, 1);
        (0..1_000_000).for_each(|at_ns| thinning.sent(at_ns));
        assert!((1_800..2_200).contains(&thinning.gaps().len()), "{}", thinning.gaps().len());
        let mut surprised = Thinning::new(10, 1);
        (0..100_000).for_each(|at_ns| surprised.sent(at_ns));
        assert_eq!(surprised.gaps().len(), ARRIVALS_MAX - 1);
    }

    #[test]
    fn a_short_run_keeps_all() {
        let mut thinning = Thinning::new(3, 1);
        [10, 30, 60].into_iter().for_each(|at_ns| thinning.sent(at_ns));
        assert_eq!(thinning.gaps(), [20.0, 30.0]);
    }
}
