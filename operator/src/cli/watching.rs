//! Commands that show what enclaves do.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value;

const TOP_EXAMPLES: &str = "\
Examples:
  sudo revenant top
  sudo revenant top --once --json | jq '.enclaves[].queued'

Keys: q ends, left and right choose the enclave whose outcomes and waits are shown.";

/// What to watch.
#[derive(Debug, Args)]
#[command(after_help = TOP_EXAMPLES)]
pub(crate) struct Top {
    /// Only this enclave.
    #[arg(long, value_name = "NAME")]
    pub(crate) enclave: Option<String>,

    /// Time between two looks, over which rates are taken.
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "1s")]
    pub(crate) interval: Duration,

    /// One look instead of a screen.
    #[arg(long)]
    pub(crate) once: bool,
}

const TRACE_EXAMPLES: &str = "\
Examples:
  sudo revenant trace --seconds 5 -o schedule.json
      then open schedule.json at https://ui.perfetto.dev
  sudo revenant trace -o - | gzip >schedule.json.gz

A track for each CPU of the enclaves and one for each agent. Ctrl-C ends the recording \
    early; what was recorded is written. Needs tracefs, of which an instance of our own is used; \
    other tracing is not disturbed.";

/// What to record.
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub(crate) struct Trace {
    /// Only the CPUs of this enclave.
    #[arg(long, value_name = "NAME")]
    pub(crate) enclave: Option<String>,

    /// How long.
    #[arg(long, value_name = "S", value_parser = value::seconds, default_value = "1")]
    pub(crate) seconds: Duration,

    /// Where the trace is written; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}
