//! Members of an enclave: threads that enter the scheduling class and leave it.

use std::fs;
use std::io;
use std::sync::atomic::Ordering;

use revenant_bpf::{CallError, Scheduler};

use crate::hint::{Hints, Tier};
use crate::task::{TaskId, TaskState};

/// `SCHED_EXT`, from the kernel's `include/uapi/linux/sched.h`.
const SCHED_EXT: i32 = 7;

/// Why a thread could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The thread is gone.
    #[error("there is no thread {tid}")]
    Gone {
        /// Which.
        tid: u32,
    },
    /// Every status word is in use.
    #[error("thread {tid} cannot join: all {max} status words are in use")]
    Full {
        /// Which.
        tid: u32,
        /// The bound.
        max: usize,
    },
    /// It is a member already.
    #[error("thread {tid} is in the scheduling class already: move it back first")]
    Already {
        /// Which.
        tid: u32,
    },
    /// The enclave is gone.
    #[error("the enclave is gone, or was destroyed")]
    NoEnclave,
    /// The kernel refused.
    #[error("thread {tid}: {source}")]
    Refused {
        /// Which.
        tid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Puts a thread into an enclave. Threads and processes it starts from then on are members, too.
///
/// # Errors
/// Why it cannot; the thread is then as it was.
pub fn join(scheduler: &Scheduler, enclave: u32, tid: u32) -> Result<TaskId, JoinError> {
    join_with(scheduler, enclave, tid, &Hints::default())
}

/// The same, with hints, which its agent knows from the first message on. Threads and processes it
/// starts have them, too, but for the deadline.
///
/// # Errors
/// Why it cannot; the thread is then as it was.
pub fn join_with(
    scheduler: &Scheduler,
    enclave: u32,
    tid: u32,
    hints: &Hints,
) -> Result<TaskId, JoinError> {
    let task = scheduler.join(enclave, tid).map_err(|error| refusal(tid, error))?;
    if *hints != Hints::default() {
        hint(scheduler, TaskId::from_bits(task), hints);
    }
    set_policy(tid, SCHED_EXT).map_err(|source| {
        // Either way the thread is not a member, and the first error says why.
        let _best_effort = scheduler.cancel(tid);
        match source.raw_os_error() {
            Some(libc::ESRCH) => JoinError::Gone { tid },
            _ => JoinError::Refused { tid, source },
        }
    })?;
    Ok(TaskId::from_bits(task))
}

/// Says of a task what an application knows of it.
pub fn hint(scheduler: &Scheduler, task: TaskId, hints: &Hints) {
    let Some(place) = scheduler.hints().get(task.index as usize) else { return };
    // Void while it is written. A reader in the middle sees some of both, which harms nobody.
    place.task.store(0, Ordering::Relaxed);
    place.deadline_ns.store(hints.deadline_ns.unwrap_or(0), Ordering::Relaxed);
    place.class.store(hints.class.0, Ordering::Relaxed);
    place.tier.store(u8::from(hints.tier == Tier::Batch), Ordering::Relaxed);
    place.weight.store(hints.weight, Ordering::Relaxed);
    place.task.store(task.to_bits(), Ordering::Release);
}

fn refusal(tid: u32, error: CallError) -> JoinError {
    match error.errno() {
        libc::ESRCH => JoinError::Gone { tid },
        libc::ENOSPC => JoinError::Full { tid, max: revenant_bpf::abi::TASKS_MAX },
        libc::EEXIST => JoinError::Already { tid },
        libc::EINVAL => JoinError::NoEnclave,
        _ => JoinError::Refused { tid, source: error.source },
    }
}

/// Puts a thread into the fair class.
///
/// # Errors
/// `ESRCH`: it is gone.
pub fn to_fair(tid: u32) -> io::Result<()> {
    set_policy(tid, libc::SCHED_OTHER)
}

fn set_policy(tid: u32, policy: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameter` lives through the call.
    let result =
        unsafe { libc::sched_setscheduler(tid as libc::pid_t, policy, &raw const parameter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The live members of an enclave: thread ids and tasks.
pub fn list(scheduler: &Scheduler, enclave: u32) -> Vec<(u32, TaskId)> {
    let used = scheduler.machine().slots_used.load(Ordering::Relaxed) as usize;
    let words = scheduler.status_words().iter().take(used);
    let own = words.filter(|word| word.enclave.load(Ordering::Relaxed) == enclave);
    own.filter_map(|word| {
        let (task, status) = super::read(word)?;
        (status.state != TaskState::Dead).then(|| (word.tid.load(Ordering::Relaxed), task))
    })
    .collect()
}

/// The threads of a process.
///
/// # Errors
/// There is no such process.
pub fn threads_of(pid: u32) -> io::Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}
