//! What can be chosen about the two-queue policy.

/// When a task counts as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demotion {
    /// After this much service.
    FixedNs(u64),
    /// At the first gap in the distribution of completed service times between these bounds.
    Adaptive {
        /// Lowest threshold.
        min_ns: u64,
        /// Highest threshold.
        max_ns: u64,
    },
}

impl Demotion {
    /// The lowest and the highest threshold.
    pub const fn bounds_ns(self) -> (u64, u64) {
        match self {
            Self::FixedNs(ns) => (ns, ns),
            Self::Adaptive { min_ns, max_ns } => (min_ns, max_ns),
        }
    }
}

/// What can be chosen about [`TwoQueue`](super::TwoQueue).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoQueueOptions {
    /// When a task counts as long.
    pub demotion: Demotion,
    /// Long tasks take turns of this much service, however often arrivals interrupt them.
    pub demoted_quantum_ns: u64,
    /// Started tasks that may wait; beyond it none is preempted. A backend that keeps a thread for
    /// every started task sets it below its number of threads.
    pub demoted_max: usize,
    /// CPU time demoted tasks receive at least, as a share of all, however many fresh ones come.
    pub demoted_share: f64,
}

impl Default for TwoQueueOptions {
    /// 50 us is the p99.9 of shorts of 7 us, exponentially distributed, and costs nothing with
    /// constant ones; above 1 ms a long task would be felt by the arrivals behind it. Turns of
    /// 1 ms cost a long task 0.5 %; with turns beyond its length, the p99 of 10 ms tasks at 80 % load
    /// is 2 to 3 times higher, for those interrupted last go on first.
    fn default() -> Self {
        Self {
            demotion: Demotion::Adaptive { min_ns: 50_000, max_ns: 1_000_000 },
            demoted_quantum_ns: 1_000_000,
            demoted_max: usize::MAX,
            demoted_share: 0.05,
        }
    }
}
