//! An agent as a child of this process: for programs that bring their own policy.
//!
//! The child is forked, not executed: it needs the caller's policy as it is. Of the caller's threads
//! it has only the one that forked, so it must not wait for a lock another thread may hold; it
//! allocates (which the C library makes safe after a fork) and makes system calls, nothing else.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use revenant_bpf::Scheduler;

use super::{AgentError, AgentOptions, End, serve_global, serve_per_cpu};
use crate::backend::kernel::now_ns;
use crate::backend::threads::pause;
use crate::policy::Policy;

/// How long an agent may take to begin: its tables are a few megabytes to be locked into memory, and
/// emulated machines are slow.
const BEGIN_PATIENCE: Duration = Duration::from_secs(10);

/// What the child tells by its exit status.
const STATUS_FAILED: i32 = 1;

/// A running agent; it ends with this handle.
#[derive(Debug)]
pub struct AgentProcess {
    pid: libc::pid_t,
    enclave: u32,
}

/// Set by SIGTERM in the child. A static, since a signal handler has no other way to it.
static STOPS: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_signal: libc::c_int) {
    STOPS.store(true, Ordering::Relaxed);
}

impl AgentProcess {
    /// Starts an agent and waits until it serves.
    ///
    /// # Errors
    /// It could not be started, or ended at once; the system's log of the child is this process's
    /// standard error.
    pub fn start<P: Policy>(options: &AgentOptions, policy: P) -> Result<Self, AgentError> {
        Self::fork(options, || serve_global(options, policy, &STOPS))
    }

    /// Starts agents for every CPU, and waits until they serve.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn start_per_cpu<P: Policy + Send>(
        options: &AgentOptions,
        policies: impl FnMut() -> P,
    ) -> Result<Self, AgentError> {
        Self::fork(options, || serve_per_cpu(options, policies, &STOPS))
    }

    fn fork(
        options: &AgentOptions,
        serve: impl FnOnce() -> Result<End, AgentError>,
    ) -> Result<Self, AgentError> {
        let scheduler = Scheduler::open()?;
        super::check(&scheduler, options)?;
        // SAFETY: the child keeps to what the module's head says.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(AgentError::System { step: "be forked", source: io::Error::last_os_error() }),
            0 => child(serve),
            _ => {
                let mut process = Self { pid, enclave: options.enclave };
                process.wait_until_it_serves(&scheduler)?;
                Ok(process)
            }
        }
    }

    /// The child's process id.
    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.pid > 0 {
            let mut status = 0;
            // SAFETY: `status` is a valid place to write; the child is ours.
            if unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) } == self.pid {
                self.pid = 0;
            }
        }
        self.pid == 0
    }

    fn wait_until_it_serves(&mut self, scheduler: &Scheduler) -> Result<(), AgentError> {
        let record = &scheduler.enclaves()[self.enclave as usize];
        let until_ns = now_ns() + BEGIN_PATIENCE.as_nanos() as u64;
        while record.agent_tgid.load(Ordering::Acquire) != self.pid as u32 {
            let is_late = now_ns() > until_ns;
            if self.has_ended() || is_late {
                let source = match is_late {
                    true => io::Error::from(io::ErrorKind::TimedOut),
                    false => io::Error::other("it ended; it said why on standard error"),
                };
                return Err(AgentError::System { step: "begin to serve", source });
            }
            pause(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // SAFETY: the child is ours and was not waited for, so its number is still its own.
        unsafe {
            libc::kill(self.pid, libc::SIGTERM);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

fn child(serve: impl FnOnce() -> Result<End, AgentError>) -> ! {
    // SAFETY: the handler only stores to an atomic. An agent does not outlive the program it is part
    // of: the kernel ends it with its parent.
    unsafe {
        libc::signal(libc::SIGTERM, stop as *const () as libc::sighandler_t);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
    }
    let status = match serve() {
        Ok(End::SteppedDown | End::Dismissed | End::Stopped) => 0,
        Err(error) => {
            eprintln!("revenant agent: {error}");
            STATUS_FAILED
        }
    };
    // SAFETY: ends the child without running what the parent registered for its own end.
    unsafe { libc::_exit(status) }
}
