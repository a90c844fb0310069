//! Which backend a runtime is put on.

use std::fmt;
use std::str::FromStr;

/// What schedules a runtime's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// This process's own threads, preempted by the runtime itself. Needs no privilege.
    #[default]
    Threads,
    /// The kernel's sched_ext: workers are threads of an enclave, which an agent process serves with
    /// the runtime's policy. Needs Linux 6.13, root, and the cargo feature `kernel`.
    Kernel,
    /// The kernel if it is there and permitted, else threads. [`crate::Runtime::backend`] says which,
    /// and why.
    Auto,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Threads => "threads",
            Self::Kernel => "kernel",
            Self::Auto => "auto",
        })
    }
}

impl FromStr for BackendKind {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        match name {
            "threads" => Ok(Self::Threads),
            "kernel" => Ok(Self::Kernel),
            "auto" => Ok(Self::Auto),
            _ => Err(UnknownBackend(name.to_owned())),
        }
    }
}

/// No backend has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no backend called `{0}`: it is threads, kernel or auto")]
pub struct UnknownBackend(String);

/// The backend a runtime is on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Never [`BackendKind::Auto`].
    pub kind: BackendKind,
    /// In words.
    pub reason: String,
}

impl BackendKind {
    /// What the choice comes to on this machine.
    pub(super) fn resolve(self) -> Chosen {
        let chosen = |kind, reason: String| Chosen { kind, reason };
        match (self, kernel_obstacle()) {
            (Self::Auto, None) => {
                chosen(Self::Kernel, "sched_ext is there and permitted".to_owned())
            }
            (Self::Auto, Some(obstacle)) => chosen(Self::Threads, obstacle),
            (asked, _) => chosen(asked, "it was asked for".to_owned()),
        }
    }
}

/// What keeps this process from the kernel's backend.
#[cfg(feature = "kernel")]
fn kernel_obstacle() -> Option<String> {
    // One of ours that is loaded already is nothing in the way.
    let is_alive = |scheduler: revenant_bpf::Scheduler| scheduler.exit().is_none();
    if revenant_bpf::Scheduler::open().is_ok_and(is_alive) {
        return None;
    }
    revenant_bpf::kernel::check().err().map(|error| error.to_string())
}

/// As above.
#[cfg(not(feature = "kernel"))]
fn kernel_obstacle() -> Option<String> {
    Some("this program was built without the cargo feature `kernel` of crate revenant".to_owned())
}
