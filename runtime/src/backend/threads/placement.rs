//! Which CPU a thread runs on, and under which of the kernel's policies. Needs no privilege.

use std::io;

use crate::cpu::{CPUS_MAX, CpuId, CpuSet};

/// The CPUs the calling thread may use: the affinity mask, already narrowed by any cpuset.
///
/// # Errors
/// The kernel's, if it has more CPUs than [`CPUS_MAX`] or the call is forbidden.
pub fn allowed_cpus() -> io::Result<CpuSet> {
    affinity_of(0)
}

/// The CPUs thread `tid` (0: the calling one) may use.
///
/// # Errors
/// As of [`allowed_cpus`]; or the thread is gone.
pub fn affinity_of(tid: libc::pid_t) -> io::Result<CpuSet> {
    // SAFETY: an all-zero cpu_set_t is a valid, empty set.
    let mut mask: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `mask` is a valid place of the size stated.
    let code = unsafe { libc::sched_getaffinity(tid, size_of::<libc::cpu_set_t>(), &raw mut mask) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    let is_set = |cpu: &usize| {
        // SAFETY: the index is below the set's size, 1024.
        unsafe { libc::CPU_ISSET(*cpu, &mask) }
    };
    Ok((0..CPUS_MAX).filter(is_set).map(|cpu| CpuId(cpu as u16)).collect())
}

/// Restricts thread `tid` (0: the calling one) to `cpus`.
///
/// # Errors
/// The kernel's: none of the CPUs is in the process's cpuset, or the thread is gone.
pub fn pin(tid: libc::pid_t, cpus: &CpuSet) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is a valid, empty set.
    let mut mask: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter() {
        // SAFETY: CPU numbers are below CPUS_MAX, which is below the set's size.
        unsafe { libc::CPU_SET(cpu.index(), &mut mask) };
    }
    // SAFETY: `mask` is a valid set of the size stated.
    match unsafe { libc::sched_setaffinity(tid, size_of::<libc::cpu_set_t>(), &raw const mask) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The kernel's policies an unprivileged thread may choose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KernelPolicy {
    /// Takes the CPU from others of its class when it wakes up, from Linux 6.12 on: EEVDF lets
    /// whoever asked for a shorter slice go first. For who works briefly and is waited for.
    Prompt,
    /// Does not preempt on wake-up: whoever wakes a successor gets to park before it runs.
    Batch,
    /// The same with a tenth of the weight: beside a dispatcher on the same CPU, which must be owed
    /// CPU time whenever it wakes up, or EEVDF would let the worker finish its slice first.
    Meek,
    /// Runs only when nothing else on the CPU wants to.
    Idle,
}

/// Added to the niceness of a meek thread, which then has a tenth of the weight. With all of it, every
/// tenth request of a busy server waited for the rest of a worker's slice, 2 to 3 ms; with a hundredth
/// (19), other processes on the CPU would leave the workers nothing.
const MEEK_NICE: i32 = 10;

/// The most there is.
const NICE_MAX: i32 = 19;

/// The shortest slice the kernel grants.
const PROMPT_SLICE_NS: u64 = 100_000;

/// Puts the calling thread under `policy`; refused silently by some sandboxes, where the default
/// policy merely costs an extra switch now and then.
pub(crate) fn adopt(policy: KernelPolicy) {
    // A process that was started nice stays so; less would take a privilege, and the call refuse all.
    // SAFETY: has no preconditions; 0 is the caller.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let (number, nice, slice_ns) = match policy {
        KernelPolicy::Prompt => (libc::SCHED_OTHER, nice, PROMPT_SLICE_NS),
        KernelPolicy::Batch => (libc::SCHED_BATCH, nice, 0),
        KernelPolicy::Meek => (libc::SCHED_BATCH, (nice + MEEK_NICE).min(NICE_MAX), 0),
        KernelPolicy::Idle => (libc::SCHED_IDLE, nice, 0),
    };
    // SAFETY: all zeroes are a valid set of attributes.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    attributes.size = size_of::<libc::sched_attr>() as u32;
    attributes.sched_policy = number as u32;
    attributes.sched_nice = nice;
    // The kernel calls the slice of a fair thread its runtime; 0 is the default.
    attributes.sched_runtime = slice_ns;
    const NO_FLAGS: libc::c_uint = 0;
    // SAFETY: thread 0 is the caller; the kernel reads `size` bytes, all initialised.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, NO_FLAGS) };
}

/// The calling thread's id, for signals and affinity.
pub(super) fn own_tid() -> libc::pid_t {
    // SAFETY: has no preconditions.
    unsafe { libc::gettid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's policy and niceness of a thread of niceness 5 that adopts a policy.
    fn adopted(policy: KernelPolicy) -> (i32, i32) {
        let adopt_one = move || {
            // SAFETY: has no preconditions; of this thread alone.
            assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) }, 0);
            adopt(policy);
            // SAFETY: has no preconditions; 0 is the caller.
            unsafe { (libc::sched_getscheduler(0), libc::getpriority(libc::PRIO_PROCESS, 0)) }
        };
        std::thread::spawn(adopt_one).join().unwrap()
    }

    #[test]
    fn a_thread_that_was_nice_is_no_less_so_afterwards() {
        assert_eq!(adopted(KernelPolicy::Prompt), (libc::SCHED_OTHER, 5));
        assert_eq!(adopted(KernelPolicy::Batch), (libc::SCHED_BATCH, 5));
        assert_eq!(adopted(KernelPolicy::Meek), (libc::SCHED_BATCH, 15));
        assert_eq!(adopted(KernelPolicy::Idle), (libc::SCHED_IDLE, 5));
    }
}
