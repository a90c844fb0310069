//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use revenant_bench::workload::WorkloadChoice;
use revenant_loadgen::Arrivals;

/// Most runs a comparison keeps in memory, and more than anyone has the patience for.
const SEEDS_MAX: u64 = 1_000;
/// Longest run: an hour.
const SECONDS_MAX: f64 = 3_600.0;
/// Highest load: beyond it queues only grow, and every system looks the same.
const LOAD_MAX: f64 = 1.5;

/// Revenant's policies beside the kernel's own scheduler: the same requests, the same CPUs.
#[derive(Debug, Parser)]
#[command(name = "revenant-bench", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workload on several systems in turn and compare their tail latency.
    Compare(Compare),
    /// Name the workloads and systems there are.
    List,
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  revenant-bench compare
      every system, five loads, five seeds: minutes; the table tells the rest
  revenant-bench compare --load 0.7 --systems eevdf,fifo-pool --seeds 3
      one load, two systems: seconds
  revenant-bench compare --workload kv --json kv.json --html kv.html
      real lookups and scans; results for machines and for people
  revenant-bench compare --workload get=99:5us,scan=1:2ms --arrivals on-off:1ms/9ms
      a mix of your own, in bursts

Latency counts from the intended time of sending. Needs two CPUs: the first this process may use
sends the requests, the others do them. Stop with Ctrl-C at any time: what was measured is shown.";

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct Compare {
    /// Workload by name (see `list`), or a mix as SHARE:TIME pieces: 99.5:10us,0.5:10ms.
    #[arg(long, value_name = "NAME|MIX", default_value = "ghost-dispersive")]
    pub(crate) workload: WorkloadChoice,

    /// Offered work over what the workers can do, each above 0 and at most 1.5.
    #[arg(
        long, value_name = "LOADS", value_delimiter = ',', value_parser = load,
        default_value = "0.2,0.5,0.7,0.8,0.9"
    )]
    pub(crate) load: Vec<f64>,

    /// Systems by name (see `list`); all of them if left out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) systems: Vec<String>,

    /// Measured length of a run; a tenth more runs before it as warm-up.
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "1")]
    pub(crate) seconds: f64,

    /// Runs of each system and load, each with its own arrivals; rows show their median.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX), default_value = "5")]
    pub(crate) seeds: u64,

    /// How requests arrive: poisson, constant or on-off:ON/OFF.
    #[arg(long, value_name = "HOW", default_value = "poisson")]
    pub(crate) arrivals: Arrivals,

    /// Add CPU-bound batch work that competes for the workers' idle time.
    #[arg(long)]
    pub(crate) batch: bool,

    /// Requests without safepoints, as code that knows nothing of its scheduler: preempting them
    /// takes a signal. Changes nothing for systems that never ask.
    #[arg(long)]
    pub(crate) no_safepoints: bool,

    /// Worker CPUs at most; all but the generator's if left out.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,

    /// How often a run is repeated in which stalls of the machine hit over 2 % of the requests;
    /// if that does not help, its row is marked.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100), default_value = "3")]
    pub(crate) repeats: u32,

    /// Write the results as a JSON document (docs/results.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write a report with latency-load curves: one file, opens in any browser.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Reads the command line. On help and on bad input, the text to print and the exit code.
pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Cli, (String, u8)> {
    Cli::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() || error.exit_code() == 0 {
            return (text, 0);
        }
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return (text, BAD_INPUT);
        }
        // clap explains itself over several paragraphs; the first says what is wrong.
        let first: Vec<&str> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        (format!("{}; --help shows what there is\n", first.join(" ")), BAD_INPUT)
    })
}

/// Exit code of bad input: nothing was run.
pub(crate) const BAD_INPUT: u8 = 2;

fn load(text: &str) -> Result<f64, String> {
    let load = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if load > 0.0 && load <= LOAD_MAX {
        return Ok(load);
    }
    Err(format!("give loads above 0 and at most {LOAD_MAX}, as in 0.5,0.9 (1 keeps workers busy)"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if (0.01..=SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    Err(format!("give a number of seconds from 0.01 to {SECONDS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Cli, (String, u8)> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_input_is_one_line() {
        let lines = [
            ("revenant-bench compare --load 0", "above 0"),
            ("revenant-bench compare --load 0.5,1.6", "at most 1.5"),
            ("revenant-bench compare --workload kvv", "ghost-dispersive"),
            ("revenant-bench compare --seeds 0", "--seeds"),
            ("revenant-bench compare --seconds -1", "seconds"),
            ("revenant-bench compare --arrivals often", "poisson"),
            ("revenant-bench compare --sytems eevdf", "--sytems"),
            ("revenant-bench compar", "compar"),
        ];
        for (line, expected) in lines {
            let (text, code) = read_line(line).unwrap_err();
            assert_eq!((text.lines().count(), code), (1, BAD_INPUT), "{line}: {text}");
            assert!(text.contains(expected), "{line}: {text}");
        }
    }

    #[test]
    fn help_is_no_error() {
        let (text, code) = read_line("revenant-bench compare --help").unwrap_err();
        assert!(code == 0 && text.contains("Examples:"), "{text}");
    }
}
