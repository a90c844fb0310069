//! One run as data: its validity, its classes, what it cost the server.

use serde::{Deserialize, Serialize};

use crate::generator::Measured;
use crate::job::{Job, Pace};
use crate::observe::Observed;
use crate::record::LATENCY_MAX_NS;
use crate::tally::{ClassTally, Counts};
use crate::traffic::ALL;
use crate::validity::{self, Check};

/// The percentiles of every class, in per cent.
pub const PERCENTS: [f64; 7] = [50.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Rate asked for; `None` of a trace and of a closed loop, which have none.
    pub rate_rps: Option<f64>,
    /// Seed of what was drawn.
    pub seed: u64,
    /// Whether every check passed. The numbers of a run that is not valid say little.
    pub valid: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// The classes, and `all` at the end.
    pub classes: Vec<ClassRow>,
    /// Requests sent on a connection on which another still waited.
    pub queued: u64,
    /// Times above 200 us in which the generator made no progress.
    pub stalls: u64,
    /// The longest of them.
    pub stall_max_us: f64,
    /// Connections that the server ended.
    pub connections_lost: u32,
    /// Datagrams that answered no request under way: replies that came late or twice, or none.
    pub stray_replies: u64,
    /// The server's words for the first error.
    pub first_error: Option<String>,
    /// Whether the run was ended before its time.
    pub interrupted: bool,
    /// What the server spent.
    pub server: Option<Observed>,
}

/// One class of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// Its name.
    pub class: String,
    /// Requests that were meant to be sent.
    pub requests: u64,
    /// The same, a second.
    pub offered_rps: f64,
    /// Requests answered, a second.
    pub achieved_rps: f64,
    /// How requests ended.
    pub counts: Counts,
    /// Latencies.
    pub percentiles: Vec<Percentile>,
}

/// What there is to say about one percentile. Requests that failed count with 100 s, the highest
/// latency there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentile {
    /// Which, in per cent; 100 is the largest.
    pub percent: f64,
    /// Latency from the intended time of sending.
    pub latency_us: Option<f64>,
    /// Lower end of its 95 % confidence interval.
    pub low_us: Option<f64>,
    /// Upper end.
    pub high_us: Option<f64>,
    /// The same latency over answered requests alone.
    pub answered_us: Option<f64>,
    /// Latency from the actual send.
    pub from_send_us: Option<f64>,
    /// How late requests were sent.
    pub lateness_us: Option<f64>,
}

impl RunRow {
    /// The row of one run.
    #[must_use]
    pub fn of(job: &Job, measured: &Measured, server: Option<Observed>) -> Self {
        let all = measured.all();
        let mut checks = Vec::new();
        if !job.pace.is_closed() {
            checks = validity::load_checks(&all);
            checks.extend(measured.arrival_checks.iter().cloned());
        }
        let named = job.traffic.mix().classes().iter().map(|class| class.name.as_str());
        let tallies = measured.classes.iter().chain([&all]);
        let incidents = measured.incidents.clone();
        Self {
            rate_rps: match job.pace {
                Pace::Open { rate_rps, .. } => Some(rate_rps),
                Pace::Trace | Pace::Closed { .. } => None,
            },
            seed: job.seed,
            valid: validity::all_passed(&checks) && !incidents.interrupted,
            checks,
            classes: named
                .chain([ALL])
                .zip(tallies)
                .map(|(name, t)| ClassRow::of(name, t))
                .collect(),
            queued: incidents.queued,
            stalls: incidents.stalls,
            stall_max_us: incidents.stall_max_ns as f64 / 1e3,
            connections_lost: incidents.connections_lost,
            stray_replies: incidents.stray_replies,
            first_error: incidents.first_error,
            interrupted: incidents.interrupted,
            server,
        }
    }

    /// The row of a class.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&ClassRow> {
        self.classes.iter().find(|class| class.class == name)
    }

    /// Why it is not valid; empty if it is.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| check.verdict == validity::Verdict::Failed);
        let mut faults: Vec<String> =
            failed.map(|check| format!("{}: {}", check.name, check.about)).collect();
        if self.interrupted && self.connections_lost > 0 {
            faults.push("the server ended every connection: look why in its log".to_owned());
        } else if self.interrupted {
            faults.push("interrupted: these are the results of a part of the run".to_owned());
        }
        faults
    }
}

impl Percentile {
    /// What the requests of a class say about this percentile.
    #[must_use]
    pub fn of(tally: &ClassTally, percent: f64) -> Self {
        let latencies = tally.latencies();
        let quantile = percent / 100.0;
        let interval = crate::interval::Interval::of(&latencies, quantile);
        let latency_ns = (!latencies.is_empty())
            .then(|| latencies.value_at_quantile(quantile).min(LATENCY_MAX_NS));
        Self {
            percent,
            latency_us: us(latency_ns),
            low_us: us(interval.map(|interval| interval.low)),
            high_us: us(interval.map(|interval| interval.high)),
            answered_us: us(tally.answered_latency_ns(quantile)),
            from_send_us: us(tally.latency_from_send_ns(quantile)),
            lateness_us: us(tally.lateness_ns(quantile)),
        }
    }
}

impl ClassRow {
    fn of(name: &str, tally: &ClassTally) -> Self {
        Self {
            class: name.to_owned(),
            requests: tally.count(),
            offered_rps: tally.offered_rps(),
            achieved_rps: tally.achieved_rps(),
            counts: tally.counts,
            percentiles: PERCENTS.map(|percent| Percentile::of(tally, percent)).into(),
        }
    }

    /// What there is to say about a percentile: one of [`PERCENTS`], or one that was added.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<&Percentile> {
        self.percentiles.iter().find(|known| known.percent == percent)
    }
}

fn us(ns: Option<u64>) -> Option<f64> {
    ns.map(|ns| ns as f64 / 1e3)
}

/// Whether a latency is the one that failed requests count with.
#[must_use]
pub fn is_infinite(latency_us: f64) -> bool {
    latency_us >= LATENCY_MAX_NS as f64 / 1e3
}
