//! Enclaves of runtimes that were killed: no agent, no threads, and nobody who would end them. Whoever
//! wants their CPUs next does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant_bpf::{Scheduler, abi};

use super::enclaves::{self, EnclaveError, Spec};
use super::now_ns;
use crate::backend::threads::pause;

/// A new enclave is without agent and threads, too, for the milliseconds in which its runtime starts
/// them.
const STARTING_NS: u64 = 2_000_000_000;

/// Time between two looks at an enclave that is starting or abandoned.
const LOOK: Duration = Duration::from_millis(20);

/// Makes an enclave. If one that looks abandoned has its CPUs, that is ended first.
///
/// # Errors
/// As for [`enclaves::create`]; after some seconds at most.
pub(super) fn replace(scheduler: &Scheduler, spec: &Spec) -> Result<u32, EnclaveError> {
    let until_ns = now_ns() + 2 * STARTING_NS;
    loop {
        match enclaves::create(scheduler, spec) {
            Err(EnclaveError::Taken { owner, .. })
                if now_ns() < until_ns && gives_way(scheduler, &owner) =>
            {
                pause(LOOK);
            }
            outcome => return outcome,
        }
    }
}

/// Ends an enclave if it is abandoned. Whether it has ended, or may yet turn out to be.
fn gives_way(scheduler: &Scheduler, name: &str) -> bool {
    let Some(enclave) = enclaves::find(scheduler, name) else { return true };
    let record = &scheduler.enclaves()[enclave as usize];
    // Acquire: what is read below is no older than the state, which the kernel half exchanges.
    let state = record.state.load(Ordering::Acquire);
    if !looks_abandoned(record, state) {
        return false;
    }
    let without_ns = now_ns().saturating_sub(record.orphaned_ns.load(Ordering::Relaxed));
    if state == abi::ENCLAVE_DESTROYED || without_ns > STARTING_NS {
        // Another may be faster; the next attempt tells.
        let _ended = enclaves::destroy(scheduler, enclave);
    }
    true
}

/// Those of the operator's command have a keeper, who ends them.
fn looks_abandoned(record: &abi::Enclave, state: u32) -> bool {
    let is_served = match state {
        // The kernel half notices a little later that an agent is gone.
        abi::ENCLAVE_ATTACHED => is_alive(record.agent_tgid.load(Ordering::Relaxed)),
        _ => false,
    };
    !is_served
        && record.tasks.load(Ordering::Relaxed) == 0
        && record.keeper_tgid.load(Ordering::Relaxed) == 0
}

fn is_alive(process: u32) -> bool {
    // SAFETY: no pointers, and signal 0 is none: the call only tells whether there is such a process.
    process != 0 && unsafe { libc::kill(process as libc::pid_t, 0) } == 0
}
