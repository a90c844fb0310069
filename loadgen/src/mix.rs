//! A mix of request classes: who asks for how much work, and how often.

use rand::{Rng, RngExt};
use serde::Serialize;
use thiserror::Error;

use crate::duration::{DurationError, parse_duration_ns};
use crate::service::{ServiceTime, ServiceTimeError};

/// Most classes of a mix: the published ones have at most five, and every class costs a recorder
/// about a megabyte of histograms.
pub const CLASSES_MAX: usize = 64;

/// A class whose mean is this many times that of the shortest class counts as long. The published
/// dispersive mixes lie at 15 (TPC-C's Delivery) to 1000; ordinary spread stays below.
const LONG_FACTOR: f64 = 10.0;

/// How far the percentages of a written mix may be from 100: three thirds as 33.3 are meant well.
const SHARE_SLACK_PERCENT: f64 = 0.11;

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// Name in tables and documents.
    pub name: String,
    /// Part of all requests, 0 to 1.
    pub share: f64,
    /// How much work one asks for.
    pub service: ServiceTime,
    /// Whether someone who knows the classes beforehand would call it long: its mean is at least
    /// ten times the shortest class's. Only baselines that are told the classes may use it.
    pub long: bool,
}

/// What is wrong with a mix.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MixError {
    /// There is no class at all.
    #[error("empty mix: write SHARE:TIME pieces, as in 99.5:10us,0.5:10ms")]
    Empty,
    /// More classes than [`CLASSES_MAX`].
    #[error("mix of {count} classes: at most {CLASSES_MAX} are supported")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A piece has no colon.
    #[error("mix piece `{piece}`: write SHARE:TIME or NAME=SHARE:TIME, as in get=99.5:10us")]
    Shape {
        /// The piece at fault.
        piece: String,
    },
    /// A share is not a positive percentage.
    #[error("mix piece `{piece}`: its share must be a percentage above 0 and at most 100")]
    Share {
        /// The piece at fault.
        piece: String,
    },
    /// A service time cannot be read.
    #[error("mix piece `{piece}`: {source}")]
    Time {
        /// The piece at fault.
        piece: String,
        /// What could not be read.
        source: DurationError,
    },
    /// A service time distribution has a parameter out of range.
    #[error("class `{name}`: {source}")]
    Service {
        /// The class at fault.
        name: String,
        /// What is wrong with its distribution.
        source: ServiceTimeError,
    },
    /// The shares do not make a whole.
    #[error("the shares of the mix add up to {sum_percent}: make them add up to 100")]
    Sum {
        /// What they add up to.
        sum_percent: f64,
    },
    /// Two classes would share a row of every table.
    #[error("two classes named `{name}`: name them, as in a=50:10us,b=50:10us")]
    Duplicate {
        /// The name given twice.
        name: String,
    },
}

/// Classes whose shares make a whole. At least one, in the order given.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Mix {
    classes: Vec<Class>,
}

impl Mix {
    /// A mix of (name, percentage, service time); percentages are scaled to make exactly a whole.
    ///
    /// # Errors
    /// When there is no class, names repeat, the percentages do not add up to 100, or a
    /// distribution is none.
    pub fn new<N: Into<String>>(
        classes: impl IntoIterator<Item = (N, f64, ServiceTime)>,
    ) -> Result<Self, MixError> {
        let mut classes: Vec<Class> = classes
            .into_iter()
            .map(|(name, percent, service)| Class {
                name: name.into(),
                share: percent / 100.0,
                service,
                long: false,
            })
            .collect();
        check(&classes)?;
        let sum: f64 = classes.iter().map(|class| class.share).sum();
        let shortest_ns =
            classes.iter().map(|class| class.service.mean_ns()).fold(f64::INFINITY, f64::min);
        for class in &mut classes {
            class.share /= sum;
            class.long = class.service.mean_ns() >= LONG_FACTOR * shortest_ns;
        }
        Ok(Self { classes })
    }

    /// Reads a mix of fixed service times: `99.5:10us,0.5:10ms`, or with names
    /// `get=99.5:10us,scan=0.5:10ms`. A class without a name is called by its time.
    ///
    /// # Errors
    /// Names the piece at fault.
    pub fn parse(text: &str) -> Result<Self, MixError> {
        if text.trim().is_empty() {
            return Err(MixError::Empty);
        }
        Self::new(text.split(',').map(parse_piece).collect::<Result<Vec<_>, _>>()?)
    }

    /// The same classes, shares and means, every class exponential.
    #[must_use]
    pub fn exponential(mut self) -> Self {
        for class in &mut self.classes {
            class.service = class.service.exponential();
        }
        self
    }

    /// The classes, in the order given.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Mean service time over all requests.
    #[must_use]
    pub fn mean_ns(&self) -> f64 {
        self.classes.iter().map(|class| class.share * class.service.mean_ns()).sum()
    }

    /// Requests a second that keep `cpus` CPUs busy all the time: the rate of load 1.
    #[must_use]
    pub fn capacity_rps(&self, cpus: usize) -> f64 {
        cpus as f64 * 1e9 / self.mean_ns()
    }

    /// Draws the class of one request.
    pub fn draw(&self, generator: &mut impl Rng) -> usize {
        let mut left: f64 = generator.random();
        for (index, class) in self.classes.iter().enumerate() {
            left -= class.share;
            if left < 0.0 {
                return index;
            }
        }
        // Shares add up to one within rounding; what rounding leaves goes to the last class.
        self.classes.len() - 1
    }
}

