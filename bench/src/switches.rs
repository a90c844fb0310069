//! Involuntary context switches: how often the kernel took the CPU from a thread that wanted it.

/// Counts those of the whole process, finished threads included, from its beginning on.
#[derive(Clone, Copy, Debug)]
pub struct InvoluntarySwitches {
    before: u64,
}

impl InvoluntarySwitches {
    /// Starts counting.
    #[must_use]
    pub fn begin() -> Self {
        Self { before: of_process() }
    }

    /// How many there were since.
    #[must_use]
    pub fn so_far(&self) -> u64 {
        of_process().saturating_sub(self.before)
    }
}

fn of_process() -> u64 {
    // SAFETY: all zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for writing through the call.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(result, 0, "getrusage of the own process does not fail");
    usage.ru_nivcsw as u64
}
