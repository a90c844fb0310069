//! Whether neighbours in a series know of each other: Spearman's rank correlation at lag 1.

/// Spearman's rho between each value and the next; 0 with fewer than three values. Equal values
/// share the mean of their ranks.
#[must_use]
pub fn lag_1(series: &[f64]) -> f64 {
    if series.len() < 3 {
        return 0.0;
    }
    let ranks = ranks(series);
    pearson(&ranks[..ranks.len() - 1], &ranks[1..])
}

/// The probability of a rho at least as far from 0 among `pairs` independent pairs, by the normal
/// limit; good from some dozens of pairs on.
#[must_use]
pub fn two_sided_p(rho: f64, pairs: usize) -> f64 {
    let z = rho.abs() * (pairs.saturating_sub(1) as f64).sqrt();
    2.0 * normal_tail(z)
}

fn ranks(series: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by(|&a, &b| series[a].total_cmp(&series[b]));
    let mut ranks = vec![0.0; series.len()];
    let mut from = 0;
    while from < order.len() {
        let value = series[order[from]];
        let ties = order[from..].iter().take_while(|&&index| series[index] == value).count();
        let rank = from as f64 + (ties as f64 + 1.0) / 2.0;
        for &index in &order[from..from + ties] {
            ranks[index] = rank;
        }
        from += ties;
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    // A constant series knows nothing of anything.
    if aa == 0.0 || bb == 0.0 { 0.0 } else { ab / (aa * bb).sqrt() }
}

/// The probability of a standard normal value above `z >= 0`: Abramowitz and Stegun, formula 26.2.17,
/// off by at most 7.5e-8.
fn normal_tail(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = COEFFICIENTS.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, Exp1};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn the_normal_tail_is_that_of_the_tables() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (1.96, 0.024_998), (3.29, 0.000_501)] {
            assert!((normal_tail(z) - tail).abs() < 1e-6, "{z}: {}", normal_tail(z));
        }
    }

    #[test]
    fn series_that_rise_alternate_or_stand_are_told_apart() {
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert!((lag_1(&rising) - 1.0).abs() < 1e-12);
        let alternating: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert!((lag_1(&alternating) + 1.0).abs() < 1e-12);
        assert_eq!(lag_1(&[4.0; 50]), 0.0);
        assert_eq!(lag_1(&[1.0, 2.0]), 0.0);
    }

    #[test]
    fn independent_series_pass_as_often_as_they_should() {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut below = 0;
        for _ in 0..2_000 {
            let series: Vec<f64> = (0..300).map(|_| Exp1.sample(&mut generator)).collect();
            below += u32::from(two_sided_p(lag_1(&series), 299) < 0.05);
        }
        assert!((70..=130).contains(&below), "{below} of 2000 below 5 %");
    }

    #[test]
    fn a_sender_that_makes_up_for_lost_time_does_not_pass() {
        // Each late send is followed by an early one.
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(2);
        let noise: Vec<f64> = (0..501).map(|_| Exp1.sample(&mut generator)).collect();
        let series: Vec<f64> = noise.windows(2).map(|pair| 5.0 + pair[1] - pair[0]).collect();
        assert!(two_sided_p(lag_1(&series), 499) < 0.001);
    }

    proptest! {
        #[test]
        fn only_the_order_counts(series in prop::collection::vec(0.0..1e6f64, 3..60)) {
            let cubes: Vec<f64> = series.iter().map(|value| value.powi(3)).collect();
            prop_assert!((lag_1(&series) - lag_1(&cubes)).abs() < 1e-9);
            prop_assert!(lag_1(&series).abs() <= 1.0 + 1e-9);
        }
    }
}
