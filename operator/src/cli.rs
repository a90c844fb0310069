//! The command line.

mod creation;
mod enclaves;
mod programs;
mod value;
mod watching;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use revenant::policy::PolicyKind;

pub(crate) use creation::{AgentChoice, Creation, PolicyChoice};
pub(crate) use enclaves::{Create, Destroy, Enclave, Upgrade};
pub(crate) use programs::{ClassChoice, Move, Run};
pub(crate) use watching::{Top, Trace};

/// Exit code of a call that did nothing: it is wrong, or this machine cannot do it.
pub(crate) const CANNOT: u8 = 2;
/// Longest observation, a day: nobody means more.
const OBSERVATION_MAX: Duration = Duration::from_secs(86_400);

const EXAMPLES: &str = "\
Examples:
  revenant doctor
      what this machine can do, and how to get what it cannot
  sudo revenant run -- make -j8
      a program and all it starts under the default policy, in an enclave of its own
  sudo revenant enclave create --name web --cpus 1-3 --policy shinjuku
  sudo revenant move --enclave web $(pidof server)
  sudo revenant top
  sudo revenant enclave destroy web

Exit codes: 0 done; 1 failed on the way; 2 nothing was done, since the call is wrong or this \
    machine cannot do it; `run` ends with the exit code of its program. Data goes to standard \
    output, everything else to standard error; --json makes the data a JSON document \
    (docs/operator.md has its fields).";

/// Enclaves: CPUs whose threads, of any program, are scheduled by a policy in user space.
#[derive(Debug, Parser)]
#[command(
    name = "revenant", version, max_term_width = 100, arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub(crate) struct Cli {
    /// Data as one JSON document (docs/operator.md).
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell what this machine can do, for each backend, with reasons and cures.
    Doctor(Doctor),
    /// Make, list and destroy enclaves.
    #[command(subcommand)]
    Enclave(Enclave),
    /// Run a program, its threads and its children under a policy.
    Run(Run),
    /// Put running processes into an enclave, or take them back.
    Move(Move),
    /// Watch enclaves: CPUs, threads, messages, commits, how long threads wait.
    Top(Top),
    /// Record who runs where, for ui.perfetto.dev or chrome://tracing.
    Trace(Trace),
    /// Replace the agent of an enclave, by one of this version or of another policy.
    Upgrade(Upgrade),
    /// Look after an enclave: started by `enclave create`.
    #[command(hide = true)]
    Keep(Keep),
    /// Schedule an enclave: started by its keeper.
    #[command(hide = true)]
    Agent(Agent),
}

/// A backend, in the order of what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// Virtual CPUs.
    Sim,
    /// This process's threads.
    Threads,
    /// Threads of any process, through sched_ext.
    Kernel,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  revenant doctor
  revenant doctor --backend kernel && echo \"enclaves work here\"

Exit codes: 0; with --backend, 2 if that backend does not work here.";

/// What to examine.
#[derive(Debug, Args)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub(crate) struct Doctor {
    /// Only this backend; the exit code then says whether it works.
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<BackendChoice>,
}

/// Whom to look after.
#[derive(Clone, Debug, Args)]
pub(crate) struct Keep {
    /// Which of the enclaves that had this place.
    #[arg(long)]
    pub(crate) generation: u32,

    /// End the enclave when this process has ended and no thread is left.
    #[arg(long)]
    pub(crate) until: Option<u32>,

    /// It has an agent, or had one; the keeper before was killed.
    #[arg(long)]
    pub(crate) adopt: bool,

    #[command(flatten)]
    pub(crate) agent: Agent,
}

/// Whom to schedule, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Agent {
    /// The enclave's number.
    #[arg(long)]
    pub(crate) enclave: u32,

    /// The policy.
    #[arg(long)]
    pub(crate) policy: PolicyKind,

    /// The kind of agent.
    #[arg(long)]
    pub(crate) kind: AgentChoice,

    #[command(flatten)]
    pub(crate) options: PolicyChoice,

    /// From the agent there is.
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// Reads the command line. On help and on bad input, the text to print and the exit code.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Cli, (String, u8)> {
    Cli::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() || error.exit_code() == 0 {
            return (text, 0);
        }
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return (text, CANNOT);
        }
        // clap explains itself over several paragraphs; the first says what is wrong.
        let first: Vec<&str> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        (format!("{}; --help shows what there is\n", first.join(" ")), CANNOT)
    })
}

#[cfg(test)]
mod tests;
