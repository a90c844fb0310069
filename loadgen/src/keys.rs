//! Which keys requests name: how many there are, and how often each is asked for.

use std::fmt;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Zipf};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most keys: their names have twelve digits, and no store here is larger.
pub const KEYS_MAX: u64 = 1_000_000_000;

/// How often each key is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDistribution {
    /// All equally.
    Uniform,
    /// The n-th most popular with a frequency of n to the power of minus the exponent; 0.99 is
    /// YCSB's.
    Zipf {
        /// The exponent.
        exponent: f64,
    },
}

/// The keys of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keys {
    /// How many there are.
    pub count: u64,
    /// How often each is asked for.
    pub distribution: KeyDistribution,
}

/// What is wrong with keys.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum KeysError {
    /// No keys, or too many.
    #[error("{count} keys: give 1 to {KEYS_MAX}")]
    Count {
        /// How many were asked for.
        count: u64,
    },
    /// The exponent is out of range.
    #[error("zipf exponent {exponent}: give one above 0 and at most 5, as in zipf:0.99")]
    Exponent {
        /// The exponent given.
        exponent: f64,
    },
    /// The distribution is unknown.
    #[error("unknown key distribution `{text}`: write uniform, zipf or zipf:0.99")]
    Unknown {
        /// What was written.
        text: String,
    },
}

impl fmt::Display for KeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf { exponent } => write!(f, "zipf:{exponent}"),
        }
    }
}

impl std::str::FromStr for KeyDistribution {
    type Err = KeysError;

    /// Reads `uniform`, `zipf` or `zipf:EXPONENT`.
    fn from_str(text: &str) -> Result<Self, KeysError> {
        match text {
            "uniform" => return Ok(Self::Uniform),
            "zipf" => return Ok(Self::Zipf { exponent: 0.99 }),
            _ => {}
        }
        let unknown = || KeysError::Unknown { text: text.to_owned() };
        let exponent = text.strip_prefix("zipf:").ok_or_else(unknown)?;
        Ok(Self::Zipf { exponent: exponent.parse().map_err(|_| unknown())? })
    }
}

impl Keys {
    /// Makes the draws of one run.
    ///
    /// # Errors
    /// When there are no keys, too many, or the exponent is out of range.
    pub fn draws(self) -> Result<KeyDraws, KeysError> {
        if !(1..=KEYS_MAX).contains(&self.count) {
            return Err(KeysError::Count { count: self.count });
        }
        let zipf = match self.distribution {
            KeyDistribution::Uniform => None,
            KeyDistribution::Zipf { exponent } => {
                let error = KeysError::Exponent { exponent };
                if !(exponent > 0.0 && exponent <= 5.0) {
                    return Err(error);
                }
                Some(Zipf::new(self.count as f64, exponent).map_err(|_| error)?)
            }
        };
        Ok(KeyDraws { count: self.count, zipf })
    }
}

/// Draws of keys by their index.
#[derive(Clone, Debug)]
pub struct KeyDraws {
    count: u64,
    zipf: Option<Zipf<f64>>,
}

impl KeyDraws {
    /// The index of one key, below the count.
    pub fn draw(&self, generator: &mut impl Rng) -> u64 {
        match &self.zipf {
            None => generator.random_range(0..self.count),
            Some(zipf) => {
                let rank = zipf.sample(generator) as u64;
                scattered(rank.clamp(1, self.count) - 1, self.count)
            }
        }
    }
}

/// Spreads popular keys over the whole range: neighbours in rank would otherwise be neighbours in
/// an ordered store, and share its cache lines. Multiplying by a prime above every count is a
/// bijection.
fn scattered(rank: u64, count: u64) -> u64 {
    const PRIME: u64 = 2_654_435_761;
    rank * PRIME % count
}

/// Length of every key.
pub const KEY_BYTES: usize = 16;

/// The name of a key: fixed length, and in the order of its index.
#[must_use]
pub fn key_name(index: u64) -> [u8; KEY_BYTES] {
    let mut name = *b"key:000000000000";
    let mut left = index;
    for digit in name[4..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn counts(distribution: KeyDistribution, count: u64) -> Vec<u32> {
        let draws = Keys { count, distribution }.draws().unwrap();
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut counts = vec![0; count as usize];
        for _ in 0..200_000 {
            counts[draws.draw(&mut generator) as usize] += 1;
        }
        counts
    }

    #[test]
    fn uniform_asks_for_all_alike() {
        for count in counts(KeyDistribution::Uniform, 100) {
            assert!((1_800..2_200).contains(&count), "{count}");
        }
    }

    #[test]
    fn zipf_follows_its_law_and_scatters_its_favourites() {
        let counts = counts(KeyDistribution::Zipf { exponent: 1.0 }, 1_000);
        // The harmonic number of 1000 is 7.4855.
        for (rank, share) in [(1, 0.13359), (2, 0.06680), (10, 0.01336)] {
            let got = f64::from(counts[scattered(rank - 1, 1_000) as usize]) / 200_000.0;
            assert!((got / share - 1.0).abs() < 0.1, "rank {rank}: {got}, not {share}");
        }
        assert!(scattered(0, 1_000).abs_diff(scattered(1, 1_000)) > 1);
    }

    #[test]
    fn names_are_as_long_and_as_ordered_as_their_indices() {
        assert_eq!(&key_name(0), b"key:000000000000");
        assert_eq!(&key_name(1_234_567), b"key:000001234567");
        assert!(key_name(9) < key_name(10));
    }

    #[test]
    fn refuses_what_it_cannot_draw() {
        for (count, text) in
            [(0, "uniform"), (KEYS_MAX + 1, "uniform"), (5, "zipf:0"), (5, "zipf:9")]
        {
            let keys = Keys { count, distribution: text.parse().unwrap() };
            assert!(keys.draws().is_err(), "{count} {text}");
        }
        assert!("pareto".parse::<KeyDistribution>().unwrap_err().to_string().contains("`pareto`"));
    }

    proptest! {
        #[test]
        fn every_rank_has_a_key_of_its_own(count in 1..3_000_u64) {
            let mut keys: Vec<u64> = (0..count).map(|rank| scattered(rank, count)).collect();
            keys.sort_unstable();
            prop_assert!(keys.iter().copied().eq(0..count));
        }
    }
}
