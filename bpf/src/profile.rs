//! What each program of the loaded scheduler takes, as the kernel counts it on demand.

use std::{fs, io};

use libbpf_rs::query::ProgInfoIter;

/// Names of all our programs begin so.
const PREFIX: &str = "rv_";

/// The kernel counts while this says 1.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// One program, since it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    /// Its name, which the kernel cuts to 15 bytes.
    pub name: String,
    /// How often it ran while the kernel counted.
    pub runs: u64,
    /// How long, together.
    pub time_ns: u64,
}

/// Has the kernel count, or not. Counting costs each program some 100 instructions a run.
///
/// # Errors
/// The system's: it takes root.
pub fn count_programs(is_on: bool) -> io::Result<()> {
    fs::write(SWITCH, if is_on { "1" } else { "0" })
}

/// The loaded scheduler's programs.
pub fn programs() -> Vec<ProgramCost> {
    let all = ProgInfoIter::default().map(|program| ProgramCost {
        name: program.name.to_string_lossy().into_owned(),
        runs: program.run_cnt,
        time_ns: program.run_time_ns,
    });
    all.filter(|program| program.name.starts_with(PREFIX)).collect()
}
