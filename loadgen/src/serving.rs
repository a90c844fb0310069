//! The command `agent`.

use std::process::ExitCode;

use revenant_loadgen::{Agent, Here, Reach};

use crate::terminal::tell;
use crate::{Failure, cli};

/// Serves coordinators until the process is ended.
pub(crate) fn serve(options: &cli::Agent) -> Result<ExitCode, Failure> {
    let reach = if options.allow_remote { Reach::Anywhere } else { Reach::Loopback };
    let here = Here { reach, cpu: options.cpu, nice: 0, trace: None };
    let agent = Agent::listen(&options.listen, here).map_err(Failure::bad_input)?;
    let address = agent.address().map_err(Failure::broken)?;
    tell(&format!("waiting for a coordinator on {address}\n"));
    loop {
        let coordinator = agent.accept().map_err(Failure::broken)?;
        if let Err(error) = agent.serve(coordinator) {
            tell(&format!("a coordinator went away: {error}\n"));
        }
    }
}
