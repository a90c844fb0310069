//! Who can be compared.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use thiserror::Error;

use crate::peer::Peer;

/// A server, and how it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The server of this project: short commands on its dispatcher, long ones on workers.
    Revenant,
    /// The same with every command on workers.
    RevenantWorkers,
    /// A rival.
    Peer(Peer),
}

/// Whether a server may use the generator's CPU, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// It may.
    Yes,
    /// It has CPUs of its own.
    No,
}

/// No contender is called so.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no server `{name}`; there are: {}", names().join(", "))]
pub struct UnknownContender {
    name: String,
}

fn names() -> Vec<&'static str> {
    Contender::all().map(Contender::name).collect()
}

impl Contender {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Revenant, Self::RevenantWorkers].into_iter().chain(Peer::ALL.map(Self::Peer))
    }

    /// What command lines and reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revenant => "revenant",
            Self::RevenantWorkers => "revenant-workers",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// Whether it is a rival.
    #[must_use]
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// Whether it keeps what is written to it.
    #[must_use]
    pub fn has_a_store(self) -> bool {
        self != Self::Peer(Peer::SpinningEcho)
    }

    /// The command that starts it on any free port, beside the generator on the same CPU if it
    /// `shares` that. `folder` has this project's programs.
    #[must_use]
    pub(super) fn command(self, folder: &Path, shares: Shares) -> Command {
        let program = |name: &str| -> PathBuf { folder.join(name) };
        let mut command;
        match self {
            Self::Peer(peer) => {
                command = Command::new(program("revenant-bench"));
                command.args(["peer", peer.name()]);
            }
            Self::Revenant | Self::RevenantWorkers => {
                command = Command::new(program("revenant-server"));
                command.args(["--inline", if self == Self::Revenant { "true" } else { "false" }]);
                if shares == Shares::Yes {
                    command.arg("--share-cpu");
                }
            }
        }
        command.args(["--listen", "127.0.0.1:0"]);
        command
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Contender {
    type Err = UnknownContender;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::all().find(|contender| contender.name() == name);
        found.ok_or_else(|| UnknownContender { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_is_found_by_its_name() {
        for contender in Contender::all() {
            assert_eq!(contender.name().parse(), Ok(contender));
        }
        let error = "nginx".parse::<Contender>().unwrap_err().to_string();
        assert!(error.contains("nginx") && error.contains("tokio"), "{error}");
    }
}
