//! What one run is to do: everything a generator needs to know, here or on another machine.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::arrivals::Arrivals;
use crate::datagram::{self, DatagramError};
use crate::dialect::{ClassField, Protocol};
use crate::keys::{Keys, KeysError};
use crate::plan::{Plan, PlanError, PlanSpec};
use crate::tally::Span;
use crate::trace::Trace;
use crate::traffic::Traffic;

/// Most connections: what a bound on open files usually leaves, and more than one CPU serves well.
pub const CONNECTIONS_MAX: u32 = 10_000;
/// Highest rate: above what one thread sends over sockets.
pub const RATE_MAX_RPS: f64 = 5e6;
/// Longest run: an hour.
pub const DURATION_MAX_NS: u64 = 3_600_000_000_000;
/// Longest value.
pub const VALUE_MAX: u32 = 1 << 20;
/// Most requests under way on one connection of a closed loop.
pub const DEPTH_MAX: u32 = 1_000;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The server's address, as [`crate::Endpoint::parse`] reads it.
    pub target: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// What it wants to hear first.
    pub password: Option<String>,
    /// Connections to it.
    pub connections: u32,
    /// What requests ask for.
    pub traffic: Traffic,
    /// Which keys they name.
    pub keys: Keys,
    /// Length of the values they write.
    pub values: ValueSize,
    /// The class field of native frames.
    pub class_field: ClassField,
    /// When they are sent.
    pub pace: Pace,
    /// Length of the part that does not count.
    pub warmup_ns: u64,
    /// Length of the part that does.
    pub duration_ns: u64,
    /// How long replies are waited for after that.
    pub drain_ns: u64,
    /// Seed of everything drawn.
    pub seed: u64,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Open loop: at their intended times, whatever becomes of those before.
    Open {
        /// How they arrive.
        arrivals: Arrivals,
        /// Mean rate.
        rate_rps: f64,
    },
    /// Open loop, at the times of a trace that comes beside the job.
    Trace,
    /// Closed loop: each when the reply to the one before has come. It slows down with the server,
    /// and so forgives it exactly when it is slow.
    Closed {
        /// Requests under way on each connection.
        depth: u32,
    },
}

impl Pace {
    /// Whether replies decide when requests are sent.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// Lengths of values, drawn evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueSize {
    /// Shortest.
    pub min: u32,
    /// Longest.
    pub max: u32,
}

impl std::str::FromStr for ValueSize {
    type Err = String;

    /// Reads `64` or `16-1024`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        match (min.trim().parse(), max.trim().parse()) {
            (Ok(min), Ok(max)) if min <= max && max <= VALUE_MAX => Ok(Self { min, max }),
            _ => Err(format!("give bytes up to {VALUE_MAX}, as in 64 or 16-1024")),
        }
    }
}

