//! Cleaning: what processes that were killed have left is ended by whoever comes next.
//!
//! A scheduler that ended leaves its pins. An enclave whose keeper was killed is destroyed by the
//! kernel half in time, but its threads still have to be asked to leave the class.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant::backend::kernel::enclaves;
use revenant_bpf::{PINS, Scheduler, abi};

use super::process::is_keeper;
use super::run_folder::Turn;
use super::tracefs;
use super::{keeper, record};

/// A keeper needs some milliseconds to end its enclave; one that hangs shall not keep others waiting.
const KEEPER_PATIENCE: Duration = Duration::from_millis(500);
/// The kernel needs some milliseconds to end a scheduler, unless another process still holds it.
const UNLOAD_PATIENCE: Duration = Duration::from_secs(2);

/// Ends what is left of schedulers, enclaves and traces that nobody looks after any more, and says
/// so. What cannot be cleaned is told too; it is no reason not to go on.
pub(crate) fn clean(_turn: &Turn) {
    tracefs::remove_stale();
    if !fs::exists(PINS).unwrap_or(false) {
        return;
    }
    match Scheduler::open() {
        Ok(scheduler) => match ended(&scheduler) {
            Some(reason) => unload(&format!("a scheduler that has ended ({reason})")),
            None => clean_enclaves(&scheduler),
        },
        // Its maps are there, but no link: whoever loaded it was killed in the middle.
        Err(revenant_bpf::OpenError::NotLoaded) => unload("a scheduler that was never complete"),
        // Of another version: not ours to end, and the command says so itself.
        Err(_) => {}
    }
}

/// The kernel ends a scheduler in the background; until it has, it loads no other.
fn wait_for_the_end() {
    let until_ns = record::now_ns() + UNLOAD_PATIENCE.as_nanos() as u64;
    let is_ending = || revenant_bpf::kernel::state().is_some_and(|state| state != "disabled");
    while is_ending() && record::now_ns() < until_ns {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Why the scheduler behind these pins has ended, if it has.
fn ended(scheduler: &Scheduler) -> Option<String> {
    let is_disabled = revenant_bpf::kernel::state().is_some_and(|state| state == "disabled");
    scheduler.exit().or_else(|| is_disabled.then(|| "the kernel has disabled it".to_owned()))
}

fn unload(what: &str) {
    match revenant_bpf::unload() {
        Ok(()) => eprintln!("revenant: removed what was left of {what}"),
        Err(error) => eprintln!("revenant: what is left of {what} cannot be removed: {error}"),
    }
}

fn clean_enclaves(scheduler: &Scheduler) {
    let all = enclaves::list(scheduler);
    let stale: Vec<u32> =
        all.iter().copied().filter(|enclave| is_stale(scheduler, *enclave)).collect();
    for enclave in &stale {
        let name = enclaves::name(scheduler, *enclave);
        let reason = record::reason(&scheduler.enclaves()[*enclave as usize]);
        match enclaves::destroy(scheduler, *enclave) {
            Ok(()) => eprintln!(
                "revenant: cleaned up enclave `{name}` ({reason}); its threads are in the fair class"
            ),
            Err(error) => eprintln!("revenant: enclave `{name}` cannot be cleaned up: {error}"),
        }
    }
    for enclave in all.into_iter().filter(|enclave| !stale.contains(enclave)) {
        adopt(scheduler, enclave);
    }
    if !stale.is_empty() && enclaves::list(scheduler).is_empty() {
        unload_if_unused(scheduler);
    }
}

/// Gives an enclave whose keeper was killed another one. Those of other programs never had one.
fn adopt(scheduler: &Scheduler, enclave: u32) {
    let keeper = scheduler.enclaves()[enclave as usize].keeper_tgid.load(Ordering::Relaxed);
    if keeper == 0 || is_keeper(keeper) {
        return;
    }
    let name = enclaves::name(scheduler, enclave);
    match keeper::adopt(scheduler, enclave) {
        Ok(()) => eprintln!("revenant: the keeper of enclave `{name}` was killed: started another"),
        Err(error) => eprintln!("revenant: enclave `{name}` has no keeper: {error}"),
    }
}

/// Whether an enclave is at its end, and nobody else will end it.
fn is_stale(scheduler: &Scheduler, enclave: u32) -> bool {
    let record = &scheduler.enclaves()[enclave as usize];
    let keeper = record.keeper_tgid.load(Ordering::Relaxed);
    match record.state.load(Ordering::Acquire) {
        abi::ENCLAVE_DESTROYED => !is_keeper(keeper) || !becomes_free(record),
        abi::ENCLAVE_ORPHAN => !is_keeper(keeper) && is_beyond_its_limit(record),
        _ => false,
    }
}

/// Whether the keeper, which may be at it, ends the enclave in time.
fn becomes_free(record: &abi::Enclave) -> bool {
    let until_ns = record::now_ns() + KEEPER_PATIENCE.as_nanos() as u64;
    while record.state.load(Ordering::Acquire) == abi::ENCLAVE_DESTROYED {
        if record::now_ns() > until_ns {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn is_beyond_its_limit(record: &abi::Enclave) -> bool {
    let limit_ns = record.orphan_limit_ns.load(Ordering::Relaxed);
    let since_ns = record.orphaned_ns.load(Ordering::Relaxed);
    limit_ns > 0 && record::now_ns().saturating_sub(since_ns) > limit_ns
}

/// Unloads the scheduler if there is no enclave left. Whether it did.
pub(crate) fn unload_if_unused(scheduler: &Scheduler) -> bool {
    if !enclaves::list(scheduler).is_empty() {
        return false;
    }
    match revenant_bpf::unload() {
        Ok(()) => {
            wait_for_the_end();
            true
        }
        Err(error) => {
            eprintln!("revenant: the scheduler cannot be unloaded: {error}");
            false
        }
    }
}
