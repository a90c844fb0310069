//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use revenant::policy::PolicyKind;
use revenant_bench::network::Contender;
use revenant_bench::peer::Peer;
use revenant_bench::simulate::CPUS_MAX;
use revenant_bench::workload::WorkloadChoice;
use revenant_loadgen::{Arrivals, Mix, MixError, Objective, Protocol};

/// Most runs a comparison keeps in memory, and more than anyone has the patience for.
const SEEDS_MAX: u64 = 1_000;
/// Longest run: an hour.
const SECONDS_MAX: f64 = 3_600.0;
/// Most simulated requests: samples of them take 1.2 GB.
const REQUESTS_MAX: i64 = 20_000_000;
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
    /// Run a policy on simulated CPUs, 1 to 512 of them, and show the same measures.
    Simulate(Simulate),
    /// Measure what a preemption costs here, along the safepoint and the signal path.
    Preempt(Preempt),
    /// Measure what the operations of the kernel backend cost; needs root and sched_ext.
    Opcosts(Opcosts),
    /// Compare the server with others over sockets: the same traffic, store and CPUs.
    Network(Network),
    /// Serve the server's store and protocols the way others serve them, to compare it with.
    Peer(Peering),
    /// Name the workloads, systems and policies there are.
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
  revenant-bench compare --backend kernel --workload 99.5:200us,0.5:20ms --load 0.7
      threads that an agent process schedules through sched_ext, beside the kernel's own scheduler

Latency counts from the intended time of sending. Needs two CPUs: the first this process may use
sends the requests, the others do them. Stop with Ctrl-C at any time: what was measured is shown.";

/// A backend that policies are compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackendChoice {
    /// Threads of this process.
    Threads,
    /// Members of an enclave of the kernel.
    Kernel,
}

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct Compare {
    /// Workload by name (see `list`), or a mix as SHARE:TIME pieces: 99.5:10us,0.5:10ms.
    #[arg(long, value_name = "NAME|MIX", default_value = "ghost-dispersive")]
    pub(crate) workload: WorkloadChoice,

    /// Offered work over what the workers can do, each above 0 and at most 1.5.
    #[arg(
        long, value_name = "LOADS", value_delimiter = ',', value_parser = load, allow_negative_numbers = true,
        default_value = "0.2,0.5,0.7,0.8,0.9"
    )]
    pub(crate) load: Vec<f64>,

    /// Systems by name (see `list`); all of the backend if left out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) systems: Vec<String>,

    /// Compare Revenant's policies on this backend: threads of this process, or members of an
    /// enclave (needs sched_ext, root, and a CPU more, for the agent).
    #[arg(long, value_name = "BACKEND", default_value = "threads")]
    pub(crate) backend: BackendChoice,

    /// Measured length of a run; a tenth more runs before it as warm-up.
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true, default_value = "1")]
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

    /// How often a run is repeated in which over 2 % of the requests arrive during stalls;
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

const SIMULATE_EXAMPLES: &str = "\
Examples:
  revenant-bench simulate --cpus 20 --policy shinjuku --load 0.8
      the paper's policy on twenty CPUs, where nothing costs anything
  revenant-bench simulate --cpus 256 --load 0.9 --preempt-cost-us 3 --requests 5000000
      would one dispatcher's policy still do on a large machine?
  revenant-bench simulate --cpus 8 --mix 50:1us,50:100us --exp --policy fifo --load 0.7
      exponential service times with these means

The same arguments give the same results, to the byte.";

/// What to simulate.
#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub(crate) struct Simulate {
    /// CPUs, from 1 to 512.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=CPUS_MAX as i64), default_value = "20")]
    pub(crate) cpus: u16,

    /// Policy by name (see `list`).
    #[arg(long, value_name = "P", default_value = "two-queue")]
    pub(crate) policy: PolicyKind,

    /// Offered work over what the CPUs can do, above 0 and at most 1.5.
    #[arg(long, value_name = "L", value_parser = load, allow_negative_numbers = true, default_value = "0.8")]
    pub(crate) load: f64,

    /// Classes as SHARE:TIME pieces.
    #[arg(long, value_name = "MIX", value_parser = mix, default_value = "99.5:10us,0.5:10ms")]
    pub(crate) mix: Mix,

    /// Exponential service times with the means of the mix.
    #[arg(long)]
    pub(crate) exp: bool,

    /// Turn of a task while others wait, for shinjuku; for two-queue, of a demoted task.
    #[arg(long, value_name = "Q", value_parser = microseconds, allow_negative_numbers = true)]
    pub(crate) quantum_us: Option<u64>,

    /// CPU time that a preemption burns.
    #[arg(long, value_name = "C", value_parser = microseconds_or_none, allow_negative_numbers = true, default_value = "0")]
    pub(crate) preempt_cost_us: u64,

    /// Requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=REQUESTS_MAX), default_value = "1000000")]
    pub(crate) requests: u32,

    /// Seed of the arrivals.
    #[arg(long, value_name = "S", default_value = "1")]
    pub(crate) seed: u64,

    /// Write the results as a JSON document (docs/results.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

