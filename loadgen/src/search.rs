//! The highest load that meets an objective: bracket, bisect, repeat. Pure: it names a rate, is
//! told whether the objective was met there, and names the next.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::duration::{DurationError, parse_duration_ns};
use crate::tally::ClassTally;
use crate::traffic::{ALL, Traffic};

/// An objective: a percentile of a class below a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// The class, or `all`.
    pub class: String,
    /// The quantile, 0 to 1.
    pub quantile: f64,
    /// The limit.
    pub limit_ns: u64,
}

/// Why an objective cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ObjectiveError {
    /// It is not of three parts, or its percentile is none.
    #[error("`{text}`: write CLASS:PERCENTILE:LIMIT, as in get:p99:100us or all:p99.9:1ms")]
    Shape {
        /// What was written.
        text: String,
    },
    /// The limit cannot be read.
    #[error(transparent)]
    Limit(#[from] DurationError),
    /// The traffic has no such class.
    #[error("--slo: no class `{class}`; the traffic has {names}")]
    Class {
        /// What was written.
        class: String,
        /// What there is.
        names: String,
    },
}

impl std::str::FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let shape = || ObjectiveError::Shape { text: text.to_owned() };
        let mut parts = text.split(':');
        let (Some(class), Some(percentile), Some(limit), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(shape());
        };
        let percent: f64 =
            percentile.strip_prefix('p').and_then(|p| p.parse().ok()).ok_or_else(shape)?;
        if class.is_empty() || !(percent > 0.0 && percent < 100.0) {
            return Err(shape());
        }
        let limit_ns = parse_duration_ns(limit)?;
        // To a millionth: 99.9 / 100 is not quite 0.999.
        let quantile = (percent * 1e4).round() / 1e6;
        Ok(Self { class: class.to_owned(), quantile, limit_ns })
    }
}

impl Objective {
    /// Whether requests were as fast as it asks; never without requests.
    #[must_use]
    pub fn is_met_by(&self, tally: &ClassTally) -> bool {
        tally.latency_ns(self.quantile).is_some_and(|latency_ns| latency_ns <= self.limit_ns)
    }

    /// Checks that there are requests it speaks of.
    ///
    /// # Errors
    /// When the traffic has no class of its name.
    pub fn check(&self, traffic: &Traffic) -> Result<(), ObjectiveError> {
        if self.class == ALL || traffic.class_named(&self.class).is_some() {
            return Ok(());
        }
        let names = traffic.mix().classes().iter().map(|class| class.name.as_str());
        let names = names.chain([ALL]).collect::<Vec<_>>().join(", ");
        Err(ObjectiveError::Class { class: self.class.clone(), names })
    }

    /// Its percentile, in per cent, as it was written.
    #[must_use]
    pub fn percent(&self) -> f64 {
        (self.quantile * 1e6).round() / 1e4
    }
}

/// How a search goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSpec {
    /// First rate tried.
    pub start_rps: f64,
    /// Highest rate tried.
    pub max_rps: f64,
    /// Ends when the lowest rate that failed is at most this factor above the highest that did not.
    pub precision: f64,
    /// Searches, each with its own seed; later ones start near what the first found.
    pub repeats: u32,
}

/// Lowest rate tried: below it even a minute says nothing about a p99.
const RATE_MIN_RPS: f64 = 10.0;

/// A failure is believed when a second run at the same rate fails too, unless a third does not:
/// stalls of a shared machine fail single runs.
const VOTES: u32 = 2;

/// One search.
#[derive(Clone, Debug)]
pub struct Search {
    spec: SearchSpec,
    /// Highest rate that met the objective, lowest that failed.
    met_rps: Option<f64>,
    failed_rps: Option<f64>,
    rate_rps: f64,
    votes: (u32, u32),
    /// Rates found by the searches that are over.
    found: Vec<Option<f64>>,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Median of the highest rates that met the objective.
    pub rate_rps: f64,
    /// The lowest of them; 0 when a search found none.
    pub low_rps: f64,
    /// The highest.
    pub high_rps: f64,
    /// Whether the highest rate allowed still met the objective, so that there may be more.
    pub bounded: bool,
}

impl Search {
    /// A search that has not begun.
    #[must_use]
    pub fn new(spec: SearchSpec) -> Self {
        let rate_rps = spec.start_rps.min(spec.max_rps);
        Self { spec, met_rps: None, failed_rps: None, rate_rps, votes: (0, 0), found: Vec::new() }
    }

    /// The rate to try next; `None` when all searches are over.
    #[must_use]
    pub fn next_rps(&self) -> Option<f64> {
        (self.found.len() < self.spec.repeats as usize).then_some(self.rate_rps)
    }

    /// Index of the search under way; a seed for each.
    #[must_use]
    pub fn repeat(&self) -> u64 {
        self.found.len() as u64
    }

    /// Tells whether the objective was met at the rate tried.
    pub fn tried(&mut self, met: bool) {
        if met {
            self.votes.0 += 1;
        } else {
            self.votes.1 += 1;
        }
        let (met, failed) = self.votes;
        // A first success is believed at once, a failure or a contradiction is voted on.
        if (met, failed) == (1, 0) || met == VOTES {
            self.decided(true);
        } else if failed == VOTES {
            self.decided(false);
        }
    }

