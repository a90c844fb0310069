//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use revenant_loadgen::{
    Arrivals, ClassField, KeyDistribution, Objective, Protocol, ValueSize, parse_duration_ns,
};

const EXAMPLES: &str = "\
Examples:
  revenant-loadgen 127.0.0.1:6379 --rate 50k --load
      fills 100k keys, then reads them, 50 000 times a second for 10 s, from 16 connections
  revenant-loadgen 127.0.0.1:6379 --preset get-scan --sweep 10k:100k:10k --html curve.html
      a table and a curve of latency over load: 99.5 % GET, 0.5 % ranges of 5000 keys
  revenant-loadgen 127.0.0.1:6379 --preset ghost-dispersive --slo short:p99:200us
      the highest load at which 99 % of the short requests take at most 200 us (needs SPIN)
  revenant-loadgen 127.0.0.1:6379 --mix 'get=90:GET,push=10:LPUSH q {value}' --rate 5k --json r.json
      any command by shares; {key} and {value} are put in; results for machines
  revenant-loadgen unix:/run/kv.sock --protocol native --rate 20k --cpu 1 --hgrm out/
      over a Unix socket, generator on a CPU of its own, distributions for HdrHistogram plotters
  revenant-loadgen 10.0.0.5:6379 --allow-remote --agents 10.0.0.2:7070,10.0.0.3:7070 --rate 800k
      from two machines that run `revenant-loadgen agent`, started together, results merged

Open loop: requests are sent at times written down before the run, whether or not the server keeps
up, and latency counts from those times. A run whose sends were not what was asked for is INVALID,
and says why. Operations of --mix: GET, SET, RANGE n, SCAN n, SPIN time, or any other command.

Exit codes: 0 results are valid, 3 they are INVALID or no load met the objective, 2 bad input,
1 something broke, 130 interrupted (what was measured is shown).";

/// Open-loop load for servers that speak RESP2 or Revenant's native protocol.
#[derive(Debug, Parser)]
#[command(
    name = "revenant-loadgen", version, max_term_width = 100, arg_required_else_help = true,
    args_conflicts_with_subcommands = true, subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) drive: Drive,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Wait for a coordinator (--agents) and generate the load it asks for.
    Agent(Agent),
    /// Measure what a CPU keeps from a generator: the least lateness to be had there.
    Probe(Probe),
    /// Name the presets there are.
    List,
}

/// What to send where.
#[derive(Debug, Args)]
pub(crate) struct Drive {
    /// Server: HOST:PORT, udp://HOST:PORT (with --protocol native) or unix:PATH.
    #[arg(value_name = "ADDR", required = true)]
    pub(crate) target: Option<String>,

    /// What it speaks: resp or native.
    #[arg(long, value_name = "NAME", value_parser = protocol, default_value = "resp")]
    pub(crate) protocol: Protocol,

    #[command(flatten)]
    pub(crate) traffic: TrafficOptions,

    #[command(flatten)]
    pub(crate) pace: PaceOptions,

    #[command(flatten)]
    pub(crate) run: RunOptions,

    #[command(flatten)]
    pub(crate) observer: ObserverOptions,

    #[command(flatten)]
    pub(crate) results: ResultOptions,
}

/// What requests ask for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct TrafficOptions {
    /// Traffic by name; `list` shows all.
    #[arg(long, value_name = "NAME", default_value = "get", conflicts_with = "mix")]
    pub(crate) preset: String,

    /// Traffic of your own: NAME=SHARE:OPERATION pieces, separated by commas.
    #[arg(long, value_name = "MIX")]
    pub(crate) mix: Option<String>,

    /// Number of keys (100k, 2M).
    #[arg(long, value_name = "N", value_parser = count, default_value = "100k")]
    pub(crate) keys: u64,

    /// How often each key is asked for: uniform, zipf or zipf:EXPONENT.
    #[arg(long, value_name = "HOW", default_value = "uniform")]
    pub(crate) key_distribution: KeyDistribution,

    /// Bytes of a value: one number, or a range to draw from evenly.
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub(crate) value_size: ValueSize,

    /// Write every key once before the first run.
    #[arg(long)]
    pub(crate) load: bool,

    /// Native frames carry the number of their class in the traffic, from 1, instead of leaving
    /// the class to the server.
    #[arg(long)]
    pub(crate) carry_class: bool,
}

impl TrafficOptions {
    pub(crate) fn class_field(&self) -> ClassField {
        if self.carry_class { ClassField::Index } else { ClassField::Server }
    }
}

/// When requests are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rate")]
pub(crate) struct PaceOptions {
    /// Requests a second (50k); 1k if nothing else is asked for.
    #[arg(long, value_name = "R", value_parser = rate, group = "rates")]
    pub(crate) rate: Option<f64>,

    /// A run at each of several rates: FROM:TO:STEP.
    #[arg(long, value_name = "A:B:STEP", value_parser = sweep, group = "rates")]
    pub(crate) sweep: Option<Sweep>,

    /// Search the highest rate that meets an objective: CLASS:pNN:LIMIT (class `all`: every request).
    #[arg(long, value_name = "OBJECTIVE", group = "rates")]
    pub(crate) slo: Option<Objective>,

    /// Replay recorded times: a file of lines `TIME [CLASS]`.
    #[arg(long, value_name = "FILE", group = "rates", conflicts_with = "agents")]
    pub(crate) trace: Option<PathBuf>,

    /// Closed loop, for comparison: each request waits for the reply to the one before.
    #[arg(long, group = "rates")]
    pub(crate) closed: bool,

    /// Requests under way on each connection of a closed loop.
    #[arg(long, value_name = "N", requires = "closed", default_value = "1")]
    pub(crate) depth: u32,

