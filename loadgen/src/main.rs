//! revenant-loadgen: open-loop load for servers.

mod cli;
mod driving;
mod listing;
mod probing;
mod results;
mod serving;
mod terminal;
mod watching;

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

impl Failure {
    fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self::BadInput(error.into())
    }

    fn broken(error: impl Into<anyhow::Error>) -> Self {
        Self::Broken(error.into())
    }
}

fn main() -> ExitCode {
    let cli = match command_line::read::<Cli>(std::env::args()) {
        Ok(cli) => cli,
        Err((text, 0)) => {
            terminal::show(&text);
            return ExitCode::SUCCESS;
        }
        Err((text, code)) => {
            terminal::tell(&text);
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Some(Command::List) => {
            terminal::show(&listing::list());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Agent(options)) => serving::serve(&options),
        Some(Command::Probe(options)) => probing::probe(&options),
        None => driving::drive(cli.drive),
    };
    let (error, code) = match done {
        Ok(code) => return code,
        Err(Failure::BadInput(error)) => (error, BAD_INPUT),
        Err(Failure::Broken(error)) => (error, 1),
    };
    // Not the chain below it: every error here tells its cause itself.
    terminal::tell(&format!("error: {error}\n"));
    ExitCode::from(code)
}
