//! Other processes, by their ids.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// A process that is told apart from a later one with its number.
#[derive(Debug)]
pub(crate) struct Process {
    fd: OwnedFd,
}

impl Process {
    /// The process with this id, unless it has ended.
    pub(crate) fn open(pid: u32) -> Option<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: a new descriptor, which nobody else has.
        Some(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Waits until it has ended, a signal came or the time is over. Whether it has ended.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one structure, which lives through the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        ready == 1 && poll.revents & libc::POLLIN != 0
    }

    /// Sends it a signal. To one that has ended, that does nothing.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: no information is attached to the signal.
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            );
        }
    }

    /// Asks it to end, and makes it if it does not within `patience`.
    pub(crate) fn end(&self, patience: Duration) {
        if self.wait(patience) {
            return;
        }
        self.signal(libc::SIGKILL);
        // A process in the kernel may take a moment to die.
        self.wait(patience);
    }
}

/// Whether `pid` is a keeper of ours, and not a later process with its number.
pub(crate) fn is_keeper(pid: u32) -> bool {
    pid != 0 && does(pid, b"keep")
}

/// An agent that this program has started. Those of other programs are theirs to end.
pub(crate) fn own_agent(pid: u32) -> Option<Process> {
    let process = Process::open(pid)?;
    does(pid, b"agent").then_some(process)
}

fn does(pid: u32, command: &[u8]) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(command)
}

/// What a thread calls itself; empty if it is gone.
pub(crate) fn name(tid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{tid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Gives this process a name by which lists of processes show what it does. At most 15 bytes.
pub(crate) fn call_itself(name: &std::ffi::CStr) {
    // SAFETY: a string with its zero, of which the kernel copies what fits.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: no pointers.
    unsafe { libc::geteuid() == 0 }
}

/// Makes the calling process the leader of a session of its own, which no terminal ends.
pub(crate) fn leave_session() -> io::Result<()> {
    // SAFETY: no pointers.
    if unsafe { libc::setsid() } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_waited_for_and_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        assert!(!process.wait(Duration::ZERO));
        process.end(Duration::ZERO);
        assert!(process.wait(Duration::from_secs(10)));
        child.wait().unwrap();
        assert!(Process::open(child.id()).is_none());
    }

    #[test]
    fn this_process_is_no_keeper() {
        assert!(!is_keeper(std::process::id()) && !is_keeper(0));
    }
}
