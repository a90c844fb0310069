//! Why a runtime could not be built.

use std::io;

use crate::cpu::CpuSet;
use crate::policy::PolicyOptionError;
use crate::topology::TopologyError;

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no CPU to work on.
    #[error("worker_cpus: no CPUs; give at least one")]
    NoCpus,
    /// A CPU was asked for that this process may not use.
    #[error(
        "{field}: CPUs {cpus} are not in this process's affinity mask ({allowed}); choose among those, or widen it with taskset or the container's cpuset"
    )]
    CpusNotAllowed {
        /// The setting at fault.
        field: &'static str,
        /// The CPUs at fault.
        cpus: Box<CpuSet>,
        /// What the process may use.
        allowed: Box<CpuSet>,
    },
    /// A setting must be positive.
    #[error("{0}: must not be zero")]
    Zero(&'static str),
    /// A setting is beyond what the runtime can hold.
    #[error("{field}: {value} is above the bound of {max}")]
    TooMany {
        /// The setting at fault.
        field: &'static str,
        /// What was asked for.
        value: usize,
        /// What is possible.
        max: usize,
    },
    /// A class was named twice.
    #[error("class: `{0}` is named twice")]
    DuplicateClass(String),
    /// No class was named.
    #[error("class: name at least one, e.g. .class(\"get\", Class::slo_us(100))")]
    NoClasses,
    /// The policy's options make no sense.
    #[error("policy: {0}")]
    Policy(#[from] PolicyOptionError),
    /// The kernel backend could not be had.
    #[error("backend kernel: {0}")]
    Kernel(String),
    /// The machine could not be read.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The affinity mask could not be read.
    #[error("cannot read this process's affinity mask: {0}")]
    Affinity(#[source] io::Error),
    /// A thread could not be started.
    #[error(
        "cannot start the runtime's threads: {0}; is there a limit on threads or memory (ulimit -u, pids cgroup)?"
    )]
    Threads(#[source] io::Error),
}
