//! SIGURG: how a worker that passes no safepoint is made to look.
//!
//! SIGURG is ignored by default, debuggers pass it through, and Go chose it for the same purpose.
//! A standard signal, so that resends merge instead of queueing. No SA_NODEFER: the handler is not
//! interrupted by itself, also not while its thread is parked in it. No SA_ONSTACK: a thread parks
//! *in* the handler, and an alternate stack has room for one. SA_RESTART: system calls that can be
//! restarted are.
//!
//! An application's own handler that was there before is called for every SIGURG that is not ours.
//! One installed later replaces ours: requests then lose their CPU at safepoints only, and the
//! statistics show signals that nobody answers.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::shared::Shared;
use super::worker::{How, Worker, preempt_point};

/// Which runtime and worker a thread belongs to.
#[derive(Clone, Copy)]
struct Bound {
    shared: *const Shared,
    worker: *const Worker,
}

thread_local! {
    /// Constant-initialised and without a destructor: a signal handler may read it.
    static BOUND: Cell<Option<Bound>> = const { Cell::new(None) };
}

/// While it lives, the calling thread is the worker it was made for.
#[derive(Debug)]
pub(super) struct Binding<'r>(PhantomData<(&'r Worker, *const ())>);

/// Makes the calling thread `worker`.
pub(super) fn bind<'r>(shared: &'r Shared, worker: &'r Worker) -> Binding<'r> {
    BOUND.set(Some(Bound { shared, worker }));
    Binding(PhantomData)
}

impl Drop for Binding<'_> {
    fn drop(&mut self) {
        BOUND.set(None);
    }
}

/// The runtime and worker of the calling thread.
pub(super) fn bound<'r>() -> Option<(&'r Shared, &'r Worker)> {
    // SAFETY: the pointers were made from references that the thread's `Binding` borrows, and the
    // binding's drop clears them. `'r` ends before it: callers are further up the same stack.
    BOUND.get().map(|bound| unsafe { (&*bound.shared, &*bound.worker) })
}

/// What SIGURG did before us.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once a process.
pub(super) fn install() {
    PREVIOUS.get_or_init(|| {
        // SAFETY: an all-zero sigaction is valid: default action, empty mask.
        let (mut ours, mut previous) =
            unsafe { (std::mem::zeroed::<libc::sigaction>(), std::mem::zeroed()) };
        ours.sa_sigaction = handle as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: both structures are valid; the handler is async-signal-safe (see `handle`).
        let code = unsafe { libc::sigaction(libc::SIGURG, &raw const ours, &raw mut previous) };
        assert_eq!(code, 0, "SIGURG can be handled on every Linux");
        previous
    });
}

/// Interrupts thread `tid` of this process.
pub(super) fn send(tid: libc::pid_t) {
    // SAFETY: at worst the thread is gone, which is an error code nobody needs.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGURG) };
}

/// The handler. Async-signal-safe: it reads thread-local cells and atomics, and parks by futex.
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: errno is the calling thread's own.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the kernel hands an SA_SIGINFO handler a valid siginfo.
    let is_ours = unsafe { (*info).si_code } == libc::SI_TKILL;
    match bound().filter(|_| is_ours) {
        Some((shared, worker)) => preempt_point(shared, worker, How::Signal),
        None => call_previous(signal, info, context),
    }
    // SAFETY: as above. The interrupted code must find errno as it was.
    unsafe { *libc::__errno_location() = errno };
}

fn call_previous(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(previous) = PREVIOUS.get() else { return };
    match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {}
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the application installed it with SA_SIGINFO, so it has this signature.
            let handler: extern "C" fn(_, _, _) = unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: the application installed it without SA_SIGINFO, so it has this signature.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}
