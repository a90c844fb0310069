//! When requests are meant to be sent: seeded, endless streams of intended times.

use std::fmt;

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::duration::{DurationError, parse_duration_ns};

/// The process that requests arrive by. All have the same mean rate, they differ in how evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A Markov-modulated Poisson process: bursts and calms of exponential length take turns, and
    /// within a burst the rate is `ratio` times that of a calm. Starts with a calm.
    Mmpp {
        /// Rate of a burst over that of a calm.
        ratio: u32,
        /// Mean length of a burst.
        burst_ns: u64,
        /// Mean length of a calm.
        calm_ns: u64,
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
    #[error(
        "unknown arrivals `{text}`: write poisson, constant, on-off:ON/OFF (1ms/9ms) or \
         mmpp:RATIO/BURST/CALM (10/1ms/9ms)"
    )]
    Unknown {
        /// What was written.
        text: String,
    },
    /// A burst that is no faster than a calm, or faster beyond all measure, or phases without
    /// length.
    #[error(
        "mmpp arrivals: give a ratio from 2 to 10000 and phases above 0, as in mmpp:10/1ms/9ms"
    )]
    NoBurst,
    /// A phase of bursty arrivals cannot be read.
    #[error("bursty arrivals: {0}")]
    Phase(#[from] DurationError),
}

/// Highest ratio of a burst's rate: above it a calm is a silence.
const RATIO_MAX: u32 = 10_000;

impl Arrivals {
    /// Intended times from 0 on, ascending, at a mean of `rate_rps` requests a second.
    ///
    /// The same arguments give the same times for ever.
    ///
    /// # Errors
    /// When the rate is not within 0 and 1e9, or a phase has no length.
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
        if let Self::Mmpp { ratio, burst_ns, calm_ns } = self {
            if !(2..=RATIO_MAX).contains(&ratio) || burst_ns == 0 || calm_ns == 0 {
                return Err(ArrivalsError::NoBurst);
            }
            // The mean gap of a calm: over whole cycles the rate is then the one asked for.
            let (burst_ns, calm_ns) = (burst_ns as f64, calm_ns as f64);
            gap_mean_ns *= (burst_ns * f64::from(ratio) + calm_ns) / (burst_ns + calm_ns);
        }
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let phase = match self {
            Self::Mmpp { calm_ns, .. } => {
                let length: f64 = Exp1.sample(&mut generator);
                Phase { bursting: false, left_ns: length * calm_ns as f64 }
            }
            _ => Phase { bursting: false, left_ns: f64::INFINITY },
        };
        Ok(Times { arrivals: self, gap_mean_ns, elapsed_ns: 0.0, phase, generator })
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisson => f.write_str("poisson"),
            Self::Constant => f.write_str("constant"),
            Self::OnOff { on_ns, off_ns } => write!(f, "on-off:{on_ns}ns/{off_ns}ns"),
            Self::Mmpp { ratio, burst_ns, calm_ns } => {
                write!(f, "mmpp:{ratio}/{burst_ns}ns/{calm_ns}ns")
            }
        }
    }
}

impl std::str::FromStr for Arrivals {
    type Err = ArrivalsError;

