//! Commands that make, end and change enclaves.

use clap::{Args, Subcommand};
use revenant::policy::PolicyKind;

use super::{AgentChoice, Creation, PolicyChoice, value};

/// What to do with enclaves.
#[derive(Debug, Subcommand)]
pub(crate) enum Enclave {
    /// Make an enclave and start its agent; loads the scheduler if need be.
    Create(Create),
    /// List the enclaves.
    #[command(visible_alias = "list")]
    Ls,
    /// Give an enclave's threads back to the kernel's fair class and free its CPUs.
    Destroy(Destroy),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  sudo revenant enclave create
      all CPUs but the first, the default policy, which is also the name
  sudo revenant enclave create --name web --cpus 1-3 --policy shinjuku --quantum 50us
  sudo revenant enclave create --name batch --cpus 4-7 --policy fifo-percpu --agent percpu

A global agent decides for all CPUs of its enclave, and spins on one of them. Agents for \
    each CPU sleep until something happens there; they take no CPU for themselves.

What the agent has to say is in /run/revenant/NAME.log. Without an agent, the enclave's \
    threads go on in the order of their arrival. The enclave is destroyed, and its threads go on \
    in the fair class, if it gets no new agent within the orphan limit, or if a thread waits \
    longer than the watchdog allows.";

/// What to make.
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// The enclave's name, at most 31 letters, digits, dots, dashes and underscores. The policy's
    /// if left out.
    #[arg(long, value_name = "NAME", value_parser = value::name)]
    pub(crate) name: Option<String>,

    #[command(flatten)]
    pub(crate) creation: Creation,
}

/// What to end.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// Which enclaves.
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(crate) names: Vec<String>,

    /// Every enclave there is.
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

const UPGRADE_EXAMPLES: &str = "\
Examples:
  sudo revenant upgrade web
      the agent of this program's version takes over, with the policy there was
  sudo revenant upgrade web --policy shinjuku
  sudo revenant upgrade web --policy fifo-percpu --agent percpu

The successor starts beside the present agent, takes over the threads as they are, and the \
    old one ends. Threads that run are not disturbed. If the successor does not come up, the old \
    one keeps serving, and the exit code is 1.";

/// Whose agent to replace.
#[derive(Debug, Args)]
#[command(after_help = UPGRADE_EXAMPLES)]
pub(crate) struct Upgrade {
    /// Which enclave.
    #[arg(value_name = "NAME")]
    pub(crate) enclave: String,

    /// The new policy; the present one if left out.
    #[arg(long, value_name = "P", value_parser = value::policy())]
    pub(crate) policy: Option<PolicyKind>,

    /// The kind of the new agent; the present one's if left out.
    #[arg(long, value_name = "KIND")]
    pub(crate) agent: Option<AgentChoice>,

    #[command(flatten)]
    pub(crate) options: PolicyChoice,
}
