//! revenant-bench: compares systems, on this machine or simulated.

mod cli;
mod comparing;
mod costing;
mod listing;
mod networking;
mod peering;
mod preempting;
mod results;
mod simulating;

use std::process::ExitCode;

use revenant_loadgen::command_line::{self, BAD_INPUT};

use cli::{Cli, Command};

/// Why the program ends without what it was asked for.
enum Failure {
    /// Nothing ran: what was asked for cannot be done.
    BadInput(anyhow::Error),
    /// It broke on the way.
    Broken(anyhow::Error),
}

fn main() -> ExitCode {
    let cli = match command_line::read::<Cli>(std::env::args()) {
        Ok(cli) => cli,
        Err((text, 0)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err((text, code)) => {
            eprint!("{text}");
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Compare(options) => comparing::compare(options),
        Command::Simulate(options) => simulating::simulate(options),
        Command::Preempt(options) => preempting::preempt(&options),
        Command::Opcosts(options) => costing::opcosts(&options),
        Command::Network(options) => networking::network(options),
        Command::Peer(options) => peering::peer(&options),
        Command::List => {
            print!("{}", listing::list());
            Ok(ExitCode::SUCCESS)
        }
    };
    let (error, code) = match done {
        Ok(code) => return code,
        Err(Failure::BadInput(error)) => (error, BAD_INPUT),
        Err(Failure::Broken(error)) => (error, 1),
    };
    // Not the chain below it: every error here tells its cause itself.
    eprintln!("error: {error}");
    ExitCode::from(code)
}

impl Failure {
    fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    fn broken(error: impl Into<anyhow::Error>) -> Self {
        Self::Broken(error.into())
    }
}
