//! revenant-bench: compares systems, on this machine or simulated.

mod cli;
mod comparing;

use std::process::ExitCode;

use cli::{BAD_INPUT, Command};

/// Why the program ends without what it was asked for.
enum Failure {
    /// Nothing ran: what was asked for cannot be done.
    BadInput(anyhow::Error),
    /// It broke on the way.
    Broken(anyhow::Error),
}

fn main() -> ExitCode {
    let cli = match cli::read(std::env::args()) {
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
        Command::List => {
            print!("{}", comparing::list());
            Ok(ExitCode::SUCCESS)
        }
    };
    let (error, code) = match done {
        Ok(code) => return code,
        Err(Failure::BadInput(error)) => (error, BAD_INPUT),
        Err(Failure::Broken(error)) => (error, 1),
    };
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}
