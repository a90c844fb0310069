//! What an enclave is made with, as options.

use std::time::Duration;

use clap::{Args, ValueEnum};
use revenant::cpu::CpuSet;
use revenant::policy::{Demotion, PolicyKind, PolicyOptions};

use super::value;

/// Agents: one for all CPUs, or one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentChoice {
    /// One, which spins on a CPU of the enclave.
    Global,
    /// One for each CPU, which sleep.
    Percpu,
}

impl AgentChoice {
    /// The name on command lines and in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Percpu => "percpu",
        }
    }

    /// What fits best: one CPU has no room for an agent beside the threads, and a policy with a
    /// queue for each CPU decides for each CPU.
    pub(crate) fn fitting(policy: PolicyKind, cpus: &CpuSet) -> Self {
        let is_local = cpus.len() < 2 || policy == PolicyKind::FifoPerCpu;
        if is_local { Self::Percpu } else { Self::Global }
    }
}

/// Options of an enclave that is made.
#[derive(Clone, Debug, Args)]
pub(crate) struct Creation {
    /// CPUs, as in 1-3,7. All but the first, and but those of other enclaves, if left out.
    #[arg(long, value_name = "LIST", value_parser = value::cpus)]
    pub(crate) cpus: Option<CpuSet>,

    /// Policy.
    #[arg(long, value_name = "P", value_parser = value::policy(), default_value = "two-queue")]
    pub(crate) policy: PolicyKind,

    /// Agents: one for all CPUs, or one for each. Global if left out; percpu for policy fifo-percpu
    /// and where there is but one CPU.
    #[arg(long, value_name = "KIND")]
    pub(crate) agent: Option<AgentChoice>,

    #[command(flatten)]
    pub(crate) options: PolicyChoice,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// CPUs about to idle take what a global agent has offered them, without asking it; for policies
    /// two-queue, shinjuku and fifo.
    #[arg(long)]
    pub(crate) fast_path: bool,
}

impl Creation {
    /// The CPUs asked for, or all of `online` but the first and those of other enclaves.
    pub(crate) fn cpus(&self, online: &CpuSet, owned: &CpuSet) -> CpuSet {
        self.cpus.unwrap_or_else(|| {
            let first: CpuSet = online.first().into_iter().collect();
            let rest = online.minus(&first).minus(owned);
            // A machine with one CPU has no other to leave to everybody else.
            if online.len() == 1 { online.minus(owned) } else { rest }
        })
    }

    /// The kind of agent asked for, or the one that fits.
    pub(crate) fn agent(&self, cpus: &CpuSet) -> AgentChoice {
        self.agent.unwrap_or_else(|| AgentChoice::fitting(self.policy, cpus))
    }
}

/// When an enclave ends by itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct Limits {
    /// How long the enclave may be without an agent before it is destroyed; 0: for ever.
    #[arg(long, value_name = "TIME", value_parser = value::limit, default_value = "10s")]
    pub(crate) orphan_limit: Duration,

    /// How long a runnable thread may wait before the enclave is destroyed; 0: no watchdog but the
    /// kernel's.
    #[arg(long, value_name = "TIME", value_parser = value::limit, default_value = "5s")]
    pub(crate) watchdog: Duration,

    /// An agent that takes no turn for so long counts as gone; 0: never.
    #[arg(long, value_name = "TIME", value_parser = value::limit, default_value = "500ms")]
    pub(crate) silence_limit: Duration,
}

/// Options of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct PolicyChoice {
    /// Turn of a thread while others wait, for shinjuku; of a demoted one, for two-queue.
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) quantum: Option<Duration>,

    /// CPU time after which two-queue demotes a thread's work; it finds the time itself if left out.
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    pub(crate) demote_after: Option<Duration>,
}

impl PolicyChoice {
    /// As policies take them.
    pub(crate) fn options(&self) -> PolicyOptions {
        let mut options = PolicyOptions::default();
        if let Some(quantum) = self.quantum {
            options.quantum_ns = quantum.as_nanos() as u64;
            options.two_queue.demoted_quantum_ns = quantum.as_nanos() as u64;
        }
        if let Some(after) = self.demote_after {
            options.two_queue.demotion = Demotion::FixedNs(after.as_nanos() as u64);
        }
        options
    }

    /// As this program takes them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let given = [("--quantum", self.quantum), ("--demote-after", self.demote_after)];
        let given = given.into_iter().filter_map(|(option, time)| Some((option, time?)));
        given.flat_map(|(option, time)| [option.to_owned(), value::duration_text(time)]).collect()
    }
}
