//! The agent's process: this program, serving one enclave until it is told to end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use revenant::backend::kernel::agent::{AgentOptions, End, serve_global, serve_per_cpu};
use revenant_bpf::Scheduler;

use super::{process, record};
use crate::cli::{Agent, AgentChoice};
use crate::failure::Failure;

/// This program, also if its file was replaced meanwhile.
pub(super) const SELF: &str = "/proc/self/exe";

/// Serves the enclave. Standard error is its log.
pub(crate) fn serve(agent: &Agent) -> Result<u8, Failure> {
    process::call_itself(c"revenant-agent");
    let stops = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stops);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("signals cannot be handled")
        .map_err(Failure::Failed)?;
    let chosen = agent.options.options();
    let build = || agent.policy.build(&chosen);
    let policy = build().map_err(Failure::cannot)?;
    let options = AgentOptions { takes_over: agent.take_over, ..AgentOptions::new(agent.enclave) };
    let (id, kind) = (std::process::id(), agent.kind.name());
    eprintln!("agent {id}: {kind}, {} for enclave {}", agent.policy, agent.enclave);
    let served = match agent.kind {
        AgentChoice::Global => serve_global(&options, policy, &stops),
        // For a single CPU fifo-percpu is fifo, but goes on by the name it was chosen by.
        AgentChoice::Percpu => {
            serve_per_cpu(&options, || build().expect("it was built before"), &stops)
        }
    };
    let end = served.map_err(Failure::failed)?;
    eprintln!(
        "agent {id}: {}",
        match end {
            End::SteppedDown => "stepped down for a successor",
            End::Dismissed => "dismissed: the enclave is gone, or has another agent",
            End::Stopped => "stopped by a signal",
        }
    );
    Ok(0)
}

/// Starts an agent in the background, which outlives this process.
pub(crate) fn start(agent: &Agent, log: File) -> io::Result<Child> {
    let mut command = Command::new(SELF);
    command.arg("agent").args(arguments(agent));
    in_background(&mut command, log)?.spawn()
}

/// The options that make this program serve as `agent` says.
pub(super) fn arguments(agent: &Agent) -> Vec<OsString> {
    let mut words = vec![
        "--enclave".to_owned(),
        agent.enclave.to_string(),
        "--policy".to_owned(),
        agent.policy.to_string(),
        "--kind".to_owned(),
        agent.kind.name().to_owned(),
    ];
    words.extend(agent.options.arguments());
    words.extend(agent.take_over.then(|| "--take-over".to_owned()));
    words.into_iter().map(OsString::from).collect()
}

/// Nothing of whoever starts it stays with the process: no terminal, no folder, no descriptors.
pub(super) fn in_background(command: &mut Command, log: File) -> io::Result<&mut Command> {
    let errors = log.try_clone()?;
    Ok(command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors))
}

/// Whether `pid` is the enclave's agent, and serves.
pub(super) fn serves(scheduler: &Scheduler, enclave: u32, pid: u32) -> bool {
    let row = record::EnclaveRow::read(scheduler, enclave);
    // The policy's name is the last thing an agent writes before its first turn.
    row.state == "attached" && row.agent.pid == Some(pid) && !row.policy.is_empty()
}
