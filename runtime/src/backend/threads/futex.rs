//! Sleeping on a word: the kernel's futex, private to this process.

use std::time::Duration;

use crate::sync::AtomicU32;

/// Sleeps while `word` holds `expected`, until woken, interrupted, or `timeout` has passed. May
/// return early; callers look at the word again.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word and the timeout outlive the call; the kernel only reads them.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            timeout,
        );
    }
}

/// Wakes at most `count` threads that sleep on `word`.
pub(super) fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: the kernel uses the word's address as a key and does not touch the memory.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            count,
        );
    }
}
