//! The workloads the field measures with, by name, as their sources define them.

use thiserror::Error;

use crate::mix::Mix;
use crate::service::ServiceTime;

/// What a request does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A calibrated loop of the planned length ([`crate::Calibration`]).
    Spin,
    /// Lookups and scans in an ordered map ([`crate::Store`]). The preset's service times are
    /// nominal: [`crate::StoreCost::mix`] has those of this machine.
    Kv,
}

/// A named workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is and where it comes from.
    pub about: &'static str,
    /// What its requests do.
    pub work: Work,
    /// (name, percentage, fixed service time in ns); short classes first.
    classes: &'static [(&'static str, f64, u64)],
}

/// All presets, the project's main workload first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "ghost-dispersive",
        // The paper spins 4 us and does an in-memory RocksDB GET of about 6 us on top: 10 us.
        about: "ghOSt's dispersive load in its 10 us / 10 ms form (4 us + a ~6 us RocksDB GET)",
        work: Work::Spin,
        classes: &[("short", 99.5, 10_000), ("long", 0.5, 10_000_000)],
    },
    Preset {
        name: "ghost-script",
        about: "ghOSt's published experiment script: GET 10 us, RANGE 5 ms at 0.5 %",
        work: Work::Spin,
        classes: &[("get", 99.5, 10_000), ("range", 0.5, 5_000_000)],
    },
    Preset {
        name: "extreme-bimodal",
        about: "Persephone's SBIM2: 99.5 % of 0.5 us, 0.5 % of 500 us",
        work: Work::Spin,
        classes: &[("short", 99.5, 500), ("long", 0.5, 500_000)],
    },
    Preset {
        name: "high-bimodal",
        about: "Persephone's DISP2: half 1 us, half 100 us",
        work: Work::Spin,
        classes: &[("short", 50.0, 1_000), ("long", 50.0, 100_000)],
    },
    Preset {
        name: "tpcc",
        about: "Persephone's TPC-C: five transactions of 5.7 to 100 us",
        work: Work::Spin,
        classes: &[
            ("payment", 44.0, 5_700),
            ("order-status", 4.0, 6_000),
            ("new-order", 44.0, 20_000),
            ("delivery", 4.0, 88_000),
            ("stock-level", 4.0, 100_000),
        ],
    },
    Preset {
        name: "rocksdb-50-50",
        about: "Persephone's RocksDB: half GET of 1.5 us, half SCAN of 635 us",
        work: Work::Spin,
        classes: &[("get", 50.0, 1_500), ("scan", 50.0, 635_000)],
    },
    Preset {
        name: "kv",
        about: "real work: GET and ~5 ms SCAN at 99.5 : 0.5 on an ordered map of 100k keys",
        work: Work::Kv,
        classes: &[("get", 99.5, 1_000), ("scan", 0.5, 5_000_000)],
    },
];

/// No preset has this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown workload `{name}`: choose one of {}", names())]
pub struct UnknownPreset {
    /// The name asked for.
    pub name: String,
}

impl Preset {
    /// The preset of a name.
    ///
    /// # Errors
    /// Lists the names there are.
    pub fn named(name: &str) -> Result<&'static Self, UnknownPreset> {
        PRESETS
            .iter()
            .find(|preset| preset.name == name)
            .ok_or_else(|| UnknownPreset { name: name.to_owned() })
    }

    /// Its classes.
    #[must_use]
    pub fn mix(&self) -> Mix {
        let classes = self
            .classes
            .iter()
            .map(|&(name, percent, service_ns)| (name, percent, ServiceTime::Fixed { service_ns }));
        Mix::new(classes).expect("presets are well-formed: a test builds each")
    }
}

fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_those_of_the_definitions() {
        // Requests a second of one CPU, worked out by hand from the published definitions.
        let expected = [
            ("ghost-dispersive", 16_680.57),
            ("ghost-script", 28_612.30),
            ("extreme-bimodal", 333_611.34),
            ("high-bimodal", 19_801.98),
            ("tpcc", 52_443.89),
            ("rocksdb-50-50", 3_142.18),
            ("kv", 38_468.94),
        ];
        assert_eq!(expected.len(), PRESETS.len());
        for (name, capacity_rps) in expected {
            let mix = Preset::named(name).unwrap().mix();
            let got_rps = mix.capacity_rps(1);
            assert!((got_rps / capacity_rps - 1.0).abs() < 1e-5, "{name}: {got_rps}");
        }
    }

    #[test]
    fn first_class_is_short_and_the_last_is_long() {
        for preset in PRESETS {
            let mix = preset.mix();
            assert!(!mix.classes()[0].long, "{}", preset.name);
            assert!(mix.classes().last().unwrap().long, "{}", preset.name);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let error = Preset::named("tpch").unwrap_err().to_string();
        assert!(error.contains("`tpch`") && error.contains("tpcc, rocksdb-50-50, kv"), "{error}");
    }
}
