//! How sure a percentile is: its confidence interval from order statistics.

use hdrhistogram::Histogram;
use serde::Serialize;

/// An interval that holds the true percentile with 95 % probability, whatever the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: u64,
    /// Upper end.
    pub high: u64,
}

impl Interval {
    /// The interval of the `quantile` (0 to 1) of the recorded values.
    ///
    /// The number of values below the true quantile is binomial; with its normal approximation the
    /// quantile lies between the values of rank `j` and `k + 1`,
    /// `j, k = n p -+ 1.96 sqrt(n p (1 - p))` (as Lancet, ATC'19, prints it). `None` when there are
    /// too few values for these ranks to exist: p99.9 needs about 6000.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, quantile: f64) -> Option<Self> {
        let count = histogram.len();
        let (low_rank, high_rank) = ranks(count, quantile)?;
        // Half a rank below: the histogram takes the rank as the ceiling of quantile times count.
        let at = |rank: u64| histogram.value_at_quantile((rank as f64 - 0.5) / count as f64);
        Some(Self { low: at(low_rank), high: at(high_rank) })
    }
}

/// Ranks, counted from 1, of the two values that bound the interval.
fn ranks(count: u64, quantile: f64) -> Option<(u64, u64)> {
    const Z_95: f64 = 1.96;
    let centre = count as f64 * quantile;
    let reach = Z_95 * (centre * (1.0 - quantile)).sqrt();
    let low_rank = (centre - reach).floor();
    let high_rank = (centre + reach).ceil() + 1.0;
    let exist = low_rank >= 1.0 && high_rank <= count as f64;
    exist.then_some((low_rank as u64, high_rank as u64))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn ranks_are_those_of_the_formula() {
        // n = 10 000, p = 0.99: 9900 -+ 1.96 * sqrt(99) = 9900 -+ 19.50.
        assert_eq!(ranks(10_000, 0.99), Some((9_880, 9_921)));
        assert_eq!(ranks(100, 0.99), None);
        assert_eq!(ranks(5_000, 0.999), None);
        assert!(ranks(6_000, 0.999).is_some());
        assert_eq!(ranks(0, 0.5), None);
    }

    #[test]
    fn holds_the_true_percentile_about_19_times_in_20() {
        let true_p99 = -f64::ln(0.01) * 1e6;
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut held = 0;
        for _ in 0..400 {
            let mut histogram = Histogram::new(3).unwrap();
            for _ in 0..2_000 {
                let drawn: f64 = Exp1.sample(&mut generator);
                histogram.record((drawn * 1e6) as u64).unwrap();
            }
            let interval = Interval::of(&histogram, 0.99).unwrap();
            held += u32::from((interval.low as f64..=interval.high as f64).contains(&true_p99));
        }
        assert!((368..=398).contains(&held), "{held} of 400");
    }
}
