//! All results of one experiment, with what they depend on.

use revenant_loadgen::Mix;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::row::Row;

/// Version of the document's layout; fields are only ever added within one.
pub const FORMAT: u32 = 1;

/// The JSON document. Everything a report shows comes from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Layout of this document: [`FORMAT`].
    pub format: u32,
    /// Command line that made it.
    pub command: String,
    /// Whether everything asked for was measured; false after an interrupt.
    pub complete: bool,
    /// Where it was measured.
    pub machine: Machine,
    /// What was asked for.
    pub workload: Workload,
    /// Systems that were asked for and could not run here.
    pub skipped: Vec<Skipped>,
    /// The results.
    pub rows: Vec<Row>,
}

/// What all systems were asked to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name, or the mix as written.
    pub name: String,
    /// Its classes, the shortest first in every published one.
    pub classes: Vec<WorkloadClass>,
    /// Requests a second at load 1.
    pub capacity_rps: f64,
    /// Worker CPUs.
    pub workers: u32,
    /// Measured length of a run.
    pub seconds: f64,
    /// Seeds, a run each.
    pub seeds: Vec<u64>,
    /// Other choices that bear on the results, as `name=value`.
    pub options: Vec<String>,
}

/// One class of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkloadClass {
    /// Its name.
    pub name: String,
    /// Part of all requests, 0 to 1.
    pub share: f64,
    /// Mean service time.
    pub mean_us: f64,
}

/// A system that did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub system: String,
    /// Why, and what would let it run.
    pub reason: String,
}

impl Workload {
    /// The workload of a mix on so many workers; the rest is for the caller to fill in.
    #[must_use]
    pub fn of_mix(name: &str, mix: &Mix, workers: u32) -> Self {
        let classes = mix.classes().iter().map(|class| WorkloadClass {
            name: class.name.clone(),
            share: class.share,
            mean_us: class.service.mean_ns() / 1e3,
        });
        Self {
            name: name.to_owned(),
            classes: classes.collect(),
            capacity_rps: mix.capacity_rps(workers as usize),
            workers,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn json_gives_back_what_was_written() {
        let document = fixture::document();
        let json = serde_json::to_string_pretty(&document).unwrap();
        assert!(serde_json::from_str::<Document>(&json).unwrap() == document, "{json:.2000}");
    }

    #[test]
    fn rows_have_the_promised_fields() {
        let json = serde_json::to_value(fixture::document()).unwrap();
        let row = &json["rows"][0];
        for field in ["system", "class"] {
            assert!(row[field].is_string(), "{field}");
        }
        let numbers = [
            "load",
            "offered_rps",
            "achieved_rps",
            "p50_us",
            "p99_us",
            "p999_us",
            "max_us",
            "p99_clean_us",
            "p999_clean_us",
            "stalled_share",
        ];
        for field in numbers {
            assert!(row[field].is_number(), "{field}");
        }
    }

    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../docs/results.md");
        let json = serde_json::to_value(fixture::document()).unwrap();
        let parts = [
            &json,
            &json["machine"],
            &json["workload"],
            &json["workload"]["classes"][0],
            &json["skipped"][0],
            &json["rows"][0],
        ];
        for part in parts {
            for field in part.as_object().expect("an object").keys() {
                assert!(page.contains(&format!("`{field}`")), "docs/results.md lacks `{field}`");
            }
        }
    }

    #[test]
    fn a_mix_becomes_a_workload() {
        let mix = Mix::parse("get=99.5:10us,scan=0.5:10ms").unwrap();
        let workload = Workload::of_mix("mine", &mix, 2);
        assert_eq!(workload.classes[1].name, "scan");
        assert_eq!(workload.classes[1].mean_us, 10_000.0);
        assert!((workload.capacity_rps - 33_361.13).abs() < 0.01);
    }
}
