//! The command `enclave destroy`, and the end that `run` gives its own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant::backend::kernel::enclaves;
use revenant_bpf::Scheduler;
use serde_json::json;

use super::process::Process;
use super::run_folder::Turn;
use super::{cleaning, process, session};
use crate::cli::Destroy;
use crate::failure::Failure;

/// How long agent and keeper have to notice that the enclave is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Destroys the enclaves named, all of which must exist.
pub(crate) fn destroy(options: &Destroy, json: bool) -> Result<u8, Failure> {
    let mut ended = Vec::new();
    let mut unloaded = false;
    if let Some(scheduler) = open(options)? {
        let names = if options.all { session::names(&scheduler) } else { options.names.clone() };
        let found: Result<Vec<u32>, _> =
            names.iter().map(|name| session::find(&scheduler, name)).collect();
        for (enclave, name) in found?.into_iter().zip(names) {
            let threads = scheduler.enclaves()[enclave as usize].tasks.load(Ordering::Relaxed);
            unloaded = end(&scheduler, enclave)?;
            ended.push(json!({ "name": name, "threads_moved_back": threads }));
            eprintln!(
                "revenant: destroyed enclave `{name}`; {threads} threads went on in the fair class"
            );
        }
    }
    if unloaded {
        eprintln!("revenant: it was the last: unloaded the scheduler");
    }
    if json {
        println!("{}", json!({ "destroyed": ended, "unloaded": unloaded }));
    }
    Ok(0)
}

/// All enclaves may be none; a named one must be there.
fn open(options: &Destroy) -> Result<Option<std::sync::Arc<Scheduler>>, Failure> {
    if options.all {
        session::open_if_loaded()
    } else {
        session::open(options.names.first()).map(Some)
    }
}

/// Destroys an enclave and waits until its processes have ended. Unloads the scheduler if it was the
/// last one; whether it did.
pub(crate) fn end(scheduler: &Scheduler, enclave: u32) -> Result<bool, Failure> {
    let _turn = Turn::take()?;
    let record = &scheduler.enclaves()[enclave as usize];
    let [agent, keeper] =
        [&record.agent_tgid, &record.keeper_tgid].map(|pid| pid.load(Ordering::Relaxed));
    let agent = process::own_agent(agent);
    let keeper = Process::open(keeper).filter(|_| process::is_keeper(keeper));
    let destroyed = enclaves::destroy(scheduler, enclave).map_err(Failure::failed);
    if let Some(agent) = agent {
        agent.end(PATIENCE);
    }
    if let Some(keeper) = keeper {
        // It may be in the middle of something; what it holds is freed with it, late or soon.
        keeper.wait(PATIENCE);
    }
    destroyed?;
    Ok(cleaning::unload_if_unused(scheduler))
}
