//! The command `agent`.

use std::process::ExitCode;

use revenant_loadgen::{Agent, Here, Reach};

use crate::{Failure, cli};

/// Serves coordinators until the process is ended.
pub(crate) fn serve(options: &cli::Agent) -> Result<ExitCode, Failure> {
    let reach = if options.allow_remote { Reach::Anywhere } else { Reach::Loopback };
    let here = Here { reach, cpu: options.cpu, trace: None };
    let agent = Agent::listen(&options.listen, here).map_err(Failure::bad_input)?;
    let address = agent.address().map_err(Failure::broken)?;
    eprintln!("waiting for a coordinator on {address}");
    loop {
        let coordinator = agent.accept().map_err(Failure::broken)?;
        if let Err(error) = agent.serve(coordinator) {
            eprintln!("a coordinator went away: {error}");
        }
    }
}
