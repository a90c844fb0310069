//! revenant: the operator's command.

#[cfg_attr(
    not(feature = "kernel"),
    allow(
        dead_code,
        unused_imports,
        reason = "what commands are told is read where they can do it"
    )
)]
mod cli;
mod doctor;
#[cfg_attr(not(feature = "kernel"), allow(dead_code, reason = "doctor alone breaks nowhere"))]
mod failure;

#[cfg(not(feature = "kernel"))]
mod absent;
#[cfg(feature = "kernel")]
mod kernel;

#[cfg(not(feature = "kernel"))]
use absent as kernel;

use std::process::ExitCode;

use cli::Command;

fn main() -> ExitCode {
    // As everywhere else, `revenant ... | head` ends when `head` has: no error, no panic.
    // SAFETY: no handler, and no thread yet.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let cli = match cli::read(std::env::args_os()) {
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
        Command::Doctor(options) => doctor::doctor(&options, cli.json),
        other => kernel::perform(other, cli.json),
    };
    done.map_or_else(
        |failure| {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        },
        ExitCode::from,
    )
}
