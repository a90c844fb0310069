//! A program that is started as a member of an enclave.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;

use anyhow::anyhow;
use revenant::backend::kernel::members::{self, JoinError};
use revenant::hint::{ClassId, Hints, Tier};
use revenant_bpf::Scheduler;

use crate::cli::ClassChoice;
use crate::failure::Failure;

/// As shells report a program that is not there, or not to be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// As shells report a program that a signal ended: this, and the signal's number.
const BY_SIGNAL: i32 = 128;

/// Why there is no program to wait for.
#[derive(Debug)]
pub(crate) enum NoProgram {
    /// The exit code that says so, which is the program's.
    Code(u8, anyhow::Error),
    /// It is our fault.
    Failure(Failure),
}

/// Starts the program. It joins the enclave before it is executed, so that all it ever starts is
/// a member, too.
pub(crate) fn start(
    scheduler: &Arc<Scheduler>,
    enclave: u32,
    class: Option<ClassChoice>,
    words: &[OsString],
) -> Result<Child, NoProgram> {
    let (name, arguments) = words.split_first().expect("the command line requires a program");
    let mut command = Command::new(name);
    command.args(arguments);
    let (scheduler, hints) = (Arc::clone(scheduler), hints(class));
    let join = move || {
        let joined = members::join_with(&scheduler, enclave, std::process::id(), &hints);
        joined.map(drop).map_err(as_io)
    };
    // SAFETY: between fork and exec the closure makes system calls and stores to mapped memory. It
    // allocates nothing, and waits for no lock.
    unsafe { command.pre_exec(join) };
    command.spawn().map_err(|error| {
        let name = name.to_string_lossy().into_owned();
        match error.raw_os_error() {
            Some(libc::ENOENT) => {
                NoProgram::Code(NOT_FOUND, anyhow!("there is no program `{name}`"))
            }
            Some(libc::EACCES | libc::ENOEXEC) => {
                NoProgram::Code(NOT_EXECUTABLE, anyhow!("`{name}` cannot be executed: {error}"))
            }
            Some(libc::ENOSPC) => NoProgram::Failure(Failure::Failed(anyhow!(
                "`{name}` cannot join the enclave: all status words are in use"
            ))),
            _ => {
                NoProgram::Failure(Failure::Failed(anyhow!("`{name}` cannot be started: {error}")))
            }
        }
    })
}

/// Only error numbers come back from a process that is not executed.
fn as_io(error: JoinError) -> io::Error {
    io::Error::from_raw_os_error(match error {
        JoinError::Gone { .. } => libc::ESRCH,
        JoinError::Full { .. } => libc::ENOSPC,
        JoinError::Already { .. } => libc::EEXIST,
        JoinError::NoEnclave => libc::EINVAL,
        JoinError::Refused { source, .. } => source.raw_os_error().unwrap_or(libc::EPERM),
    })
}

/// What the policy is told of the program.
fn hints(class: Option<ClassChoice>) -> Hints {
    match class {
        None => Hints::default(),
        Some(ClassChoice::Batch) => Hints { tier: Tier::Batch, ..Hints::default() },
        Some(ClassChoice::Number(number)) => Hints { class: ClassId(number), ..Hints::default() },
    }
}

/// A program's end as this command's exit code.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    u8::try_from(code.unwrap_or(BY_SIGNAL)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_end_is_told_as_shells_do() {
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(libc::SIGTERM)), 143);
    }
}
