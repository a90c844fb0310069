//! What the operations of the kernel backend cost, each measured on the real thing: the loaded
//! scheduler, an enclave, threads of the class, an agent.
//!
//! Two CPUs take part, one for agents and one for what they schedule, and ten more for a batch of
//! ten. Everybody who waits here says so to the processor (`spin_loop`): an emulated machine then
//! goes on with its next CPU at once, instead of after a turn of milliseconds.

mod batch;
mod floor;
mod local;
mod member;
mod message;
pub(crate) mod stage;
mod switch;

use revenant::backend::kernel::agent::AgentError;
use revenant::backend::kernel::{enclaves::EnclaveError, members::JoinError};
use revenant::cpu::{CpuId, CpuSet};
use revenant_bpf::{CallError, LoadError, OpenError, ProgramCost};
use thiserror::Error;

use crate::affinity;
use crate::cost::Row;

/// Where, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// CPUs of this process.
    allowed: CpuSet,
    /// The agents' CPU.
    agent: CpuId,
    /// Where members run.
    work: CpuId,
    /// Samples of an operation.
    repetitions: usize,
}

/// Samples that are thrown away first: pages are touched, tables filled, branches known.
const WARM_UP: usize = 20;

/// Why costs could not be measured.
#[derive(Debug, Error)]
pub enum OpcostError {
    /// The kernel cannot have the scheduler.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The scheduler cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No enclave.
    #[error(transparent)]
    Enclave(#[from] EnclaveError),
    /// A thread could not become a member.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// No agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The kernel half refused a call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// One CPU is not enough.
    #[error("operations between CPUs need two of them; this process may use {allowed}")]
    TooFewCpus {
        /// How many there are.
        allowed: usize,
    },
    /// The scheduler did not do what was waited for.
    #[error("{what} did not happen within {seconds} s; is the machine overloaded?")]
    Late {
        /// What.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
}

impl Plan {
    /// The first two CPUs of this process.
    ///
    /// # Errors
    /// There are not two.
    pub fn of_this_process(repetitions: usize) -> Result<Self, OpcostError> {
        let allowed = affinity::allowed()
            .map_err(|source| OpcostError::System { action: "read its CPUs", source })?;
        let mut cpus = allowed.iter();
        let (Some(agent), Some(work)) = (cpus.next(), cpus.next()) else {
            return Err(OpcostError::TooFewCpus { allowed: allowed.len() });
        };
        Ok(Self { allowed, agent, work, repetitions })
    }

    fn work_set(&self) -> CpuSet {
        [self.work].into_iter().collect()
    }

    /// How often an operation is done.
    fn rounds(&self) -> usize {
        WARM_UP + self.repetitions
    }
}

/// The samples that count.
fn warm(mut samples: Vec<u64>) -> Vec<u64> {
    samples.drain(..WARM_UP.min(samples.len().saturating_sub(1)));
    samples
}

/// A group of operations that are measured together.
struct Group {
    about: &'static str,
    names: &'static [&'static str],
    measure: fn(&stage::Engine, &Plan) -> Result<Vec<Row>, OpcostError>,
}

const GROUPS: &[Group] = &[
    Group {
        about: "system calls",
        names: &["clock", "getppid", "empty-call"],
        measure: floor::rows,
    },
    Group {
        about: "messages to a global agent",
        names: &["message-global"],
        measure: message::rows,
    },
    Group {
        about: "an agent that sleeps on its CPU",
        names: &["message-local", "local-schedule"],
        measure: local::rows,
    },
    Group {
        about: "one remote commit",
        names: &["remote-commit", "remote-target", "remote-schedule"],
        measure: batch::single,
    },
    Group {
        about: "a batch of ten",
        names: &["remote-commit-10", "remote-commit-10-each"],
        measure: batch::ten,
    },
    Group {
        about: "context switches of the fair class",
        names: &["fair-yield", "fair-pipe"],
        measure: switch::fair_rows,
    },
    Group {
        about: "yields through a global agent",
        names: &["global-yield"],
        measure: switch::yield_rows,
    },
    Group {
        about: "threads that take turns, with and without the fast path",
        names: &["global-turns", "offered-turns"],
        measure: switch::turn_rows,
    },
    Group {
        about: "pipes through a global agent",
        names: &["global-pipe"],
        measure: switch::pipe_rows,
    },
];

/// Whether an operation is called so.
#[must_use]
pub fn is_known(name: &str) -> bool {
    GROUPS.iter().any(|group| group.names.contains(&name))
}

/// Measures the operations of these names, or all of them, as far as this machine has the CPUs.
/// Tells `progress` what comes next.
///
/// # Errors
/// What is in the way. The scheduler is unloaded again if it was loaded for this.
pub fn measure(
    plan: &Plan,
    names: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, OpcostError> {
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let engine = stage::Engine::start()?;
    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|group| group.names.iter().any(|name| is_wanted(name))) {
        progress(group.about);
        rows.extend((group.measure)(&engine, plan)?);
    }
    rows.retain(|row| is_wanted(&row.name));
    Ok(rows)
}

/// The same, and what the programs of the kernel half take meanwhile, a run each. Counting that makes
/// the operations cost more.
///
/// # Errors
/// As [`measure`].
pub fn profile(
    plan: &Plan,
    names: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<ProgramCost>, OpcostError> {
    let engine = stage::Engine::start()?;
    let count = |is_on| {
        revenant_bpf::count_programs(is_on)
            .map_err(|source| OpcostError::System { action: "count programs", source })
    };
    count(true)?;
    let measured = measure(plan, names, progress);
    count(false)?;
    measured?;
    let mut programs = revenant_bpf::programs();
    drop(engine);
    programs.retain(|program| program.runs > 0);
    programs.sort_by_key(|program| std::cmp::Reverse(program.time_ns));
    Ok(programs)
}