const PREEMPT_EXAMPLES: &str = "\
Example:
  revenant-bench preempt --quantum-us 30,100 --rounds 5
      medians of five rounds, a few seconds each";

/// What to measure of preemption.
#[derive(Debug, Args)]
#[command(after_help = PREEMPT_EXAMPLES)]
pub(crate) struct Preempt {
    /// Turns the two requests take.
    #[arg(
        long = "quantum-us", value_name = "US", value_delimiter = ',', value_parser = microseconds,
        allow_negative_numbers = true, default_value = "30"
    )]
    pub(crate) quantum_ns: Vec<u64>,

    /// Measurements of each path and quantum; the table shows medians.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX), default_value = "5")]
    pub(crate) rounds: u64,

    /// Work of a measurement, in milliseconds of CPU time.
    #[arg(long = "work-ms", value_name = "MS", value_parser = milliseconds, default_value = "500")]
    pub(crate) work_ns: u64,

    /// Write the results as a JSON document.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

const OPCOSTS_EXAMPLES: &str = "\
Examples:
  revenant-bench opcosts --json costs.json
      a table in nanoseconds, and the same for machines
  make check-costs
      in a virtual machine that counts instructions, beside the record

Loads the scheduler, makes an enclave, measures, and leaves nothing behind. Two CPUs are enough; a
batch of ten transactions is measured on machines with eleven or more.";

/// What to measure of operations.
#[derive(Debug, Args)]
#[command(after_help = OPCOSTS_EXAMPLES)]
#[cfg_attr(not(feature = "kernel"), allow(dead_code, reason = "the command says what it lacks"))]
pub(crate) struct Opcosts {
    /// Samples of each operation, after a warm-up.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), default_value = "300")]
    pub(crate) repetitions: u32,

    /// Operations by name, as the table shows them; all of them if left out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) operations: Vec<String>,

    /// Show instead what each program of the kernel half takes while the operations run.
    #[arg(long, conflicts_with_all = ["json", "check"])]
    pub(crate) programs: bool,

    /// The clock counts instructions, as under `vm/run --icount`: name the unit so.
    #[arg(long)]
    pub(crate) icount: bool,

    /// Write the results as a JSON document (docs/results.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Hold the results to this record; exit code 1 if a stable operation costs over 5 % more.
    #[arg(long, value_name = "RECORD")]
    pub(crate) check: Option<PathBuf>,
}

const NETWORK_EXAMPLES: &str = "\
Examples:
  revenant-bench network
      99.5 % GET, 0.5 % searches of all keys at load 0.7, five runs of each server: minutes
  revenant-bench network --slo get:p99:200us --systems revenant,thread-pool --seeds 3
      the highest rate at which 99 % of the GETs take at most 200 us
  revenant-bench network --closed 1 --connections 1 --preset ping --protocol resp \\
      --systems revenant,tokio,spinning-echo
      round trips: one request at a time over one connection

The generator keeps the first CPU of this process busy, each server has the others. Load 1 is what
the first peer of --systems does in a closed loop.";

