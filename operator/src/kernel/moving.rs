//! The command `move`: processes into an enclave, and back.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use anyhow::anyhow;
use revenant::backend::kernel::members::{self, JoinError};
use revenant_bpf::Scheduler;
use serde_json::{Value, json};

use super::session;
use crate::cli::Move;
use crate::failure::Failure;

/// Looks for threads that were started while others were moved. What a moved thread starts is moved
/// with it, so each look finds fewer.
const LOOKS: usize = 20;
/// `PF_KTHREAD`, from the kernel's `include/linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// From the kernel's `include/uapi/linux/sched.h`.
const SCHED_EXT: i32 = 7;

/// Moves all threads of the processes named.
pub(crate) fn move_processes(options: &Move, json: bool) -> Result<u8, Failure> {
    let scheduler = session::open(options.enclave.as_ref())?;
    let target = match &options.enclave {
        Some(name) => Some(session::find(&scheduler, name)?),
        None => None,
    };
    let mut moved: Vec<Value> = Vec::new();
    let mut failed: Vec<Value> = Vec::new();
    for pid in options.pids.iter().copied() {
        match move_process(&scheduler, target, pid) {
            Ok(threads) => moved.push(json!({ "pid": pid, "threads": threads })),
            Err(error) => {
                eprintln!("revenant: process {pid}: {error:#}");
                failed.push(json!({ "pid": pid, "error": format!("{error:#}") }));
            }
        }
    }
    if json {
        println!("{}", json!({ "moved": moved, "failed": failed }));
    } else if !moved.is_empty() {
        let threads: u64 = moved.iter().filter_map(|one| one["threads"].as_u64()).sum();
        let place = options.enclave.as_ref().map(|name| format!("enclave `{name}`"));
        let place = place.unwrap_or_else(|| "the fair class".to_owned());
        eprintln!("revenant: {threads} threads of {} processes are in {place}", moved.len());
    }
    match failed.len() {
        0 => Ok(0),
        count => Err(Failure::Failed(anyhow!(
            "{count} of {} processes were not moved",
            options.pids.len()
        ))),
    }
}

/// Moves every thread of a process. Returns how many there were.
fn move_process(scheduler: &Scheduler, target: Option<u32>, pid: u32) -> anyhow::Result<usize> {
    check(scheduler, pid)?;
    let mut done = BTreeSet::new();
    for _ in 0..LOOKS {
        let threads = members::threads_of(pid).map_err(|_| anyhow!("there is no such process"))?;
        let new: Vec<u32> = threads.into_iter().filter(|tid| !done.contains(tid)).collect();
        if new.is_empty() {
            break;
        }
        for tid in new {
            move_thread(scheduler, target, tid)?;
            done.insert(tid);
        }
    }
    Ok(done.len())
}

/// Agents, keepers and the kernel's own threads must stay where they are.
fn check(scheduler: &Scheduler, pid: u32) -> anyhow::Result<()> {
    let serves = |record: &revenant_bpf::abi::Enclave| {
        let ids = [&record.agent_tgid, &record.keeper_tgid];
        ids.iter().any(|id| id.load(Ordering::Relaxed) == pid)
    };
    if pid == 0 {
        return Err(anyhow!("there is no such process"));
    }
    if pid == 1 || scheduler.enclaves().iter().any(serves) {
        return Err(anyhow!("it schedules others (an agent, a keeper or the first process)"));
    }
    if is_kernel_thread(pid) {
        return Err(anyhow!("it is a thread of the kernel"));
    }
    Ok(())
}

fn is_kernel_thread(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything; flags are the seventh word after it.
    let flags = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(6));
    flags
        .and_then(|flags| flags.parse::<u64>().ok())
        .is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

fn move_thread(scheduler: &Scheduler, target: Option<u32>, tid: u32) -> anyhow::Result<()> {
    let Some(enclave) = target else { return back(tid) };
    match members::join(scheduler, enclave, tid) {
        Err(JoinError::Already { .. }) if is_member(scheduler, enclave, tid) => Ok(()),
        Err(JoinError::Already { .. }) => {
            // Of another enclave, or of none any more: it leaves that first.
            back(tid)?;
            gone_is_moved(members::join(scheduler, enclave, tid))
        }
        other => gone_is_moved(other),
    }
}

fn is_member(scheduler: &Scheduler, enclave: u32, tid: u32) -> bool {
    members::list(scheduler, enclave).iter().any(|(member, _)| *member == tid)
}

/// A thread that ended while its process was moved is not missing.
fn gone_is_moved<T>(result: Result<T, JoinError>) -> anyhow::Result<()> {
    match result {
        Ok(_) | Err(JoinError::Gone { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Threads of other classes stay in theirs.
fn back(tid: u32) -> anyhow::Result<()> {
    // SAFETY: no pointers.
    let policy = unsafe { libc::sched_getscheduler(tid as libc::pid_t) };
    if policy != SCHED_EXT {
        return Ok(());
    }
    match members::to_fair(tid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_the_kernel_are_known() {
        assert!(!is_kernel_thread(std::process::id()));
        // Where there is a namespace of processes, number 2 is anybody's, or nobody's.
        if super::super::process::name(2) == "kthreadd" {
            assert!(is_kernel_thread(2));
        }
    }
}
