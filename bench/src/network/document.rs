//! The results of a comparison as data.

use revenant_loadgen::machine::Machine;
use revenant_loadgen::quantity::time_or_none;
use revenant_loadgen::report::row::{Percentile, RunRow, is_infinite};
use revenant_loadgen::{ALL, Found, Objective};
use serde::{Deserialize, Serialize};

use super::Contender;

/// Format of the document; a change that readers notice makes another.
pub const FORMAT: u32 = 1;

/// Everything about one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The format.
    pub format: u32,
    /// The command line.
    pub command: String,
    /// False when it was interrupted: entries then have the runs made so far.
    pub complete: bool,
    /// The machine it was measured on.
    pub machine: Machine,
    /// What was asked.
    pub contest: Contest,
    /// Who answered, and how.
    pub entries: Vec<Entry>,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    /// In a sentence.
    pub about: String,
    /// What a rate was searched for that meets it; `None` of other questions.
    pub objective: Option<Objective>,
    /// CPU of the generator.
    pub generator_cpu: u32,
    /// CPUs of the servers.
    pub server_cpus: String,
    /// Runs of each contender, or searches.
    pub seeds: u64,
}

/// One contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub contender: String,
    /// Its runs.
    pub runs: Vec<RunRow>,
    /// What a search found.
    pub found: Option<Found>,
    #[serde(skip, default = "whoever")]
    pub(super) who: Contender,
}

/// A document that was read back is shown, not run.
fn whoever() -> Contender {
    Contender::Revenant
}

/// Medians over the runs of one contender.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Medians {
    pub(super) achieved_rps: Option<f64>,
    pub(super) cpus: Option<f64>,
    pub(super) cpu_us_per_request: Option<f64>,
    pub(super) lateness_p99_us: Option<f64>,
}

impl Entry {
    pub(super) fn new(who: Contender) -> Self {
        Self { contender: who.name().to_owned(), runs: Vec::new(), found: None, who }
    }

    pub(super) fn add(&mut self, run: RunRow) {
        self.runs.push(run);
    }

    /// The classes of its runs, `all` among them only if there is no other.
    pub(super) fn classes(&self) -> Vec<String> {
        let Some(run) = self.runs.first() else { return Vec::new() };
        let names: Vec<String> = run.classes.iter().map(|class| class.class.clone()).collect();
        if names.len() == 2 { names[..1].to_vec() } else { names[..names.len() - 1].to_vec() }
    }

    /// The median latency of a class at a percentile; infinite if those requests failed.
    #[must_use]
    pub fn latency_us(&self, class: &str, percent: f64) -> Option<f64> {
        self.percentile(class, percent, latency_of)
    }

    /// Requests of a class in the run that has fewest of them.
    pub(super) fn fewest_requests(&self, class: &str) -> u64 {
        let requests = self.runs.iter().filter_map(|run| Some(run.class(class)?.requests));
        requests.min().unwrap_or(0)
    }

    fn percentile(
        &self,
        class: &str,
        percent: f64,
        of: impl Fn(&Percentile) -> Option<f64>,
    ) -> Option<f64> {
        let values = self.runs.iter().filter_map(|run| {
            let percentiles = &run.class(class)?.percentiles;
            of(percentiles.iter().find(|known| known.percent == percent)?)
        });
        median(values.collect())
    }

    /// Requests that failed, of all runs.
    pub(super) fn failed(&self) -> u64 {
        let all = self.runs.iter().filter_map(|run| run.class(ALL));
        all.map(|class| class.counts.failed()).sum()
    }

    /// Runs that are not valid.
    pub(super) fn invalid(&self) -> usize {
        self.runs.iter().filter(|run| !run.valid).count()
    }

    pub(super) fn medians(&self) -> Medians {
        let of = |value: &dyn Fn(&RunRow) -> Option<f64>| {
            median(self.runs.iter().filter_map(value).collect())
        };
        Medians {
            achieved_rps: of(&|run| Some(run.class(ALL)?.achieved_rps)),
            cpus: of(&|run| run.server.as_ref()?.cpus),
            cpu_us_per_request: of(&|run| run.server.as_ref()?.cpu_us_per_request),
            lateness_p99_us: self.percentile(ALL, 99.0, |percentile| percentile.lateness_us),
        }
    }
}

/// The latency at a percentile, infinite if it is the one that failed requests count with.
pub(super) fn latency_of(percentile: &Percentile) -> Option<f64> {
    let latency_us = percentile.latency_us?;
    Some(if is_infinite(latency_us) { f64::INFINITY } else { latency_us })
}

/// A latency as people read it.
pub(super) fn latency(us: Option<f64>) -> String {
    if us == Some(f64::INFINITY) { "infinite".to_owned() } else { time_or_none(us) }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    match count {
        0 => None,
        _ if count % 2 == 1 => Some(values[count / 2]),
        _ => Some((values[count / 2 - 1] + values[count / 2]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::fixture;

    #[test]
    fn medians_of_even_and_odd_counts() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn failures_are_infinitely_slow_in_medians_too() {
        let mut entry = fixture::document().entries.remove(0);
        let at_p99 = entry.latency_us("get", 99.0).unwrap();
        assert!(at_p99 < 1e6, "{at_p99}");
        for run in &mut entry.runs {
            for percentile in &mut run.classes[0].percentiles {
                percentile.latency_us = Some(1e8);
            }
        }
        assert_eq!(entry.latency_us("get", 99.0), Some(f64::INFINITY));
        assert_eq!(latency(entry.latency_us("get", 99.0)), "infinite");
        entry.runs[0].classes[0].percentiles[3].latency_us = Some(10.0);
        entry.runs.truncate(2);
        assert_eq!(entry.latency_us("get", 99.0), Some(f64::INFINITY), "half of them failed");
    }
}
