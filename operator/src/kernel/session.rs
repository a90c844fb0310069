//! What every command begins with: root, a clean machine, the loaded scheduler.

use std::sync::Arc;

use anyhow::anyhow;
use revenant::backend::kernel::enclaves;
use revenant_bpf::{LoadError, OpenError, Scheduler};

use super::cleaning;
use super::process::is_root;
use super::run_folder::{Turn, end_of};
use crate::failure::Failure;

/// Opens the loaded scheduler, after cleaning what a crash has left. If there is none, whoever asks
/// for an enclave wants to know what became of it.
pub(crate) fn open(asked: Option<&String>) -> Result<Arc<Scheduler>, Failure> {
    let _turn = begin()?;
    match Scheduler::open() {
        Ok(scheduler) => Ok(Arc::new(scheduler)),
        Err(error) => Err(Failure::Cannot(anyhow!("{error}{}", fate(asked)))),
    }
}

/// Why the enclave with this name is no more, as part of an error.
fn fate(name: Option<&String>) -> String {
    let end = name.and_then(|name| end_of(name));
    end.map_or(String::new(), |end| format!("; {end}"))
}

/// The same, but loads the scheduler if there is none. The turn keeps others from unloading it
/// before an enclave is in it.
pub(crate) fn open_or_load() -> Result<(Arc<Scheduler>, Turn), Failure> {
    let turn = begin()?;
    let scheduler = match Scheduler::open() {
        Err(OpenError::NotLoaded) => {
            revenant_bpf::load().map_err(Failure::cannot)?;
            Scheduler::open()
        }
        other => other,
    };
    Ok((Arc::new(scheduler.map_err(Failure::cannot)?), turn))
}

/// Opens the scheduler if one is loaded.
pub(crate) fn open_if_loaded() -> Result<Option<Arc<Scheduler>>, Failure> {
    let _turn = begin()?;
    match Scheduler::open() {
        Ok(scheduler) => Ok(Some(Arc::new(scheduler))),
        Err(OpenError::NotLoaded) => Ok(None),
        Err(error) => Err(Failure::cannot(error)),
    }
}

fn begin() -> Result<Turn, Failure> {
    if revenant_bpf::kernel::state().is_none() {
        let release = revenant_bpf::kernel::release();
        return Err(Failure::cannot(LoadError::NoSchedExt { release }));
    }
    if !is_root() {
        return Err(Failure::cannot(LoadError::NotRoot));
    }
    let turn = Turn::take()?;
    cleaning::clean(&turn);
    Ok(turn)
}

/// Cleans what a crash has left, if this process may.
pub(crate) fn clean_if_root() {
    if is_root()
        && revenant_bpf::kernel::state().is_some()
        && let Ok(turn) = Turn::take()
    {
        cleaning::clean(&turn);
    }
}

/// What is loaded, in words, if our scheduler is.
pub(crate) fn loaded() -> Option<String> {
    let scheduler = Scheduler::open().ok()?;
    let count = enclaves::list(&scheduler).len();
    Some(format!("Revenant's scheduler is loaded, with {count} enclaves"))
}

/// The enclave with this name.
pub(crate) fn find(scheduler: &Scheduler, name: &str) -> Result<u32, Failure> {
    enclaves::find(scheduler, name).ok_or_else(|| {
        let names = names(scheduler);
        let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let fate = fate(Some(&name.to_owned()));
        Failure::Cannot(anyhow!("there is no enclave `{name}`; there are: {there_are}{fate}"))
    })
}

/// The names of all enclaves.
pub(crate) fn names(scheduler: &Scheduler) -> Vec<String> {
    let all = enclaves::list(scheduler).into_iter();
    all.map(|enclave| enclaves::name(scheduler, enclave)).collect()
}
