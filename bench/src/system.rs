//! The systems under comparison, each a way to have the requests of a plan done.
//!
//! A system is handed a [`Run`]: the plan, the work of a request, the CPUs. It sets itself up,
//! replays the plan, and leaves a [`RunOutcome`]. What makes the comparison fair is shared: the
//! [`Replay`](crate::replay::Replay) holds clock, stamps and heartbeats, its generator loop (or, for
//! a system whose dispatcher is the generator, the [`Pacer`](crate::pacer::Pacer) itself) sends
//! each request at its intended time, and [`RequestWork`] is the same code everywhere.
//!
//! To add a system, write its file in `system/` and list it in [`ALL`].

mod batch;
mod crew;
mod eevdf;
mod eevdf_nice;
mod eevdf_slice;
mod fifo_pool;
mod ideal;
mod ideal_ps;
#[cfg(feature = "kernel")]
mod member;
mod revenant;
mod revenant_batch;
mod round_robin;
mod thread_per_request;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::revenant::policy::PolicyKind;
use revenant_loadgen::{Mix, Plan, Sample, Window};
use thiserror::Error;

use crate::request_work::RequestWork;
use crate::site::Site;

use self::revenant::Revenant;

/// One system under comparison.
pub trait System: Sync {
    /// Its name on the command line and in results.
    fn name(&self) -> &'static str;

    /// What it is, in one line.
    fn about(&self) -> &'static str;

    /// Whether it can run here. The error says why not, and what would let it run.
    ///
    /// # Errors
    /// The reason it has to be skipped.
    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Replays the plan once. Whatever it started is gone when it returns, also after an error.
    ///
    /// # Errors
    /// When the system could not be set up.
    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError>;
}

/// All systems, in the order of tables.
pub const ALL: &[&dyn System] = &[
    &Revenant(PolicyKind::TwoQueue),
    &Revenant(PolicyKind::Shinjuku),
    &Revenant(PolicyKind::Fifo),
    &Revenant(PolicyKind::FifoPerCpu),
    &eevdf::Eevdf,
    &eevdf_slice::EevdfSlice,
    &eevdf_nice::EevdfNice,
    &fifo_pool::FifoPool,
    &round_robin::RoundRobin,
    &ideal::Ideal,
    &ideal_ps::IdealPs,
    #[cfg(feature = "kernel")]
    &member::Member(PolicyKind::TwoQueue),
    #[cfg(feature = "kernel")]
    &member::Member(PolicyKind::Shinjuku),
    #[cfg(feature = "kernel")]
    &member::Member(PolicyKind::Fifo),
];

/// The systems of `--backend kernel`: its policies, and what they are compared with.
pub const OF_THE_KERNEL: &[&str] =
    &["kernel-two-queue", "kernel-shinjuku", "kernel-fifo", "eevdf", "eevdf-100us", "ideal"];

/// What one run is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The requests, with their intended times.
    pub plan: &'a Arc<Plan>,
    /// Their classes.
    pub mix: &'a Mix,
    /// What they do.
    pub work: &'a RequestWork,
    /// Where.
    pub site: &'a Site,
    /// What besides.
    pub extras: Extras,
    /// Set on Ctrl-C: the run ends soon, its outcome is thrown away.
    pub stop: &'a Arc<AtomicBool>,
}

/// Choices that are the same for all runs of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Batch work competes for the idle time of the workers.
    pub batch: bool,
    /// Requests never offer to be preempted: code that knows nothing of its scheduler.
    pub no_safepoints: bool,
}

/// What one run left.
#[derive(Clone, Debug, Default)]
pub struct RunOutcome {
    /// A sample a request of the plan, in any order; times from the plan's start.
    pub samples: Vec<Sample>,
    /// From the plan's start until the last straggler was done or given up.
    pub span_ns: u64,
    /// Stalls of the generator and dispatcher.
    pub dispatcher_stalls: Vec<Window>,
    /// Stalls of the worker CPUs.
    pub worker_stalls: Vec<Window>,
    /// Preemption signals, where the system sends any.
    pub signals: Signals,
    /// Requests demoted, by class; `None` where nothing demotes.
    pub demoted: Option<Vec<u64>>,
    /// CPU time that batch work got within the span; `None` without batch work.
    pub batch_cpu_ns: Option<u64>,
    /// Involuntary context switches of the process during the run.
    pub involuntary_switches: u64,
    /// What a reader must know about this run.
    pub note: Option<String>,
}

/// What became of preemption signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// All that were sent.
    pub sent: u64,
    /// Arrived after their reason was gone.
    pub stale: u64,
    /// Sent again because nothing came of the one before.
    pub resent: u64,
}

/// Why a run did not take place.
#[derive(Debug, Error)]
pub enum RunError {
    /// The kernel refused something.
    #[error("{system}: cannot {action}: {source}")]
    Kernel {
        /// The system at fault.
        system: &'static str,
        /// What was tried, and on what.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The system's own set-up failed.
    #[error("{system}: {reason}")]
    Setup {
        /// The system at fault.
        system: &'static str,
        /// What failed, and the cure.
        reason: String,
    },
}

/// A system that does not exist.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown system `{name}`: choose from {}", names())]
pub struct UnknownSystem {
    /// The name asked for.
    pub name: String,
}

/// The system of a name.
///
/// # Errors
/// Lists the names there are.
pub fn named(name: &str) -> Result<&'static dyn System, UnknownSystem> {
    let found = ALL.iter().find(|system| system.name() == name);
    found.copied().ok_or_else(|| UnknownSystem { name: name.to_owned() })
}

fn names() -> String {
    ALL.iter().map(|system| system.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_lead_to_their_system() {
        for system in ALL {
            assert_eq!(named(system.name()).unwrap().about(), system.about());
            let same = ALL.iter().filter(|other| other.name() == system.name()).count();
            assert_eq!(same, 1, "{}", system.name());
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_names_there_are() {
        let Err(error) = named("cfs") else { panic!("there is no such system") };
        let error = error.to_string();
        assert!(error.contains("`cfs`") && error.contains("eevdf, eevdf-100us"), "{error}");
    }
}
