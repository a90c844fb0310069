//! What makes a thread an agent's: above everything it schedules, on its CPU, never waiting for
//! memory.

use std::io;

use super::AgentError;
use crate::cpu::CpuSet;

/// The lowest real-time priority: above the fair class and ours, below the kernel's own helpers,
/// which must be able to end a scheduler whose agents misbehave.
const PRIORITY: i32 = 1;

/// Keeps the process's memory, also what comes later, resident.
pub(super) fn lock_memory() -> Result<(), AgentError> {
    // SAFETY: no pointers.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    outcome(result, "lock its memory (CAP_IPC_LOCK or RLIMIT_MEMLOCK)")
}

/// Puts the calling thread above the fair class.
pub(super) fn rise() -> Result<(), AgentError> {
    let parameter = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: `parameter` lives through the call; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) };
    outcome(result, "be SCHED_FIFO (CAP_SYS_NICE)")
}

/// Moves the calling thread to `cpus`.
pub(super) fn pin(cpus: &CpuSet) -> Result<(), AgentError> {
    crate::backend::threads::placement::pin(0, cpus)
        .map_err(|source| AgentError::System { step: "run on its enclave's CPU", source })
}

/// The calling thread's id.
pub(in crate::backend::kernel) fn own_tid() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::gettid() as u32 }
}

fn outcome(result: i32, step: &'static str) -> Result<(), AgentError> {
    match result {
        0 => Ok(()),
        _ => Err(AgentError::System { step, source: io::Error::last_os_error() }),
    }
}
