//! Traffic for a server: classes with their shares, and what a request of each asks for.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::mix::{Mix, MixError};
use crate::operation::{Operation, OperationError};
use crate::preset::{PRESETS, Preset, Work};
use crate::service::ServiceTime;

/// Classes by their shares, each with its operation. As text it is what it was read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Traffic {
    text: String,
    mix: Mix,
    operations: Vec<Operation>,
}

/// What is wrong with traffic.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TrafficError {
    /// A piece is not of the right shape.
    #[error(
        "traffic piece `{piece}`: write NAME=SHARE:OPERATION, as in get=99.5:GET,scan=0.5:RANGE 5000"
    )]
    Shape {
        /// The piece at fault.
        piece: String,
    },
    /// An operation cannot be read.
    #[error("traffic piece `{piece}`: {source}")]
    Operation {
        /// The piece at fault.
        piece: String,
        /// What is wrong with its operation.
        source: OperationError,
    },
    /// The classes do not make a mix.
    #[error(transparent)]
    Mix(#[from] MixError),
    /// No preset has this name.
    #[error("unknown preset `{name}`: choose one of {}", preset_names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
}

/// Traffic for stores, by name: (name, what it is, the classes).
const STORE_PRESETS: &[(&str, &str, &str)] = &[
    ("get", "single keys read", "get=100:GET"),
    ("get-set", "95 % reads, 5 % writes of single keys (YCSB's B)", "get=95:GET,set=5:SET"),
    (
        "usr",
        "Facebook's USR pool: 99.8 % reads, 0.2 % writes of single keys",
        "get=99.8:GET,set=0.2:SET",
    ),
    (
        "get-scan",
        "99.5 % reads of a key, 0.5 % of 5000 keys in order: the dispersive mix on a store",
        "get=99.5:GET,scan=0.5:RANGE 5000",
    ),
    (
        "get-scan-redis",
        "the same with SCAN 0 COUNT 5000, for servers that have no RANGE",
        "get=99.5:GET,scan=0.5:SCAN 5000",
    ),
    (
        "get-search",
        "99.5 % reads of a key, 0.5 % searches of 100k keys for a pattern: long, with short replies",
        "get=99.5:GET,search=0.5:SCAN 0 MATCH *7777 COUNT 100000",
    ),
    ("get-scan-50-50", "half reads, half ranges of 1000 keys", "get=50:GET,scan=50:RANGE 1000"),
];

/// Names of all presets, those for stores first.
#[must_use]
pub fn preset_names() -> Vec<&'static str> {
    presets().map(|(name, _)| name).collect()
}

/// Names and descriptions of all presets, those for stores first; the others spin.
pub fn presets() -> impl Iterator<Item = (&'static str, &'static str)> {
    let store = STORE_PRESETS.iter().map(|(name, about, _)| (*name, *about));
    store.chain(spin_presets().map(|preset| (preset.name, preset.about)))
}

fn spin_presets() -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().filter(|preset| preset.work == Work::Spin)
}

impl Traffic {
    /// Reads `NAME=SHARE:OPERATION` pieces, separated by commas.
    ///
    /// # Errors
    /// Names the piece at fault.
    pub fn parse(text: &str) -> Result<Self, TrafficError> {
        if text.trim().is_empty() {
            return Err(MixError::Empty.into());
        }
        let mut classes = Vec::new();
        let mut operations = Vec::new();
        for piece in text.split(',').map(str::trim) {
            let shape = || TrafficError::Shape { piece: piece.to_owned() };
            let (name, body) = piece.split_once('=').ok_or_else(shape)?;
            let (percent, operation) = body.split_once(':').ok_or_else(shape)?;
            let percent = percent.trim().trim_end_matches('%').parse().map_err(|_| shape())?;
            if name.trim().is_empty() || name.trim() == ALL {
                return Err(shape());
            }
            let operation: Operation = operation
                .parse()
                .map_err(|source| TrafficError::Operation { piece: piece.to_owned(), source })?;
            // What a store does takes as long as it takes: planned as the shortest there is.
            let service = ServiceTime::Fixed { service_ns: operation.service_ns().unwrap_or(1) };
            classes.push((name.trim(), percent, service));
            operations.push(operation);
        }
        Ok(Self { text: text.to_owned(), mix: Mix::new(classes)?, operations })
    }

