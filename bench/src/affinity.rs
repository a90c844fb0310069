//! Which CPUs a thread may run on.

use std::io;

use revenant::cpu::{CPUS_MAX, CpuId, CpuSet};

/// CPUs the calling thread may use.
///
/// # Errors
/// When the kernel has more CPUs than its C library's fixed mask (1024).
pub fn allowed() -> io::Result<CpuSet> {
    // SAFETY: an all-zero mask is a valid, empty one.
    let mut mask: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the size is that of the mask behind the pointer.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&mask), &raw mut mask) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut cpus = CpuSet::EMPTY;
    for cpu in 0..CPUS_MAX {
        // SAFETY: CPUS_MAX (512) lies within the mask's 1024 bits.
        if unsafe { libc::CPU_ISSET(cpu, &mask) } {
            cpus.insert(CpuId(cpu as u16));
        }
    }
    Ok(cpus)
}

/// Keeps the calling thread on `cpus` from now on.
///
/// # Errors
/// When none of them is available to this process.
pub fn confine(cpus: &CpuSet) -> io::Result<()> {
    // SAFETY: an all-zero mask is a valid, empty one.
    let mut mask: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter() {
        // SAFETY: a CpuId is below CPUS_MAX (512), within the mask's 1024 bits.
        unsafe { libc::CPU_SET(cpu.index(), &mut mask) };
    }
    // SAFETY: the size is that of the mask behind the pointer.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&mask), &raw const mask) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The CPU the calling thread runs on; it may have moved before the caller looks at the answer.
#[must_use]
pub fn here() -> CpuId {
    // SAFETY: takes nothing, touches nothing of ours.
    let cpu = unsafe { libc::sched_getcpu() };
    CpuId(u16::try_from(cpu).expect("a running thread has a CPU"))
}

/// The calling thread on one CPU for a while; dropped, it gives back the CPUs it had.
#[derive(Debug)]
pub struct Visit {
    before: CpuSet,
}

impl Visit {
    /// Moves the calling thread to `cpu`.
    ///
    /// # Errors
    /// When the CPU is not available to this process.
    pub fn to(cpu: CpuId) -> io::Result<Self> {
        let before = allowed()?;
        confine(&CpuSet::from_iter([cpu]))?;
        Ok(Self { before })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // The CPUs were taken away meanwhile: staying where we are is all there is left to do.
        let _ = confine(&self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_ends_where_it_began() {
        let before = allowed().unwrap();
        let cpu = before.first().expect("this thread runs somewhere");
        {
            let _visit = Visit::to(cpu).unwrap();
            assert_eq!(allowed().unwrap().iter().collect::<Vec<_>>(), [cpu]);
            assert_eq!(here(), cpu);
        }
        assert!(allowed().unwrap() == before);
    }
}
