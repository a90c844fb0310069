//! Whether a sample is exponential: the Anderson-Darling test with the mean taken from the sample.

/// The statistic A squared of a sample against the exponential distribution of its own mean. The
/// test weighs the tails: a sender that bunches or skips shows there first.
///
/// Values must be positive. An empty sample is as exponential as any: 0.
#[must_use]
pub fn statistic(sample: &[f64]) -> f64 {
    let count = sample.len() as f64;
    if sample.is_empty() {
        return 0.0;
    }
    let mean = sample.iter().sum::<f64>() / count;
    if mean <= 0.0 {
        return f64::INFINITY;
    }
    let mut sorted: Vec<f64> = sample.iter().map(|value| value / mean).collect();
    sorted.sort_by(f64::total_cmp);
    let sum: f64 = sorted
        .iter()
        .zip(sorted.iter().rev())
        .enumerate()
        .map(|(index, (low, high))| {
            // ln F(low) + ln (1 - F(high)) with F(x) = 1 - exp(-x). The floor keeps a gap of 0,
            // two sends within a nanosecond, from being infinitely unlikely.
            let ln_below = (-(-low.max(1e-9)).exp_m1()).ln();
            (2 * index + 1) as f64 * (ln_below - high)
        })
        .sum();
    -count - sum / count
}

/// The probability that an exponential sample of this size has a statistic at least as large.
///
/// Stephens' correction for the size and the fitted tail of D'Agostino and Stephens, "Goodness-of-fit
/// techniques" (1986), table 4.14: the 5 % point is 1.321, the 1 % point 1.959.
#[must_use]
pub fn exponential_p(squared: f64, count: usize) -> f64 {
    let a = squared * (1.0 + 0.6 / count.max(1) as f64);
    let p = match a {
        a if a < 0.260 => 1.0 - (-12.2204 + 67.459 * a - 110.3 * a * a).exp(),
        a if a < 0.510 => 1.0 - (-6.1327 + 20.218 * a - 18.663 * a * a).exp(),
        a if a < 0.950 => (0.9209 - 3.353 * a + 0.300 * a * a).exp(),
        // The fit turns upward at 10, where the true value is 0 for any purpose.
        a if a < 10.0 => (0.731 - 3.009 * a + 0.15 * a * a).exp(),
        _ => 0.0,
    };
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn p_of(sample: &[f64]) -> f64 {
        exponential_p(statistic(sample), sample.len())
    }

    fn exponential(generator: &mut Xoshiro256PlusPlus, count: usize) -> Vec<f64> {
        (0..count).map(|_| Exp1.sample(generator)).collect()
    }

    #[test]
    fn the_statistic_is_that_of_its_definition() {
        // Worked out by hand: values 1 and 3, mean 2. F = 0.393469, 0.776870.
        // A2 = -2 - (1 (ln 0.393469 + ln 0.223130) + 3 (ln 0.776870 + ln 0.606531)) / 2.
        let by_hand = -2.0 - ((-0.932753 - 1.5) + 3.0 * (-0.252482 - 0.5)) / 2.0;
        assert!((statistic(&[3.0, 1.0]) - by_hand).abs() < 1e-4);
    }

    #[test]
    fn p_values_are_those_of_the_table() {
        for (squared, p) in [(1.321, 0.05), (1.959, 0.01)] {
            let got = exponential_p(squared, 1_000_000);
            assert!((got / p - 1.0).abs() < 0.05, "{squared}: {got}");
        }
    }

    #[test]
    fn exponential_samples_pass_as_often_as_they_should() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut below = [0; 2];
        for _ in 0..2_000 {
            let p = p_of(&exponential(&mut generator, 500));
            below[0] += u32::from(p < 0.05);
            below[1] += u32::from(p < 0.001);
        }
        assert!((70..=130).contains(&below[0]), "{below:?} of 2000 below 5 % and 0.1 %");
        assert!(below[1] <= 8, "{below:?} of 2000 below 5 % and 0.1 %");
    }

    #[test]
    fn others_do_not_pass() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(2);
        let constant = vec![1.0; 500];
        let uniform: Vec<f64> = (0..500).map(|_| generator.random::<f64>()).collect();
        let mut bunched = exponential(&mut generator, 500);
        for gap in bunched.iter_mut().step_by(4) {
            *gap = 0.0;
        }
        let mut stalled = exponential(&mut generator, 500);
        for gap in &mut stalled[..10] {
            *gap = 30.0;
        }
        for (name, sample) in [
            ("constant", constant),
            ("uniform", uniform),
            ("bunched", bunched),
            ("stalled", stalled),
        ] {
            assert!(p_of(&sample) < 0.001, "{name}: {}", p_of(&sample));
        }
    }

    #[test]
    fn degenerate_samples_are_no_fault_of_the_test() {
        assert_eq!(statistic(&[]), 0.0);
        assert_eq!(p_of(&[0.0, 0.0]), 0.0);
    }
}