    /// The traffic of a preset.
    ///
    /// # Errors
    /// Lists the names there are.
    pub fn preset(name: &str) -> Result<Self, TrafficError> {
        if let Some((.., text)) = STORE_PRESETS.iter().find(|(known, ..)| *known == name) {
            return Self::parse(text);
        }
        let Some(preset) = spin_presets().find(|preset| preset.name == name) else {
            return Err(TrafficError::Unknown { name: name.to_owned() });
        };
        let mix = preset.mix();
        let pieces = mix.classes().iter().map(|class| {
            let percent = (class.share * 1e8).round() / 1e6;
            format!("{}={percent}:SPIN {}ns", class.name, class.service.mean_ns())
        });
        Self::parse(&pieces.collect::<Vec<_>>().join(","))
    }

    /// Classes and shares. Service times are those of spins; others are planned as 1 ns.
    #[must_use]
    pub fn mix(&self) -> &Mix {
        &self.mix
    }

    /// The operation of each class, in the order of the mix.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The class of a name.
    #[must_use]
    pub fn class_named(&self, name: &str) -> Option<usize> {
        self.mix.classes().iter().position(|class| class.name == name)
    }

    /// Whether any class names keys that a store should have.
    #[must_use]
    pub fn reads_keys(&self) -> bool {
        let reads = |operation: &Operation| {
            matches!(operation, Operation::Get | Operation::Range { .. } | Operation::Scan { .. })
        };
        self.operations.iter().any(reads)
    }
}

/// The name that all classes together have in tables; no class may take it.
pub const ALL: &str = "all";

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Traffic> for String {
    fn from(traffic: Traffic) -> Self {
        traffic.text
    }
}

impl TryFrom<String> for Traffic {
    type Error = TrafficError;

    fn try_from(text: String) -> Result<Self, TrafficError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_preset_is_traffic_that_reads_back() {
        for name in preset_names() {
            let traffic = Traffic::preset(name).unwrap();
            assert_eq!(Traffic::parse(&traffic.to_string()).unwrap(), traffic, "{name}");
        }
        assert!(preset_names().contains(&"ghost-dispersive"));
    }

    #[test]
    fn spin_presets_keep_shares_and_times() {
        for preset in spin_presets() {
            let (mix, traffic) = (preset.mix(), Traffic::preset(preset.name).unwrap());
            assert!((mix.mean_ns() / traffic.mix().mean_ns() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn classes_have_operations() {
        let traffic = Traffic::parse("a = 60% : GET, b=40:SPIN 1ms").unwrap();
        assert_eq!(
            traffic.operations(),
            [Operation::Get, Operation::Spin { service_ns: 1_000_000 }]
        );
        assert_eq!((traffic.class_named("b"), traffic.class_named("c")), (Some(1), None));
        assert!(traffic.reads_keys() && !Traffic::preset("tpcc").unwrap().reads_keys());
    }

    #[test]
    fn names_the_piece_at_fault() {
        let faults = [
            ("get=99.5:GET,0.5:RANGE 10", "`0.5:RANGE 10`"),
            ("all=100:GET", "`all=100:GET`"),
            ("get=x:GET", "`get=x:GET`"),
            ("get=100:RANGE x", "`RANGE x`"),
            ("get=90:GET", "add up to 90"),
            (" ", "empty mix"),
        ];
        for (text, named) in faults {
            let error = Traffic::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        let error = Traffic::preset("kv").unwrap_err().to_string();
        assert!(error.contains("`kv`") && error.contains("get-scan"), "{error}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[a-zA-Z0-9.:,=% {}-]{0,60}") {
            if let Ok(traffic) = Traffic::parse(&text) {
                prop_assert_eq!(traffic.operations().len(), traffic.mix().classes().len());
            }
        }
    }
}
