//! All results of one experiment, with what they depend on.

use serde::{Deserialize, Serialize};

use super::row::RunRow;
use crate::job::{Job, Pace};
use crate::machine::Machine;
use crate::quantity::{amount, time};
use crate::search::{Found, Objective};

/// Version of the document's layout; fields are only ever added within one.
pub const FORMAT: u32 = 1;

/// The JSON document. Everything a table or report shows comes from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Layout of this document: [`FORMAT`].
    pub format: u32,
    /// Command line that made it.
    pub command: String,
    /// Whether everything asked for was measured; false after an interrupt.
    pub complete: bool,
    /// Where the generator ran.
    pub machine: Machine,
    /// What was asked for.
    pub load: Load,
    /// The runs, in the order they were made.
    pub runs: Vec<RunRow>,
    /// What a search found.
    pub search: Option<SearchRow>,
}

/// What the server was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The server.
    pub target: String,
    /// `resp` or `native`.
    pub protocol: String,
    /// `open` or `closed`: whether requests waited for replies before they were sent.
    #[serde(rename = "loop")]
    pub kind: String,
    /// How requests arrived; of a closed loop, how many were under way on each connection.
    pub arrivals: String,
    /// Connections, of all generators together.
    pub connections: u32,
    /// CPU that the generator was kept on.
    pub generator_cpu: Option<u32>,
    /// Machines that generated the load; none if this one did.
    pub agents: Vec<String>,
    /// Classes of requests.
    pub classes: Vec<LoadClass>,
    /// Number of keys.
    pub keys: u64,
    /// How often each was asked for.
    pub key_distribution: String,
    /// Shortest and longest value.
    pub value_bytes: [u32; 2],
    /// Length of the part that did not count.
    pub warmup_s: f64,
    /// Length of the part that did.
    pub seconds: f64,
}

/// A class of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadClass {
    /// Its name.
    pub name: String,
    /// Part of all requests, 0 to 1.
    pub share: f64,
    /// What a request asks for.
    pub operation: String,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRow {
    /// What it looked for.
    pub objective: Objective,
    /// The highest load that met it; `None` if none did.
    pub found: Option<Found>,
    /// Runs that were INVALID by the generator's fault alone; each was repeated, up to a bound.
    pub spoiled_runs: u32,
}

impl Load {
    /// Of a job; who generates it is for the caller to fill in.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let arrivals = match job.pace {
            Pace::Open { arrivals, .. } => arrivals.to_string(),
            Pace::Trace => "trace".to_owned(),
            Pace::Closed { depth } => format!("{depth} under way on each connection"),
        };
        let operations = job.traffic.operations().iter();
        let classes =
            operations.zip(job.traffic.mix().classes()).map(|(operation, class)| LoadClass {
                name: class.name.clone(),
                share: class.share,
                operation: operation.to_string(),
            });
        Self {
            target: job.target.clone(),
            protocol: job.protocol.to_string(),
            kind: if job.pace.is_closed() { "closed" } else { "open" }.to_owned(),
            arrivals,
            connections: job.connections,
            generator_cpu: None,
            agents: Vec::new(),
            classes: classes.collect(),
            keys: job.keys.count,
            key_distribution: job.keys.distribution.to_string(),
            value_bytes: [job.values.min, job.values.max],
            warmup_s: job.warmup_ns as f64 / 1e9,
            seconds: job.duration_ns as f64 / 1e9,
        }
    }
}

impl Document {
    /// Whether a run was valid that has to be: all of them, but in a search only those count that
    /// it believed, and it repeats those it does not.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match &self.search {
            Some(search) => search.found.is_some(),
            None => !self.runs.is_empty() && self.runs.iter().all(|run| run.valid),
        }
    }
}

/// What a search found, in a sentence.
#[must_use]
pub fn found_in_words(search: &SearchRow) -> String {
    let Objective { class, limit_ns, .. } = &search.objective;
    let percent = search.objective.percent();
    let objective = format!("{class} p{percent} <= {}", time(*limit_ns as f64 / 1e3));
    let spoiled = match search.spoiled_runs {
        0 => String::new(),
        count => format!("; the generator spoiled {count} runs: give it a CPU of its own"),
    };
    let found = match &search.found {
        None => format!("no load meets {objective}"),
        Some(found) => format!(
            "highest load that meets {objective}: {} requests/s{} (searches found {} to {})",
            amount(found.rate_rps),
            if found.bounded { " or more; raise --rate-max" } else { "" },
            amount(found.low_rps),
            amount(found.high_rps)
        ),
    };
    found + &spoiled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn json_gives_back_what_was_written() {
        let document = fixture::document();
        let json = serde_json::to_string_pretty(&document).unwrap();
        assert!(serde_json::from_str::<Document>(&json).unwrap() == document, "{json:.2000}");
    }

    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../../docs/loadgen.md");
        let json = serde_json::to_value(fixture::document()).unwrap();
        let run = &json["runs"][0];
        let parts = [
            &json,
            &json["load"],
            &json["load"]["classes"][0],
            run,
            &run["checks"][0],
            &run["classes"][0],
            &run["classes"][0]["counts"],
            &run["classes"][0]["percentiles"][0],
            &run["server"],
            &json["search"],
            &json["search"]["objective"],
            &json["search"]["found"],
        ];
        for part in parts {
            for field in part.as_object().expect("an object").keys() {
                assert!(page.contains(&format!("`{field}`")), "docs/loadgen.md lacks `{field}`");
            }
        }
    }

    #[test]
    fn one_invalid_run_spoils_a_document_but_not_a_search() {
        let mut document = fixture::document();
        document.runs[0].valid = false;
        assert!(document.is_valid(), "the search found a load");
        document.search = None;
        assert!(!document.is_valid());
        document.runs.clear();
        assert!(!document.is_valid(), "nothing was measured");
    }

    #[test]
    fn a_search_is_told_in_a_sentence() {
        let mut search = fixture::document().search.unwrap();
        assert_eq!(
            found_in_words(&search),
            "highest load that meets get p99 <= 100us: 20.0k requests/s (searches found 19.0k to \
             21.0k)"
        );
        search.found = None;
        search.spoiled_runs = 2;
        assert_eq!(
            found_in_words(&search),
            "no load meets get p99 <= 100us; the generator spoiled 2 runs: give it a CPU of its own"
        );
    }
}
