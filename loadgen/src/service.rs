//! How much CPU work a request of a class asks for.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, StandardNormal};
use serde::Serialize;
use thiserror::Error;

/// A distribution of service times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceTime {
    /// Always the same.
    Fixed {
        /// The service time.
        service_ns: u64,
    },
    /// Exponential: the deviation equals the mean, one in a thousand is 6.9 times the mean.
    Exponential {
        /// Mean service time.
        mean_ns: u64,
    },
    /// One of two values.
    Bimodal {
        /// The common value.
        short_ns: u64,
        /// The rare value.
        long_ns: u64,
        /// Probability of the rare value.
        long_share: f64,
    },
    /// Lognormal: heavy tail; `sigma` is the deviation of the logarithm.
    Lognormal {
        /// Mean service time.
        mean_ns: u64,
        /// Deviation of the logarithm of the service time; 1 is already heavy, 2 very.
        sigma: f64,
    },
}

/// Why a distribution is none.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ServiceTimeError {
    /// A request without work says nothing about scheduling.
    #[error("service time of 0: give at least 1ns")]
    Zero,
    /// The share of the rare value is no probability.
    #[error("share {long_share} of the long mode: give one within 0 and 1")]
    LongShare {
        /// The share given.
        long_share: f64,
    },
    /// The deviation of the logarithm is negative, or so large that no mean is ever observed.
    #[error("lognormal sigma {sigma}: give one within 0 and 4")]
    Sigma {
        /// The sigma given.
        sigma: f64,
    },
}

impl ServiceTime {
    /// Mean service time in nanoseconds.
    #[must_use]
    pub fn mean_ns(&self) -> f64 {
        match *self {
            Self::Fixed { service_ns } => service_ns as f64,
            Self::Exponential { mean_ns } | Self::Lognormal { mean_ns, .. } => mean_ns as f64,
            Self::Bimodal { short_ns, long_ns, long_share } => {
                short_ns as f64 * (1.0 - long_share) + long_ns as f64 * long_share
            }
        }
    }

    /// Draws one service time, at least 1 ns: a slowdown divides by it.
    pub fn sample(&self, generator: &mut impl Rng) -> u64 {
        let drawn_ns = match *self {
            Self::Fixed { service_ns } => return service_ns,
            Self::Bimodal { short_ns, long_ns, long_share } => {
                return if generator.random_bool(long_share) { long_ns } else { short_ns };
            }
            Self::Exponential { mean_ns } => {
                let scale: f64 = Exp1.sample(generator);
                mean_ns as f64 * scale
            }
            Self::Lognormal { mean_ns, sigma } => {
                let normal: f64 = StandardNormal.sample(generator);
                // The mean of exp(sigma * N) is exp(sigma^2 / 2): divided out to keep `mean_ns`.
                mean_ns as f64 * (sigma * normal - sigma * sigma / 2.0).exp()
            }
        };
        (drawn_ns.round() as u64).max(1)
    }

    /// The exponential distribution of the same mean.
    #[must_use]
    pub fn exponential(&self) -> Self {
        Self::Exponential { mean_ns: (self.mean_ns().round() as u64).max(1) }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// When a time is zero or a parameter is out of its range.
    pub fn validate(&self) -> Result<(), ServiceTimeError> {
        let shortest_ns = match *self {
            Self::Fixed { service_ns } => service_ns,
            Self::Exponential { mean_ns } | Self::Lognormal { mean_ns, .. } => mean_ns,
            Self::Bimodal { short_ns, long_ns, .. } => short_ns.min(long_ns),
        };
        if shortest_ns == 0 {
            return Err(ServiceTimeError::Zero);
        }
        match *self {
            Self::Bimodal { long_share, .. } if !(0.0..=1.0).contains(&long_share) => {
                Err(ServiceTimeError::LongShare { long_share })
            }
            Self::Lognormal { sigma, .. } if !(0.0..=4.0).contains(&sigma) => {
                Err(ServiceTimeError::Sigma { sigma })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn draw(service: ServiceTime, count: usize) -> Vec<f64> {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(11);
        (0..count).map(|_| service.sample(&mut generator) as f64).collect()
    }

    #[test]
    fn draws_have_the_stated_mean() {
        let all = [
            ServiceTime::Fixed { service_ns: 10_000 },
            ServiceTime::Exponential { mean_ns: 10_000 },
            ServiceTime::Bimodal { short_ns: 1_000, long_ns: 100_000, long_share: 0.1 },
            ServiceTime::Lognormal { mean_ns: 10_000, sigma: 1.0 },
        ];
        for service in all {
            let drawn = draw(service, 400_000);
            let mean_ns = drawn.iter().sum::<f64>() / drawn.len() as f64;
            assert!((mean_ns / service.mean_ns() - 1.0).abs() < 0.01, "{service:?}: {mean_ns}");
        }
    }

    #[test]
    fn lognormal_has_the_stated_spread_of_logarithms() {
        let drawn = draw(ServiceTime::Lognormal { mean_ns: 1_000_000, sigma: 0.5 }, 100_000);
        let logs: Vec<f64> = drawn.iter().map(|ns| ns.ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64;
        assert!((variance.sqrt() - 0.5).abs() < 0.01, "sigma {}", variance.sqrt());
    }

    #[test]
    fn exponential_twin_keeps_the_mean() {
        let service = ServiceTime::Bimodal { short_ns: 10, long_ns: 1_000, long_share: 0.5 };
        assert_eq!(service.exponential(), ServiceTime::Exponential { mean_ns: 505 });
    }

    #[test]
    fn no_draw_is_zero() {
        let drawn = draw(ServiceTime::Exponential { mean_ns: 1 }, 10_000);
        assert!(drawn.iter().all(|&ns| ns >= 1.0));
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        let zero = ServiceTime::Fixed { service_ns: 0 };
        assert_eq!(zero.validate(), Err(ServiceTimeError::Zero));
        let share = ServiceTime::Bimodal { short_ns: 1, long_ns: 2, long_share: 1.5 };
        assert_eq!(share.validate(), Err(ServiceTimeError::LongShare { long_share: 1.5 }));
        let sigma = ServiceTime::Lognormal { mean_ns: 1, sigma: f64::NAN };
        assert!(matches!(sigma.validate(), Err(ServiceTimeError::Sigma { .. })));
    }
}
