//! Signals that ask a command to end, kept until it looks.

use std::sync::atomic::{AtomicI32, Ordering};

/// What asks a program to end.
const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Nothing came.
const NONE: i32 = 0;

/// The signal that came last. Statics, since a signal handler has no other way to them.
static LAST: AtomicI32 = AtomicI32::new(NONE);
/// The same, if it came from a process, so that others need to be told of it: those of the terminal
/// reach every program in front of it.
static FROM_PROCESS: AtomicI32 = AtomicI32::new(NONE);

extern "C" fn note(signal: i32, information: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives the handler a valid structure.
    let code = unsafe { (*information).si_code };
    // Numbers above 0 are the kernel's own.
    if code <= 0 {
        FROM_PROCESS.store(signal, Ordering::Relaxed);
    }
    LAST.store(signal, Ordering::Relaxed);
}

/// Keeps signals from ending this process, from now on.
pub(crate) fn keep() {
    for signal in ENDING {
        // SAFETY: an all-zero structure is a valid one; its fields are set below.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as *const () as libc::sighandler_t;
        // Without SA_RESTART: waits shall end.
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler stores to atomics, which is allowed in one.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// Whether a signal asked for the end.
pub(crate) fn came() -> bool {
    LAST.load(Ordering::Relaxed) != NONE
}

/// The signal that is to be passed on, once.
pub(crate) fn to_pass_on() -> Option<i32> {
    let signal = FROM_PROCESS.swap(NONE, Ordering::Relaxed);
    (signal != NONE).then_some(signal)
}