fn check(classes: &[Class]) -> Result<(), MixError> {
    if classes.is_empty() {
        return Err(MixError::Empty);
    }
    if classes.len() > CLASSES_MAX {
        return Err(MixError::TooMany { count: classes.len() });
    }
    for (index, class) in classes.iter().enumerate() {
        let name = || class.name.clone();
        if !(class.share > 0.0 && class.share <= 1.0) {
            return Err(MixError::Share { piece: name() });
        }
        if classes[..index].iter().any(|other| other.name == class.name) {
            return Err(MixError::Duplicate { name: name() });
        }
        class.service.validate().map_err(|source| MixError::Service { name: name(), source })?;
    }
    let sum_percent = classes.iter().map(|class| class.share * 100.0).sum::<f64>();
    if (sum_percent - 100.0).abs() > SHARE_SLACK_PERCENT {
        return Err(MixError::Sum { sum_percent: (sum_percent * 1e3).round() / 1e3 });
    }
    Ok(())
}

fn parse_piece(piece: &str) -> Result<(String, f64, ServiceTime), MixError> {
    let piece = piece.trim();
    let owned = || piece.to_owned();
    let (name, body) = match piece.split_once('=') {
        Some((name, _)) if name.trim().is_empty() => {
            return Err(MixError::Shape { piece: owned() });
        }
        Some((name, body)) => (Some(name.trim()), body),
        None => (None, piece),
    };
    let (percent, time) = body.split_once(':').ok_or_else(|| MixError::Shape { piece: owned() })?;
    let percent = percent.trim().trim_end_matches('%').parse().unwrap_or(f64::NAN);
    if !(percent > 0.0 && percent <= 100.0) {
        return Err(MixError::Share { piece: owned() });
    }
    let service_ns =
        parse_duration_ns(time).map_err(|source| MixError::Time { piece: owned(), source })?;
    let name = name.unwrap_or_else(|| time.trim()).to_owned();
    Ok((name, percent, ServiceTime::Fixed { service_ns }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn reads_the_dispersive_mix() {
        let mix = Mix::parse("99.5:10us,0.5:10ms").unwrap();
        let [short, long] = mix.classes() else { panic!("two classes") };
        assert_eq!((short.name.as_str(), short.long), ("10us", false));
        assert_eq!((long.name.as_str(), long.long), ("10ms", true));
        assert_eq!(long.service, ServiceTime::Fixed { service_ns: 10_000_000 });
        assert!((mix.mean_ns() - 59_950.0).abs() < 1e-6);
        assert!((mix.capacity_rps(2) - 33_361.13).abs() < 0.01);
    }

    #[test]
    fn reads_names_and_spaces() {
        let mix = Mix::parse(" get = 50% : 2us , set=50:2us ").unwrap();
        assert_eq!(mix.classes()[0].name, "get");
        assert!(mix.classes().iter().all(|class| !class.long));
    }

    #[test]
    fn exponential_keeps_shares_and_means() {
        let fixed = Mix::parse("99.5:10us,0.5:10ms").unwrap();
        let exponential = fixed.clone().exponential();
        assert_eq!(exponential.mean_ns(), fixed.mean_ns());
        assert!(exponential.classes()[1].long);
        assert_eq!(exponential.classes()[0].service, ServiceTime::Exponential { mean_ns: 10_000 });
    }

    #[test]
    fn names_the_piece_at_fault() {
        let faults = [
            ("99.5:10us,0.5", "`0.5`"),
            ("=50:10us,50:1us", "`=50:10us`"),
            ("x:10us", "`x:10us`"),
            ("-5:10us,105:1us", "`-5:10us`"),
            ("nan:10us", "`nan:10us`"),
            ("99.5:10us,0.5:10", "`0.5:10`"),
            ("50:10us,40:10ms", "add up to 90"),
            ("50:10us,50:10us", "two classes named `10us`"),
            ("100:10us,", "``"),
            ("  ", "empty mix"),
        ];
        for (text, named) in faults {
            let error = Mix::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        let crowd = vec!["1:1us"; CLASSES_MAX + 1].join(",");
        assert_eq!(Mix::parse(&crowd).unwrap_err(), MixError::TooMany { count: 65 });
        let zero = Mix::new([("idle", 100.0, ServiceTime::Fixed { service_ns: 0 })]);
        assert!(zero.unwrap_err().to_string().contains("class `idle`"));
    }

    #[test]
    fn thirds_make_a_whole() {
        let mix = Mix::parse("a=33.3:1us,b=33.3:1us,c=33.3:1us").unwrap();
        let sum: f64 = mix.classes().iter().map(|class| class.share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn draws_follow_the_shares() {
        let mix = Mix::parse("a=70:1us,b=25:1us,c=5:1us").unwrap();
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut counts = [0_u32; 3];
        for _ in 0..200_000 {
            counts[mix.draw(&mut generator)] += 1;
        }
        for (count, class) in counts.iter().zip(mix.classes()) {
            assert!((f64::from(*count) / 200_000.0 - class.share).abs() < 0.004, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[a-z0-9.:,=%us m-]{0,40}") {
            if let Ok(mix) = Mix::parse(&text) {
                prop_assert!(mix.mean_ns() > 0.0);
            }
        }
    }
}
