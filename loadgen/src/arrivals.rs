//! When requests are meant to be sent: seeded, endless streams of intended times.

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use thiserror::Error;

use crate::duration::{DurationError, parse_duration_ns};

/// The process that requests arrive by. All have the same mean rate, they differ in how evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Independent users: exponential gaps. What the papers use.
    Poisson,
    /// One every period: the kindest load, it shows what a system does without any queueing.
    Constant,
    /// Poisson during phases of `on_ns`, silence for `off_ns` between them; the rate within a phase
    /// is raised so that the mean over whole cycles is the one asked for. Starts with a phase.
    OnOff {
        /// Length of a phase with arrivals.
        on_ns: u64,
        /// Length of the silence after it.
        off_ns: u64,
    },
}

/// Why no arrivals can be made.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ArrivalsError {
    /// The rate is not a positive number, or above one a nanosecond.
    #[error("arrival rate {rate_rps} requests/s: give one above 0 and at most 1e9")]
    Rate {
        /// The rate asked for.
        rate_rps: f64,
    },
    /// Phases without length never see an arrival.
    #[error("on-off arrivals with an on phase of 0: give it a length, as in on-off:1ms/9ms")]
    NoOnPhase,
    /// The name of the process is unknown.
    #[error("unknown arrivals `{text}`: write poisson, constant or on-off:ON/OFF (1ms/9ms)")]
    Unknown {
        /// What was written.
        text: String,
    },
    /// A phase of on-off arrivals cannot be read.
    #[error("on-off arrivals: {0}")]
    Phase(#[from] DurationError),
}

impl Arrivals {
    /// Intended times from 0 on, ascending, at a mean of `rate_rps` requests a second.
    ///
    /// The same arguments give the same times for ever.
    ///
    /// # Errors
    /// When the rate is not within 0 and 1e9, or an on phase has no length.
    pub fn times(self, rate_rps: f64, seed: u64) -> Result<Times, ArrivalsError> {
        if !(rate_rps > 0.0 && rate_rps <= 1e9) {
            return Err(ArrivalsError::Rate { rate_rps });
        }
        let mut gap_mean_ns = 1e9 / rate_rps;
        if let Self::OnOff { on_ns, off_ns } = self {
            if on_ns == 0 {
                return Err(ArrivalsError::NoOnPhase);
            }
            gap_mean_ns *= on_ns as f64 / (on_ns as f64 + off_ns as f64);
        }
        let generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        Ok(Times { arrivals: self, gap_mean_ns, elapsed_ns: 0.0, generator })
    }
}

impl std::str::FromStr for Arrivals {
    type Err = ArrivalsError;

    /// Reads `poisson`, `constant` or `on-off:1ms/9ms`.
    fn from_str(text: &str) -> Result<Self, ArrivalsError> {
        match text {
            "poisson" => return Ok(Self::Poisson),
            "constant" => return Ok(Self::Constant),
            _ => {}
        }
        let phases = text.strip_prefix("on-off:").and_then(|phases| phases.split_once('/'));
        let Some((on, off)) = phases else {
            return Err(ArrivalsError::Unknown { text: text.to_owned() });
        };
        Ok(Self::OnOff { on_ns: parse_duration_ns(on)?, off_ns: parse_duration_ns(off)? })
    }
}

/// Endless iterator of intended times in nanoseconds. See [`Arrivals::times`].
#[derive(Clone, Debug)]
pub struct Times {
    arrivals: Arrivals,
    gap_mean_ns: f64,
    /// Time during which arrivals were possible: for on-off arrivals the silences are not in it.
    /// As `f64` it is exact to 0.01 ns for runs of a day, so rounding never bends the rate.
    elapsed_ns: f64,
    generator: Xoshiro256PlusPlus,
}

