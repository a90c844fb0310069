//! What lies in /run: logs of keepers and agents, and the lock that commands take turns by.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::failure::Failure;

/// Gone after a restart of the machine, as enclaves are.
const FOLDER: &str = "/run/revenant";
/// Lines of a log that tell why something did not work.
const TAIL_LINES: usize = 5;

/// By this the line of a keeper is known that says why an enclave ended.
pub(crate) const DESTROYED: &str = "was destroyed:";

/// The turn of one command to make and end enclaves. Others wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for the turn.
    pub(crate) fn take() -> Result<Self, Failure> {
        let path = format!("{FOLDER}/lock");
        let taken = fs::create_dir_all(FOLDER).and_then(|()| lock(&path));
        let file = taken.with_context(|| format!("{path} cannot be locked"));
        Ok(Self { _file: file.map_err(Failure::Cannot)? })
    }
}

fn lock(path: &str) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    loop {
        // SAFETY: no pointers; the descriptor is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } == 0 {
            return Ok(file);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Where the keeper and the agents of an enclave write.
pub(crate) fn log_path(name: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{name}.log"))
}

/// Begins the log of an enclave anew. Whoever still writes to an earlier one's has that.
pub(crate) fn begin_log(name: &str) -> io::Result<()> {
    match fs::remove_file(log_path(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The log of an enclave, to add to.
pub(crate) fn log(name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(log_path(name))
}

/// Why the last enclave with this name was destroyed, if its keeper had to say so.
pub(crate) fn end_of(name: &str) -> Option<String> {
    let text = fs::read_to_string(log_path(name)).ok()?;
    let line = text.lines().rfind(|line| line.contains(DESTROYED))?;
    // Without who says it.
    Some(line.split_once(": ").map_or(line, |(_, said)| said).to_owned())
}

/// The last lines of an enclave's log, as part of an error.
pub(crate) fn log_tail(name: &str) -> String {
    let path = log_path(name);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    format!("the end of {}:\n    {}", path.display(), tail.join("\n    "))
}