    /// Reads `poisson`, `constant`, `on-off:1ms/9ms` or `mmpp:10/1ms/9ms`.
    fn from_str(text: &str) -> Result<Self, ArrivalsError> {
        match text {
            "poisson" => return Ok(Self::Poisson),
            "constant" => return Ok(Self::Constant),
            _ => {}
        }
        if let Some(parts) = text.strip_prefix("mmpp:") {
            let mut parts = parts.splitn(3, '/');
            let mut part = || parts.next().unwrap_or_default();
            let ratio = part().trim().parse().map_err(|_| ArrivalsError::NoBurst)?;
            let (burst_ns, calm_ns) = (parse_duration_ns(part())?, parse_duration_ns(part())?);
            return Ok(Self::Mmpp { ratio, burst_ns, calm_ns });
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
    phase: Phase,
    generator: Xoshiro256PlusPlus,
}

/// Where a modulated process is.
#[derive(Clone, Debug)]
struct Phase {
    bursting: bool,
    left_ns: f64,
}

impl Times {
    /// Time until the next arrival of a modulated process: `units` mean gaps, which are shorter
    /// during bursts.
    fn modulated_ns(&mut self, mut units: f64) -> f64 {
        let Arrivals::Mmpp { ratio, burst_ns, calm_ns } = self.arrivals else {
            return units * self.gap_mean_ns;
        };
        let mut passed_ns = 0.0;
        loop {
            let speed = if self.phase.bursting { f64::from(ratio) } else { 1.0 };
            let needed_ns = units * self.gap_mean_ns / speed;
            if needed_ns <= self.phase.left_ns {
                self.phase.left_ns -= needed_ns;
                return passed_ns + needed_ns;
            }
            passed_ns += self.phase.left_ns;
            units -= self.phase.left_ns * speed / self.gap_mean_ns;
            let bursting = !self.phase.bursting;
            let mean_ns = if bursting { burst_ns } else { calm_ns };
            let length: f64 = Exp1.sample(&mut self.generator);
            self.phase = Phase { bursting, left_ns: length * mean_ns as f64 };
        }
    }
}

impl Iterator for Times {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let gap: f64 = match self.arrivals {
            Arrivals::Constant => 1.0,
            _ => Exp1.sample(&mut self.generator),
        };
        self.elapsed_ns += self.modulated_ns(gap);
        let elapsed_ns = self.elapsed_ns as u64;
        Some(match self.arrivals {
            Arrivals::OnOff { on_ns, off_ns } => elapsed_ns + elapsed_ns / on_ns * off_ns,
            _ => elapsed_ns,
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
    fn mmpp_keeps_the_mean_rate_and_comes_in_bursts() {
        let arrivals = Arrivals::Mmpp { ratio: 20, burst_ns: 1_000_000, calm_ns: 9_000_000 };
        let times: Vec<u64> = arrivals.times(RATE_RPS, 3).unwrap().take(1_000_000).collect();
        let rate_rps = 1e6 / (times[times.len() - 1] as f64 / 1e9);
        assert!((rate_rps / RATE_RPS - 1.0).abs() < 0.03, "rate {rate_rps}");
        // An exponential's deviation is its mean; bursts make it several times that.
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean_ns = mean(&gaps);
        let variance = mean(&gaps.iter().map(|gap| (gap - mean_ns).powi(2)).collect::<Vec<_>>());
        assert!(variance.sqrt() > 1.5 * mean_ns, "deviation {}", variance.sqrt() / mean_ns);
    }

    #[test]
    fn refuses_what_it_cannot_make() {
        for rate_rps in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e9] {
            let error = Arrivals::Poisson.times(rate_rps, 1).unwrap_err();
            assert!(error.to_string().contains("arrival rate"), "{error}");
        }
        let silent = Arrivals::OnOff { on_ns: 0, off_ns: 1 };
        assert_eq!(silent.times(1.0, 1).unwrap_err(), ArrivalsError::NoOnPhase);
        let even = Arrivals::Mmpp { ratio: 1, burst_ns: 1, calm_ns: 1 };
        assert_eq!(even.times(1.0, 1).unwrap_err(), ArrivalsError::NoBurst);
    }

    #[test]
    fn reads_names() {
        assert_eq!("poisson".parse(), Ok(Arrivals::Poisson));
        assert_eq!("constant".parse(), Ok(Arrivals::Constant));
        let bursty = Arrivals::OnOff { on_ns: 1_000_000, off_ns: 9_000_000 };
        assert_eq!("on-off:1ms/9ms".parse(), Ok(bursty));
        let mmpp = Arrivals::Mmpp { ratio: 10, burst_ns: 1_000_000, calm_ns: 9_000_000 };
        assert_eq!("mmpp:10/1ms/9ms".parse(), Ok(mmpp));
        for arrivals in [Arrivals::Poisson, Arrivals::Constant, bursty, mmpp] {
            assert_eq!(arrivals.to_string().parse(), Ok(arrivals));
        }
        assert!("mmpp:10/1ms".parse::<Arrivals>().is_err());
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
                Arrivals::Mmpp { ratio: 10, burst_ns: 50_000, calm_ns: off_ns + 1 },
            ] {
                let times: Vec<u64> = arrivals.times(rate_rps, seed).unwrap().take(500).collect();
                prop_assert!(times.is_sorted());
                let again: Vec<u64> = arrivals.times(rate_rps, seed).unwrap().take(500).collect();
                prop_assert_eq!(times, again);
            }
        }
    }
}