    fn decided(&mut self, met: bool) {
        self.votes = (0, 0);
        if met {
            self.met_rps = Some(self.rate_rps);
        } else {
            self.failed_rps = Some(self.rate_rps);
        }
        let next_rps = match (self.met_rps, self.failed_rps) {
            (Some(met_rps), None) if met_rps < self.spec.max_rps => {
                Some((met_rps * 2.0).min(self.spec.max_rps))
            }
            (None, Some(failed_rps)) if failed_rps > RATE_MIN_RPS => {
                Some((failed_rps / 4.0).max(RATE_MIN_RPS))
            }
            (Some(met_rps), Some(failed_rps)) if failed_rps / met_rps > self.spec.precision => {
                Some((met_rps * failed_rps).sqrt())
            }
            _ => None,
        };
        match next_rps {
            Some(next_rps) => self.rate_rps = next_rps,
            None => self.over(),
        }
    }

    fn over(&mut self) {
        // A later search starts a little below what this one found: its bracket is small.
        self.rate_rps = self.met_rps.map_or(RATE_MIN_RPS, |rate_rps| rate_rps * 0.9);
        self.found.push(self.met_rps.take());
        self.failed_rps = None;
    }

    /// What was found so far; `None` when no search is over or half of them found no rate at all.
    #[must_use]
    pub fn found(&self) -> Option<Found> {
        let mut rates: Vec<f64> = self.found.iter().map(|rate| rate.unwrap_or(0.0)).collect();
        rates.sort_by(f64::total_cmp);
        let rate_rps = *rates.get(rates.len() / 2)?;
        let high_rps = rates[rates.len() - 1];
        let bounded = high_rps >= self.spec.max_rps;
        (rate_rps > 0.0).then_some(Found { rate_rps, low_rps: rates[0], high_rps, bounded })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPEC: SearchSpec =
        SearchSpec { start_rps: 1_000.0, max_rps: 1e6, precision: 1.05, repeats: 1 };

    /// Searches with an oracle; returns what was found and how many runs it took.
    fn search(spec: SearchSpec, mut met: impl FnMut(f64) -> bool) -> (Option<Found>, u32) {
        let mut search = Search::new(spec);
        let mut runs = 0;
        while let Some(rate_rps) = search.next_rps() {
            assert!(rate_rps <= spec.max_rps && rate_rps >= RATE_MIN_RPS, "{rate_rps}");
            search.tried(met(rate_rps));
            runs += 1;
            assert!(runs < 1_000, "no end");
        }
        (search.found(), runs)
    }

    #[test]
    fn reads_objectives() {
        let objective: Objective = "get:p99.9:100us".parse().unwrap();
        assert_eq!(objective.quantile, 0.999);
        assert_eq!((objective.class.as_str(), objective.limit_ns), ("get", 100_000));
        for text in ["get", "get:99:1us", "get:p100:1us", ":p99:1us", "get:p99:1us:x", "a:pp:1us"] {
            assert!(text.parse::<Objective>().unwrap_err().to_string().contains(text), "{text}");
        }
        assert_eq!((objective.percent(), objective.quantile), (99.9, 0.999));
        let odd: Objective = "get:p29:1us".parse().unwrap();
        assert_eq!(odd.percent(), 29.0, "0.29 * 100 is not quite 29");
        assert!("get:p99:10".parse::<Objective>().unwrap_err().to_string().contains("`10`"));
    }

    #[test]
    fn a_server_without_a_limit_ends_at_the_bound() {
        let (found, _) = search(SPEC, |_| true);
        assert!(found.is_some_and(|found| found.bounded && found.rate_rps == 1e6), "{found:?}");
    }

    #[test]
    fn a_hopeless_objective_is_found_nowhere() {
        assert_eq!(search(SPEC, |_| false).0, None);
    }

    #[test]
    fn one_stall_does_not_decide() {
        let mut runs = 0;
        let (found, _) = search(SPEC, |rate_rps| {
            runs += 1;
            // The third run, well below the limit, meets a stall.
            runs != 3 && rate_rps <= 50_000.0
        });
        let rate_rps = found.unwrap().rate_rps;
        assert!((47_000.0..=50_000.0).contains(&rate_rps), "{rate_rps}");
    }

    #[test]
    fn a_contradiction_is_settled_by_a_third_run() {
        for third in [true, false] {
            let mut search = Search::new(SPEC);
            search.tried(false);
            assert_eq!(search.next_rps(), Some(1_000.0), "a failure is made sure of");
            search.tried(true);
            assert_eq!(search.next_rps(), Some(1_000.0), "one of each says nothing");
            search.tried(third);
            let next_rps = search.next_rps().unwrap();
            assert_eq!(next_rps > 1_000.0, third, "{next_rps}");
        }
    }

    #[test]
    fn repeats_give_a_median_and_its_spread() {
        let spec = SearchSpec { repeats: 3, ..SPEC };
        let mut search = Search::new(spec);
        let limits = [40_000.0, 80_000.0, 60_000.0];
        while let Some(rate_rps) = search.next_rps() {
            search.tried(rate_rps <= limits[search.repeat() as usize]);
        }
        let found = search.found().unwrap();
        for (got, limit) in
            [(found.low_rps, limits[0]), (found.rate_rps, limits[2]), (found.high_rps, limits[1])]
        {
            assert!(got <= limit && got > limit / 1.06, "{got} for {limit}");
        }
    }

    proptest! {
        #[test]
        fn finds_the_limit_to_its_precision(limit_rps in 20.0..9e5f64, start_rps in 10.0..1e6f64) {
            let spec = SearchSpec { start_rps, ..SPEC };
            let (found, runs) = search(spec, |rate_rps| rate_rps <= limit_rps);
            let rate_rps = found.unwrap().rate_rps;
            prop_assert!(rate_rps <= limit_rps && rate_rps * 1.0501 > limit_rps, "{rate_rps}");
            prop_assert!(runs < 60, "{runs} runs");
        }
    }
}