/// A job that cannot be done.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum JobError {
    /// A number is out of its range.
    #[error("{what} of {given}: give {least} to {most}")]
    Range {
        /// Which.
        what: &'static str,
        /// The number given.
        given: f64,
        /// The least there may be.
        least: f64,
        /// The most.
        most: f64,
    },
    /// The keys are none.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Datagrams cannot do it.
    #[error(transparent)]
    Datagram(#[from] DatagramError),
    /// The requests cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Job {
    /// Checks everything that can be checked without a server.
    ///
    /// # Errors
    /// Names what is out of range.
    pub fn validate(&self) -> Result<(), JobError> {
        let within = |what, given: f64, least: f64, most: f64| {
            let fits = given >= least && given <= most;
            if fits { Ok(()) } else { Err(JobError::Range { what, given, least, most }) }
        };
        within("connections", self.connections.into(), 1.0, CONNECTIONS_MAX.into())?;
        let seconds = |ns: u64| ns as f64 / 1e9;
        within("seconds of duration", seconds(self.duration_ns), 0.01, seconds(DURATION_MAX_NS))?;
        within("seconds of warm-up", seconds(self.warmup_ns), 0.0, seconds(DURATION_MAX_NS))?;
        within("seconds of drain", seconds(self.drain_ns), 0.0, 60.0)?;
        within("bytes of value", self.values.max.into(), 0.0, VALUE_MAX.into())?;
        within("least bytes of value", self.values.min.into(), 0.0, self.values.max.into())?;
        match self.pace {
            Pace::Open { rate_rps, .. } => within("requests/s", rate_rps, 0.1, RATE_MAX_RPS)?,
            Pace::Closed { depth } => within("depth", depth.into(), 1.0, DEPTH_MAX.into())?,
            Pace::Trace => {}
        }
        self.keys.draws()?;
        if self.is_datagram() {
            datagram::check(self)?;
        }
        Ok(())
    }

    /// Whether requests and replies travel in datagrams.
    pub(crate) fn is_datagram(&self) -> bool {
        datagram::is_named_by(&self.target)
    }

    /// The part of the run that counts.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { start_ns: self.warmup_ns, end_ns: self.warmup_ns + self.duration_ns }
    }

    /// The requests of an open loop, written down; none of a closed one.
    ///
    /// # Errors
    /// When there are too many, or the arrivals cannot be made.
    pub fn plan(&self, trace: Option<&Trace>) -> Result<Plan, JobError> {
        let (arrivals, rate_rps) = match self.pace {
            Pace::Open { arrivals, rate_rps } => (arrivals, rate_rps),
            Pace::Trace | Pace::Closed { .. } => (Arrivals::Constant, 1.0),
        };
        let spec =
            PlanSpec { arrivals, rate_rps, duration_ns: self.span().end_ns, seed: self.seed };
        let mix = self.traffic.mix();
        match (self.pace, trace) {
            (Pace::Open { .. }, _) => Ok(Plan::new(mix, spec)?),
            (Pace::Trace, Some(trace)) => Ok(Plan::replay(mix, trace, spec)),
            (Pace::Trace, None) | (Pace::Closed { .. }, _) => Ok(Plan::empty(spec)),
        }
    }
}

#[cfg(test)]
pub(crate) fn example() -> Job {
    use crate::keys::KeyDistribution;
    Job {
        target: "127.0.0.1:1".to_owned(),
        protocol: Protocol::Resp,
        password: None,
        connections: 2,
        traffic: Traffic::preset("get-set").expect("there is such a preset"),
        keys: Keys { count: 100, distribution: KeyDistribution::Uniform },
        values: ValueSize { min: 8, max: 8 },
        class_field: ClassField::Server,
        pace: Pace::Open { arrivals: Arrivals::Poisson, rate_rps: 1_000.0 },
        warmup_ns: 100_000_000,
        duration_ns: 1_000_000_000,
        drain_ns: 1_000_000_000,
        seed: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_back_from_json() {
        let job = example();
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
    }

    #[test]
    fn names_what_is_out_of_range() {
        type Spoil = fn(&mut Job);
        let cases: [(&str, Spoil); 6] = [
            ("connections of 0", |job| job.connections = 0),
            ("connections of 10001", |job| job.connections = CONNECTIONS_MAX + 1),
            ("duration of 0:", |job| job.duration_ns = 0),
            ("requests/s of 10000000", |job| {
                job.pace = Pace::Open { arrivals: Arrivals::Poisson, rate_rps: 1e7 };
            }),
            ("depth of 0", |job| job.pace = Pace::Closed { depth: 0 }),
            ("0 keys", |job| job.keys.count = 0),
        ];
        assert_eq!(example().validate(), Ok(()));
        for (named, spoil) in cases {
            let mut job = example();
            spoil(&mut job);
            let error = job.validate().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn plans_what_is_open() {
        let mut job = example();
        let plan = job.plan(None).unwrap();
        assert!((1_000..1_200).contains(&plan.requests().len()), "{}", plan.requests().len());
        job.pace = Pace::Closed { depth: 1 };
        assert!(job.plan(None).unwrap().requests().is_empty());
    }

    #[test]
    fn value_sizes_are_one_or_two_numbers() {
        assert_eq!("64".parse(), Ok(ValueSize { min: 64, max: 64 }));
        assert_eq!("16-1024".parse(), Ok(ValueSize { min: 16, max: 1_024 }));
        for text in ["", "5-4", "x", "-1", "2000000"] {
            assert!(text.parse::<ValueSize>().is_err(), "{text}");
        }
    }
}
