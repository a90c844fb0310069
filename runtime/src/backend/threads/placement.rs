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

/// A tenth of the weight of the others. Halved, a dispatcher that had a burst of requests waits for
/// 3 ms now and then; doubled, other processes on the CPU leave the workers nothing.
const MEEK_NICE: i32 = 10;

/// The shortest slice the kernel grants.
const PROMPT_SLICE_NS: u64 = 100_000;

/// Puts the calling thread under `policy`; refused silently by some sandboxes, where the default
/// policy merely costs an extra switch now and then.
pub(crate) fn adopt(policy: KernelPolicy) {
    let (number, nice, slice_ns) = match policy {
        KernelPolicy::Prompt => (libc::SCHED_OTHER, 0, PROMPT_SLICE_NS),
        KernelPolicy::Batch => (libc::SCHED_BATCH, 0, 0),
        KernelPolicy::Meek => (libc::SCHED_BATCH, MEEK_NICE, 0),
        KernelPolicy::Idle => (libc::SCHED_IDLE, 0, 0),
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