    /// How requests arrive: poisson, constant, on-off:ON/OFF or mmpp:RATIO/BURST/CALM.
    #[arg(long, value_name = "HOW", default_value = "poisson", conflicts_with_all = ["trace", "closed"])]
    pub(crate) arrivals: Arrivals,

    /// Searches of --slo, each with its own seed; their median is the result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20), default_value = "3")]
    pub(crate) repeats: u32,

    /// First rate of --slo.
    #[arg(long, value_name = "R", value_parser = rate, default_value = "5k")]
    pub(crate) rate_start: f64,

    /// Highest rate of --slo.
    #[arg(long, value_name = "R", value_parser = rate, default_value = "500k")]
    pub(crate) rate_max: f64,
}

/// How a run is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunOptions {
    /// Connections; of each agent, with --agents.
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) connections: u32,

    /// Length of the part of a run that does not count.
    #[arg(long = "warmup", value_name = "TIME", value_parser = duration_or_none, default_value = "1s")]
    pub(crate) warmup_ns: u64,

    /// Length of the part that does.
    #[arg(long = "duration", value_name = "TIME", value_parser = parse_duration_ns, default_value = "10s")]
    pub(crate) duration_ns: u64,

    /// How long replies are waited for after that, over udp after each request; what has none by then
    /// counts as infinite.
    #[arg(long = "drain", value_name = "TIME", value_parser = duration_or_none, default_value = "2s")]
    pub(crate) drain_ns: u64,

    /// Seed of everything drawn.
    #[arg(long, value_name = "S", default_value = "1")]
    pub(crate) seed: u64,

    /// Keep the generator on this CPU; it keeps that busy.
    #[arg(long, value_name = "CPU", conflicts_with = "agents")]
    pub(crate) cpu: Option<u32>,

    /// Agents that generate the load together, in equal parts (see `agent`).
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) agents: Vec<String>,

    /// Let load leave this machine.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// Rates of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sweep(pub(crate) Vec<f64>);

/// What is read of the server meanwhile.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ObserverOptions {
    /// Process id of the server, for the CPU time it takes.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,

    /// Address of the server's metrics in Prometheus' format, for its counters.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<String>,
}

/// What becomes of the results, beside the table.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultOptions {
    /// Write them as a JSON document (docs/loadgen.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write them as lines for spreadsheets.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Write a report with curves: one file, opens in any browser.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Write the distribution of every run and class for HdrHistogram's plotters.
    #[arg(long, value_name = "DIR")]
    pub(crate) hgrm: Option<PathBuf>,

    /// Show a line a second about the run under way, also where stderr is no terminal.
    #[arg(long)]
    pub(crate) progress: bool,
}

/// How an agent waits.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// Where to wait for a coordinator. Whoever reaches this can make the agent send load.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    pub(crate) listen: String,

    /// Keep the generator on this CPU.
    #[arg(long, value_name = "CPU")]
    pub(crate) cpu: Option<u32>,

    /// Let load leave this machine.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// Which CPU to watch.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// The CPU to watch; it is kept busy, and should have nothing else to do.
    #[arg(long, value_name = "CPU", default_value_t = 0)]
    pub(crate) cpu: u32,

    /// How long.
    #[arg(
        long = "duration", value_name = "TIME", value_parser = parse_duration_ns,
        default_value = "5s"
    )]
    pub(crate) duration_ns: u64,

    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "resp" => Ok(Protocol::Resp),
        "native" => Ok(Protocol::Native),
        _ => Err("give resp or native".to_owned()),
    }
}

/// A number with k, M or nothing behind it.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
    };
    Some(digits.parse::<f64>().ok().filter(|number| number.is_finite())? * unit)
}

fn count(text: &str) -> Result<u64, String> {
    let whole = number(text).filter(|number| *number >= 0.0 && number.fract() == 0.0);
    whole.map(|number| number as u64).ok_or_else(|| "give a whole number, as in 100k".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let positive = number(text).filter(|rate_rps| *rate_rps > 0.0);
    positive.ok_or_else(|| "give requests a second above 0, as in 50k".to_owned())
}

fn sweep(text: &str) -> Result<Sweep, String> {
    const RATES_MAX: usize = 200;
    let error = || "give FROM:TO:STEP, as in 10k:200k:10k".to_owned();
    let parts: Vec<f64> = text.split(':').map(rate).collect::<Result<_, _>>()?;
    let [from, to, step] = parts[..] else { return Err(error()) };
    if from > to {
        return Err(error());
    }
    // Half a step of slack: 0.1 three times is a little above 0.3.
    let count = ((to - from) / step + 1e-9).floor() as usize + 1;
    if count > RATES_MAX {
        return Err(format!("{count} rates are more than the {RATES_MAX} of a sweep"));
    }
    Ok(Sweep((0..count).map(|index| from + step * index as f64).collect()))
}

fn duration_or_none(text: &str) -> Result<u64, revenant_loadgen::DurationError> {
    if matches!(text.trim(), "0" | "0s") { Ok(0) } else { parse_duration_ns(text) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_contradict_nobody() {
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(
            (count("100k"), count("2M"), rate("0.5k")),
            (Ok(100_000), Ok(2_000_000), Ok(500.0))
        );
        for text in ["", "k", "-1", "1.5", "nan", "inf"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(rate("0").is_err());
    }

    #[test]
    fn a_sweep_includes_both_ends() {
        assert_eq!(sweep("10k:30k:10k"), Ok(Sweep(vec![10_000.0, 20_000.0, 30_000.0])));
        assert_eq!(sweep("5:5:1"), Ok(Sweep(vec![5.0])));
        for text in ["10k", "30k:10k:1k", "1:2:0", "1:1000:1"] {
            assert!(sweep(text).is_err(), "{text}");
        }
    }
}
