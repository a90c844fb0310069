//! The clock of this backend: nanoseconds of CLOCK_MONOTONIC.
//!
//! Read through the vDSO (about 25 ns), so that a signal handler may read it too.

/// Now, in nanoseconds since an arbitrary start that all threads share.
pub(crate) fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux")
}

/// CPU time the thread behind `clock` has used; `None` once the thread is gone.
pub(super) fn thread_cpu_ns(clock: libc::clockid_t) -> Option<u64> {
    clock_ns(clock)
}

/// The clock of the calling thread's CPU time, readable by every thread of the process.
pub(super) fn own_cpu_clock() -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: pthread_self is the calling, hence living, thread; `clock` is a valid place to write.
    let code = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
    assert_eq!(code, 0, "a living thread has a CPU clock");
    clock
}

fn clock_ns(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write; an unknown clock is an error code, not a fault.
    let code = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (code == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
