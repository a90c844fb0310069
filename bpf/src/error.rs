//! What can go wrong between this process and the kernel half.

use std::io;

/// The scheduler could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel was built without sched_ext.
    #[error(
        "this kernel ({release}) has no sched_ext: it needs Linux 6.13 or newer with CONFIG_SCHED_CLASS_EXT=y"
    )]
    NoSchedExt {
        /// `uname -r`.
        release: String,
    },
    /// The kernel has sched_ext, but an older one.
    #[error("this kernel ({release}) lacks {}: Linux 6.13 or newer has it", missing.join(", "))]
    Lacks {
        /// `uname -r`.
        release: String,
        /// Functions by name.
        missing: Vec<&'static str>,
    },
    /// Another scheduler is loaded; there can be one.
    #[error("another sched_ext scheduler is active: `{name}`; end it first, there can only be one")]
    Another {
        /// What it calls itself.
        name: String,
    },
    /// Not root.
    #[error(
        "loading a scheduler needs root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN): run it with sudo"
    )]
    NotRoot,
    /// `isolcpus=` on the kernel's command line.
    #[error(
        "the kernel was booted with isolcpus={cpus}, with which it refuses every sched_ext scheduler: boot without it, or use cpusets instead"
    )]
    IsolatedCpus {
        /// Which.
        cpus: String,
    },
    /// No BPF file system.
    #[error("no BPF file system at {at}: mount -t bpf bpf {at}")]
    NoBpffs {
        /// Where it should be.
        at: &'static str,
    },
    /// The machine is too big.
    #[error("this machine has {cpus} CPU numbers; the scheduler was built for {max}")]
    TooManyCpus {
        /// Numbers below this may exist.
        cpus: u32,
        /// The bound.
        max: usize,
    },
    /// The kernel refused a step.
    #[error("the kernel refused to {step}")]
    Refused {
        /// Which step.
        step: &'static str,
        /// What it said.
        #[source]
        source: libbpf_rs::Error,
    },
    /// A pin could not be made or removed.
    #[error("{path}: {source}")]
    Pin {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The scheduler was taken in and thrown out again.
    #[error("the kernel ended the scheduler at once: {reason}")]
    Ended {
        /// Its words.
        reason: String,
    },
}

/// The loaded scheduler could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is loaded.
    #[error("no Revenant scheduler is loaded: `revenant enclave create` loads it")]
    NotLoaded,
    /// It is there, but not for this user.
    #[error("{path}: permission denied: run it with sudo")]
    Denied {
        /// What could not be opened.
        path: String,
    },
    /// It was loaded by a build with other structures.
    #[error(
        "the loaded scheduler speaks ABI {theirs}, this program {ours}: destroy its enclaves with the version that made them"
    )]
    AbiMismatch {
        /// The kernel half's.
        theirs: u32,
        /// This build's.
        ours: u32,
    },
    /// A pin could not be opened or mapped.
    #[error("{path}: {source}")]
    Pin {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A call of the kernel half failed.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {source}")]
pub struct CallError {
    /// Which call.
    pub call: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl CallError {
    /// The error number, 0 if there is none.
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}