/// What to compare over sockets.
#[derive(Debug, Args)]
#[command(after_help = NETWORK_EXAMPLES)]
pub(crate) struct Network {
    /// Servers, in the order of the table.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "revenant,tokio,tokio-blocking,thread-pool"
    )]
    pub(crate) systems: Vec<Contender>,

    /// Traffic by name, as `revenant-loadgen list` shows, or NAME=SHARE:OPERATION pieces.
    #[arg(long, value_name = "NAME|MIX", default_value = "get-search")]
    pub(crate) preset: String,

    /// resp: a connection's requests are served in their order. native: as they are done.
    #[arg(long, value_name = "NAME", value_parser = protocol, default_value = "resp")]
    pub(crate) protocol: Protocol,

    /// Share of what the first peer can do at which latency is measured.
    #[arg(long, value_name = "L", value_parser = load, default_value = "0.7", group = "question")]
    pub(crate) load: f64,

    /// Latency at this many requests a second.
    #[arg(long, value_name = "R", value_parser = requests_per_second, group = "question")]
    pub(crate) rate: Option<f64>,

    /// The highest rate that meets this: CLASS:pNN:LIMIT.
    #[arg(long, value_name = "OBJECTIVE", group = "question")]
    pub(crate) slo: Option<Objective>,

    /// A closed loop with so many requests under way on each connection.
    #[arg(long, value_name = "DEPTH", group = "question")]
    pub(crate) closed: Option<u32>,

    /// Connections. A request takes one on which no other is under way, if there is one.
    #[arg(long, value_name = "N", default_value = "512")]
    pub(crate) connections: u32,

    /// Keys in the store, of 64 bytes each.
    #[arg(long, value_name = "N", default_value = "100000")]
    pub(crate) keys: u64,

    /// Length of a run.
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "5")]
    pub(crate) seconds: f64,

    /// Runs of each server; medians are shown.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX), default_value = "5")]
    pub(crate) seeds: u64,

    /// CPU of the generator. Default: the first this process may use.
    #[arg(long, value_name = "CPU")]
    pub(crate) generator_cpu: Option<u16>,

    /// Servers may use the generator's CPU, too. It then gives way to them.
    #[arg(long)]
    pub(crate) share: bool,

    /// Write the results as a JSON document (docs/results.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write a report with latency-percentile curves, of a search the rates it tried: one file,
    /// opens in any browser.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

const PEER_EXAMPLES: &str = "\
Example:
  revenant-bench peer tokio-blocking --listen 127.0.0.1:7878
      prints `listening on ADDRESS`, and serves until it is ended";

/// What to serve, and how.
#[derive(Debug, Args)]
#[command(after_help = PEER_EXAMPLES)]
pub(crate) struct Peering {
    /// tokio: a task a connection. tokio-blocking: long requests on its blocking threads.
    /// thread-pool: a reader and 64 threads. spinning-echo: sends back what it reads.
    #[arg(value_name = "PEER")]
    pub(crate) peer: Peer,

    /// Where to listen; port 0 is any that is free. It asks for no password: loopback only.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "native" => Ok(Protocol::Native),
        "resp" => Ok(Protocol::Resp),
        _ => Err("write native or resp".to_owned()),
    }
}

fn requests_per_second(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if (1.0..=revenant_loadgen::RATE_MAX_RPS).contains(&rate) {
        return Ok(rate);
    }
    Err("give a number of requests a second, as in 20000".to_owned())
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        _ => Err("give an address of this machine's loopback, as in 127.0.0.1:7878".to_owned()),
    }
}

fn load(text: &str) -> Result<f64, String> {
    let load = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if load > 0.0 && load <= LOAD_MAX {
        return Ok(load);
    }
    Err(format!("give loads above 0 and at most {LOAD_MAX}, as in 0.5,0.9 (1 keeps workers busy)"))
}

fn mix(text: &str) -> Result<Mix, MixError> {
    Mix::parse(text)
}

/// Microseconds as nanoseconds.
fn microseconds(text: &str) -> Result<u64, String> {
    match microseconds_or_none(text) {
        Ok(ns) if ns > 0 => Ok(ns),
        _ => Err("give a number of microseconds above 0, as in 30".to_owned()),
    }
}

/// Milliseconds as nanoseconds.
fn milliseconds(text: &str) -> Result<u64, String> {
    let ms = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if (1.0..=60_000.0).contains(&ms) {
        return Ok((ms * 1e6) as u64);
    }
    Err("give a number of milliseconds from 1 to 60000, as in 500".to_owned())
}

fn microseconds_or_none(text: &str) -> Result<u64, String> {
    let us = text.trim().parse::<f64>().unwrap_or(f64::NAN);
    if (0.0..=1e6).contains(&us) {
        return Ok((us * 1e3).round() as u64);
    }
    Err("give a number of microseconds from 0 to 1000000, as in 2.5".to_owned())
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
    use revenant_loadgen::command_line::{self, BAD_INPUT};

    use super::*;

    fn read_line(line: &str) -> Result<Cli, (String, u8)> {
        command_line::read(line.split_whitespace().map(str::to_owned))
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
            ("revenant-bench simulate --cpus 513", "512"),
            ("revenant-bench simulate --policy cfs", "two-queue"),
            ("revenant-bench simulate --quantum-us 0", "above 0"),
            ("revenant-bench simulate --mix 99:10us", "add up to 99"),
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
