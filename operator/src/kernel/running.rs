//! The command `run`: a program under a policy, from its start to its end.

use std::fs;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use revenant_bpf::{Scheduler, abi};
use serde_json::json;

use super::creating::{Made, make};
use super::process::Process;
use super::program::{self, NoProgram};
use super::run_folder::{end_of, log_path};
use super::{destroying, record, session, signals};
use crate::cli::Run;
use crate::failure::Failure;

/// How often signals are looked for that came between a look and a wait.
const LOOK: Duration = Duration::from_millis(100);
/// How long the kernel may take to forget a thread that has ended.
const FAREWELL: Duration = Duration::from_millis(200);

/// Runs the program. Returns its exit code.
pub(crate) fn run(options: &Run, json: bool) -> Result<u8, Failure> {
    signals::keep();
    let (made, is_own) = enclave(options)?;
    let Made { scheduler, enclave, .. } = &made;
    let ran = run_in(scheduler, *enclave, options);
    if json && let Ok(code) = &ran {
        eprintln!("{}", summary(scheduler, *enclave, *code));
    }
    if is_own {
        end(&made)?;
    }
    ran
}

/// The enclave named, or one of its own, named after this process.
fn enclave(options: &Run) -> Result<(Made, bool), Failure> {
    if let Some(name) = &options.enclave {
        let scheduler = session::open(Some(name))?;
        let enclave = session::find(&scheduler, name)?;
        return Ok((Made::new(scheduler, enclave), false));
    }
    let own = std::process::id();
    let made = make(&format!("run-{own}"), &options.creation, Some(own))?;
    Ok((made, true))
}

fn run_in(scheduler: &Arc<Scheduler>, enclave: u32, options: &Run) -> Result<u8, Failure> {
    if signals::came() {
        return Err(Failure::Failed(anyhow::anyhow!("interrupted before the program was started")));
    }
    match program::start(scheduler, enclave, options.class, &options.program) {
        Ok(child) => Ok(program::code(wait(child)?)),
        Err(NoProgram::Code(code, reason)) => {
            eprintln!("error: {reason}");
            Ok(code)
        }
        Err(NoProgram::Failure(failure)) => Err(failure),
    }
}

/// Waits for the program's end, passing signals on to it.
fn wait(mut child: Child) -> Result<ExitStatus, Failure> {
    if let Some(process) = Process::open(child.id()) {
        while !process.wait(LOOK) {
            if let Some(signal) = signals::to_pass_on() {
                process.signal(signal);
            }
        }
    }
    child.wait().context("the program cannot be waited for").map_err(Failure::Failed)
}

/// Destroys the enclave. What the program left behind goes on in the fair class.
fn end(made: &Made) -> Result<(), Failure> {
    let name = format!("run-{}", std::process::id());
    if !made.is_there() {
        let reason = end_of(&name).unwrap_or_else(|| format!("enclave `{name}` is gone"));
        eprintln!("revenant: while the program ran: {reason}");
        return Ok(());
    }
    let left = left_behind(&made.scheduler.enclaves()[made.enclave as usize]);
    if left > 0 {
        eprintln!("revenant: {left} threads that the program left behind go on in the fair class");
    }
    destroying::end(&made.scheduler, made.enclave)?;
    // All went well: nobody will want to read it.
    let _best_effort = fs::remove_file(log_path(&name));
    Ok(())
}

/// Threads that are still members. Those that just ended are for some moments.
fn left_behind(record: &abi::Enclave) -> u32 {
    let tasks = || record.tasks.load(Ordering::Relaxed);
    let until_ns = record::now_ns() + FAREWELL.as_nanos() as u64;
    while tasks() > 0 && record::now_ns() < until_ns {
        std::thread::sleep(Duration::from_millis(1));
    }
    tasks()
}

fn summary(scheduler: &Scheduler, enclave: u32, code: u8) -> serde_json::Value {
    let record = &scheduler.enclaves()[enclave as usize];
    json!({
        "enclave": record::EnclaveRow::read(scheduler, enclave),
        "exit_code": code,
        "messages": record.messages.load(Ordering::Relaxed),
        "commits": record.outcomes[0].load(Ordering::Relaxed),
    })
}
