//! What a simulated task does with its CPU time, and what is known of it when it is done.

use crate::hint::{ClassId, Hints, Tier};
use crate::status::Status;
use crate::task::{TaskId, TaskState};

/// CPU time without end: a batch task, or one that waits to be told.
pub const ENDLESS_NS: u64 = u64::MAX;

/// A task to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub time_ns: u64,
    /// CPU time it takes; [`ENDLESS_NS`] if it never finishes.
    pub service_ns: u64,
    /// Its class.
    pub class: ClassId,
    /// Its tier.
    pub tier: Tier,
}

/// What a task does next, for tasks that do more than run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Runs for this much CPU time.
    Run {
        /// How much.
        ns: u64,
    },
    /// Runs until told.
    Spin,
    /// Blocks until told.
    Block,
    /// Blocks for a time.
    Sleep {
        /// How long.
        ns: u64,
    },
    /// Gives up its CPU.
    Yield,
}

/// A task that finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Its class.
    pub class: ClassId,
    /// Its tier.
    pub tier: Tier,
    /// When it arrived.
    pub arrived_ns: u64,
    /// When it first ran.
    pub started_ns: u64,
    /// When it finished.
    pub done_ns: u64,
    /// CPU time it took.
    pub service_ns: u64,
    /// Times it was preempted.
    pub preemptions: u32,
}

impl Completion {
    /// From arrival to end.
    pub const fn latency_ns(&self) -> u64 {
        self.done_ns - self.arrived_ns
    }

    /// How many times longer it took than alone on the machine.
    pub fn slowdown(&self) -> f64 {
        self.latency_ns() as f64 / self.service_ns.max(1) as f64
    }
}

/// A simulated task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) id: TaskId,
    pub(super) status: Status,
    pub(super) hints: Hints,
    /// Left of the present step.
    pub(super) left_ns: u64,
    /// The steps after it.
    pub(super) script: &'static [Step],
    pub(super) arrived_ns: u64,
    pub(super) started_ns: Option<u64>,
    pub(super) preemptions: u32,
    pub(super) is_endless: bool,
}

impl Work {
    /// Whether it runs or is latched.
    pub(super) fn has_cpu(&self) -> bool {
        matches!(self.status.state, TaskState::OnCpu | TaskState::Latched)
    }

    /// Takes note of CPU time received in the stint that ends now.
    pub(super) fn end_stint(&mut self, now_ns: u64) -> u64 {
        let stint_ns = now_ns - self.status.since_ns;
        self.status.runtime_ns += stint_ns;
        if self.left_ns != ENDLESS_NS {
            self.left_ns -= stint_ns;
        }
        stint_ns
    }

    pub(super) fn completion(&self, done_ns: u64) -> Completion {
        Completion {
            class: self.hints.class,
            tier: self.hints.tier,
            arrived_ns: self.arrived_ns,
            started_ns: self.started_ns.unwrap_or(done_ns),
            done_ns,
            service_ns: self.status.runtime_ns,
            preemptions: self.preemptions,
        }
    }
}
