//! A server as a process of ours, from its start to its end.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::thread;

use revenant::cpu::CpuSet;
use thiserror::Error;

use super::{Contender, Shares};
use crate::affinity;

/// Why a server does not serve.
#[derive(Debug, Error)]
pub enum ServedError {
    /// It could not be started.
    #[error("cannot start {contender}: {source}; `cargo build --release --workspace` builds it")]
    Start {
        /// Which.
        contender: Contender,
        /// What the system said.
        source: io::Error,
    },
    /// It did not say where it listens.
    #[error("{contender} ended before it listened; what it says about that is above")]
    Silent {
        /// Which.
        contender: Contender,
    },
}

/// A server that runs. Ended, by its process id, when dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    /// Starts a server on `cpus` and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, or ends at once.
    pub fn start(contender: Contender, cpus: &CpuSet, shares: Shares) -> Result<Self, ServedError> {
        let start_error = |source| ServedError::Start { contender, source };
        let program = std::env::current_exe().map_err(start_error)?;
        let folder = program.parent().expect("a program lies in a folder");
        let mut command = contender.command(folder, shares);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // Ctrl-C in a terminal goes to a whole group: it ends the run, which still needs its server.
        command.process_group(0);
        // A child inherits the CPUs of the thread that starts it: one that does nothing else.
        let spawned = thread::scope(|scope| {
            let spawn = || affinity::confine(cpus).and_then(|()| command.spawn());
            scope.spawn(spawn).join().expect("it does not panic")
        });
        let mut child = spawned.map_err(start_error)?;
        let out = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(out).read_line(&mut line);
        let address = line.trim().strip_prefix("listening on ").and_then(|at| at.parse().ok());
        match (read, address) {
            (Ok(_), Some(address)) => Ok(Self { child, address }),
            _ => {
                end(&mut child);
                Err(ServedError::Silent { contender })
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Ends a process and takes leave of it.
fn end(child: &mut Child) {
    // Both fail only if it is gone already.
    let _gone = child.kill();
    let _status = child.wait();
}

impl Drop for Served {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