impl Iterator for Times {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let gap: f64 = match self.arrivals {
            Arrivals::Constant => 1.0,
            Arrivals::Poisson | Arrivals::OnOff { .. } => Exp1.sample(&mut self.generator),
        };
        self.elapsed_ns += gap * self.gap_mean_ns;
        let elapsed_ns = self.elapsed_ns as u64;
        Some(match self.arrivals {
            Arrivals::OnOff { on_ns, off_ns } => elapsed_ns + elapsed_ns / on_ns * off_ns,
            Arrivals::Poisson | Arrivals::Constant => elapsed_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE_RPS: f64 = 20_000.0;

    fn gaps_ns(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let times: Vec<u64> = arrivals.times(RATE_RPS, 7).unwrap().take(count + 1).collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let gaps = gaps_ns(Arrivals::Poisson, 200_000);
        let mean_ns = mean(&gaps);
        assert!((mean_ns / 50_000.0 - 1.0).abs() < 0.01, "mean {mean_ns}");
        // An exponential's deviation is its mean, and it passes the mean with probability 1/e.
        let variance = mean(&gaps.iter().map(|gap| (gap - mean_ns).powi(2)).collect::<Vec<_>>());
        assert!((variance.sqrt() / mean_ns - 1.0).abs() < 0.02, "deviation {}", variance.sqrt());
        for multiple in [0.1, 1.0, 3.0] {
            let above = gaps.iter().filter(|&&gap| gap > multiple * mean_ns).count();
            let share = above as f64 / gaps.len() as f64;
            assert!((share - f64::exp(-multiple)).abs() < 0.005, "{share} above {multiple} means");
        }
    }

    #[test]
    fn poisson_gaps_do_not_depend_on_the_one_before() {
        let gaps = gaps_ns(Arrivals::Poisson, 100_000);
        let mean_ns = mean(&gaps);
        let products: Vec<f64> =
            gaps.windows(2).map(|pair| (pair[0] - mean_ns) * (pair[1] - mean_ns)).collect();
        let correlation = mean(&products) / (mean_ns * mean_ns);
        assert!(correlation.abs() < 0.01, "lag-1 correlation {correlation}");
    }

    #[test]
    fn constant_arrivals_are_one_period_apart() {
        assert!(gaps_ns(Arrivals::Constant, 1_000).iter().all(|&gap| gap == 50_000.0));
    }

    #[test]
    fn on_off_keeps_the_mean_rate_and_the_silence() {
        let (on_ns, off_ns) = (1_000_000, 9_000_000);
        let arrivals = Arrivals::OnOff { on_ns, off_ns };
        let horizon_ns = 20_000_000_000;
        let times: Vec<u64> = arrivals
            .times(RATE_RPS, 3)
            .unwrap()
            .take_while(|&intended_ns| intended_ns < horizon_ns)
            .collect();
        let rate_rps = times.len() as f64 / 20.0;
        assert!((rate_rps / RATE_RPS - 1.0).abs() < 0.01, "rate {rate_rps}");
        assert!(times.iter().all(|intended_ns| intended_ns % (on_ns + off_ns) < on_ns));
    }

    #[test]
    fn refuses_what_it_cannot_make() {
        for rate_rps in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e9] {
            let error = Arrivals::Poisson.times(rate_rps, 1).unwrap_err();
            assert!(error.to_string().contains("arrival rate"), "{error}");
        }
        let silent = Arrivals::OnOff { on_ns: 0, off_ns: 1 };
        assert_eq!(silent.times(1.0, 1).unwrap_err(), ArrivalsError::NoOnPhase);
    }

    #[test]
    fn reads_names() {
        assert_eq!("poisson".parse(), Ok(Arrivals::Poisson));
        assert_eq!("constant".parse(), Ok(Arrivals::Constant));
        let bursty = Arrivals::OnOff { on_ns: 1_000_000, off_ns: 9_000_000 };
        assert_eq!("on-off:1ms/9ms".parse(), Ok(bursty));
        assert!("on-off:1ms".parse::<Arrivals>().is_err());
        assert!("on-off:1ms/9".parse::<Arrivals>().unwrap_err().to_string().contains("`9`"));
    }

    proptest! {
        #[test]
        fn times_ascend_and_repeat(seed: u64, rate_rps in 1.0..1e8f64, off_ns in 0..10_000_000u64) {
            for arrivals in [
                Arrivals::Poisson,
                Arrivals::Constant,
                Arrivals::OnOff { on_ns: 50_000, off_ns },
            ] {
                let times: Vec<u64> = arrivals.times(rate_rps, seed).unwrap().take(500).collect();
                prop_assert!(times.is_sorted());
                let again: Vec<u64> = arrivals.times(rate_rps, seed).unwrap().take(500).collect();
                prop_assert_eq!(times, again);
            }
        }
    }
}
