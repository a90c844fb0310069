//! The kernel's monotonic clock, and the time of one run.

use std::sync::atomic::{AtomicU64, Ordering};

/// CLOCK_MONOTONIC: the clock of every stamp, so that a stamp taken on one CPU can be compared with
/// one taken on another.
#[must_use]
pub fn monotonic_ns() -> u64 {
    read_ns(libc::CLOCK_MONOTONIC)
}

/// CPU time that the calling thread has used.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    read_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that lives through the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "both clocks exist on every Linux");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Time since the start of a plan. Set going once all threads are ready, long after they got it.
#[derive(Debug, Default)]
pub struct Clock {
    zero_ns: AtomicU64,
}

impl Clock {
    /// The plan starts now.
    pub fn start(&self) {
        self.zero_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// Time since the start.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.since_start_ns(monotonic_ns())
    }

    /// A reading of [`monotonic_ns`] as time since the start; 0 for what was before it.
    #[must_use]
    pub fn since_start_ns(&self, monotonic_ns: u64) -> u64 {
        // Relaxed: whoever reads was handed a request, and that hand-over orders the start.
        monotonic_ns.saturating_sub(self.zero_ns.load(Ordering::Relaxed))
    }
}
