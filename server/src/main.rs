//! The server as a program.

mod top;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use revenant_server::config::{Config, Options};
use revenant_server::server::Server;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// A key-value server whose requests Revenant schedules: RESP2, so that Redis's clients and tools
/// work, and native frames.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// Choices from a TOML file; flags win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration as it comes out, or everything that is wrong with it, and end
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a server does, live, from its metrics
    Top(top::Options),
}

/// Exit code of a wrong command line or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Top(options)) = &cli.command {
        return exit(top::top(options));
    }
    let file = match cli.config.as_deref().map(Options::read).transpose() {
        Ok(file) => file.unwrap_or_default(),
        Err(fault) => return refuse(&[fault]),
    };
    let options = cli.options.or(file);
    let complete = options.clone().complete();
    match Config::new(options) {
        Err(faults) => refuse(&faults),
        Ok(_) if cli.check => {
            print!("{}", complete.to_toml());
            ExitCode::SUCCESS
        }
        Ok(config) => exit(run(&config)),
    }
}

fn refuse(faults: &[String]) -> ExitCode {
    for fault in faults {
        eprintln!("error: {fault}");
    }
    ExitCode::from(USAGE)
}

fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line for each command that ends, with its time, for those who ask for traces.
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let server = Server::start(config)?;
    // Before anybody knows that there is somebody to end.
    let handle = server.handle();
    ctrlc::set_handler(move || handle.end("a signal")).context("cannot listen for signals")?;
    for address in server.addresses() {
        println!("listening on {address}");
    }
    if let Some(address) = server.metrics() {
        println!("metrics on http://{address}/metrics");
    }
    tracing::info!(backend = server.backend(), policy = %config.policy, "serving");
    server.serve().context("ended early")
}
