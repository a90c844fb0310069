//! Policies by name: the choice a command line makes.

use std::fmt;
use std::str::FromStr;

use crate::enclave::Enclave;
use crate::message::Message;
use crate::offer::Offers;
use crate::policy::{
    Fifo, FifoPerCpu, Policy, PolicyCounters, Shinjuku, TwoQueue, TwoQueueOptions,
};
use crate::task::Task;
use crate::transaction::{Batch, Transaction};

/// A policy of this crate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// [`FifoPerCpu`].
    FifoPerCpu,
    /// [`Fifo`].
    Fifo,
    /// [`Shinjuku`].
    Shinjuku,
    /// [`TwoQueue`].
    #[default]
    TwoQueue,
}

impl PolicyKind {
    /// Every policy, simplest first.
    pub const ALL: [Self; 4] = [Self::FifoPerCpu, Self::Fifo, Self::Shinjuku, Self::TwoQueue];

    /// The name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FifoPerCpu => "fifo-percpu",
            Self::Fifo => "fifo",
            Self::Shinjuku => "shinjuku",
            Self::TwoQueue => "two-queue",
        }
    }

    /// The policy with these options, those of other policies being ignored.
    ///
    /// # Errors
    /// The first option that makes no sense.
    pub fn build(self, options: &PolicyOptions) -> Result<AnyPolicy, PolicyOptionError> {
        options.validate()?;
        Ok(match self {
            Self::FifoPerCpu => AnyPolicy::FifoPerCpu(FifoPerCpu::default()),
            Self::Fifo => AnyPolicy::Fifo(Fifo::default()),
            Self::Shinjuku => AnyPolicy::Shinjuku(Shinjuku::new(options.quantum_ns)),
            Self::TwoQueue => AnyPolicy::TwoQueue(TwoQueue::new(options.two_queue)),
        })
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PolicyKind {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownPolicy { name: name.to_owned() })
    }
}

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy: no `{name}`; there are {}", PolicyKind::ALL.map(PolicyKind::name).join(", "))]
pub struct UnknownPolicy {
    /// The name asked for.
    pub name: String,
}

/// The options of all policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyOptions {
    /// Turn of a task while others wait, for `shinjuku`.
    pub quantum_ns: u64,
    /// For `two-queue`.
    pub two_queue: TwoQueueOptions,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self { quantum_ns: Shinjuku::QUANTUM_NS, two_queue: TwoQueueOptions::default() }
    }
}

impl PolicyOptions {
    /// Whether the options make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn validate(&self) -> Result<(), PolicyOptionError> {
        let two_queue = &self.two_queue;
        let (min_ns, max_ns) = two_queue.demotion.bounds_ns();
        let checks = [
            (self.quantum_ns > 0, "quantum_ns", "must not be zero"),
            (min_ns > 0, "two_queue.demotion", "must not be zero"),
            (min_ns <= max_ns, "two_queue.demotion", "has its lowest bound above its highest"),
            (two_queue.demoted_quantum_ns > 0, "two_queue.demoted_quantum_ns", "must not be zero"),
            (two_queue.demoted_max > 0, "two_queue.demoted_max", "must not be zero"),
            (
                (0.0..=0.5).contains(&two_queue.demoted_share),
                "two_queue.demoted_share",
                "must lie between 0 and 0.5",
            ),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, fault)) => Err(PolicyOptionError { field, fault }),
            None => Ok(()),
        }
    }
}

/// An option that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy option {field} {fault}")]
pub struct PolicyOptionError {
    /// The option.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// Any policy of this crate, chosen at run time and dispatched without a virtual call.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one exists an agent, and is never moved")]
pub enum AnyPolicy {
    /// [`FifoPerCpu`].
    FifoPerCpu(FifoPerCpu),
    /// [`Fifo`].
    Fifo(Fifo),
    /// [`Shinjuku`].
    Shinjuku(Shinjuku),
    /// [`TwoQueue`].
    TwoQueue(TwoQueue),
}

/// Evaluates an expression with the policy of whichever kind it is.
macro_rules! each {
    ($any:expr, $policy:ident => $value:expr) => {
        match $any {
            AnyPolicy::FifoPerCpu($policy) => $value,
            AnyPolicy::Fifo($policy) => $value,
            AnyPolicy::Shinjuku($policy) => $value,
            AnyPolicy::TwoQueue($policy) => $value,
        }
    };
}

/// Forwards callbacks that take a task.
macro_rules! forward {
    ($($callback:ident),+) => {
        $(fn $callback(&mut self, now_ns: u64, task: &Task) {
            each!(self, policy => policy.$callback(now_ns, task))
        })+
    };
}

impl Policy for AnyPolicy {
    fn name(&self) -> &'static str {
        each!(self, policy => policy.name())
    }

    fn validate(&self) -> Result<(), PolicyOptionError> {
        each!(self, policy => policy.validate())
    }

    fn attach(&mut self, enclave: &Enclave) {
        each!(self, policy => policy.attach(enclave))
    }

    forward!(task_new, task_wakeup, task_preempted, task_yield, task_latch_failed);
    forward!(task_blocked, task_on_cpu, task_dead);

    fn other(&mut self, now_ns: u64, message: &Message, enclave: &Enclave) {
        each!(self, policy => policy.other(now_ns, message, enclave))
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        each!(self, policy => policy.schedule(now_ns, enclave, batch))
    }

    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction) {
        each!(self, policy => policy.commit_failed(now_ns, task, transaction))
    }

    fn offer(&self, enclave: &Enclave, offers: &mut Offers) {
        each!(self, policy => policy.offer(enclave, offers))
    }

    fn counters(&self) -> PolicyCounters {
        each!(self, policy => policy.counters())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Demotion;

    #[test]
    fn names_are_read_back_and_built() {
        for kind in PolicyKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            let policy = kind.build(&PolicyOptions::default()).unwrap();
            assert_eq!(policy.name(), kind.name());
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "cfs".parse::<PolicyKind>().unwrap_err().to_string();
        assert!(error.contains("cfs") && error.contains("two-queue"), "{error}");
    }

    #[test]
    fn an_option_that_makes_no_sense_is_named() {
        let mut options = PolicyOptions { quantum_ns: 0, ..PolicyOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "quantum_ns");
        options.quantum_ns = 1;
        options.two_queue.demotion = Demotion::Adaptive { min_ns: 2, max_ns: 1 };
        assert_eq!(options.validate().unwrap_err().field, "two_queue.demotion");
        options.two_queue.demotion = Demotion::FixedNs(1);
        options.two_queue.demoted_share = f64::NAN;
        assert_eq!(options.validate().unwrap_err().field, "two_queue.demoted_share");
    }
}
