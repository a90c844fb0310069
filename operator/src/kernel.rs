//! The commands for enclaves. Modules are listed in the order an enclave's life passes them.

mod process;
mod run_folder;

mod cleaning;
mod session;

mod agent;
mod creating;
mod keeper;

mod columns;
mod listing;
mod record;

mod moving;
mod program;
mod running;

mod sample;
mod screen;
mod top;

mod chrome;
mod signals;
mod trace_line;
mod tracefs;
mod tracing;

mod destroying;
mod upgrading;

use crate::cli::{Command, Enclave};
use crate::failure::Failure;

pub(crate) use session::{clean_if_root, loaded};
pub(crate) use tracefs::TRACEFS;

/// Does what a command line asks for. Returns the exit code.
pub(crate) fn perform(command: Command, json: bool) -> Result<u8, Failure> {
    match command {
        Command::Doctor(options) => crate::doctor::doctor(&options, json),
        Command::Enclave(Enclave::Create(options)) => creating::create(&options, json),
        Command::Enclave(Enclave::Ls) => listing::list(json),
        Command::Enclave(Enclave::Destroy(options)) => destroying::destroy(&options, json),
        Command::Run(options) => running::run(&options, json),
        Command::Move(options) => moving::move_processes(&options, json),
        Command::Top(options) => top::top(&options, json),
        Command::Trace(options) => tracing::trace(&options, json),
        Command::Upgrade(options) => upgrading::upgrade(&options, json),
        Command::Keep(options) => keeper::keep(&options),
        Command::Agent(options) => agent::serve(&options),
    }
}
