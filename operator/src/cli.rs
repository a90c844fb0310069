//! The command line.

mod creation;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use revenant::policy::PolicyKind;

pub(crate) use creation::{AgentChoice, Creation, PolicyChoice};

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

Exit codes: 0 done; 1 failed on the way; 2 nothing was done, since the call is wrong or this machine
cannot do it; `run` ends with the exit code of its program. Data goes to standard output, everything
else to standard error; --json makes the data a JSON document (docs/operator.md has its fields).";

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

A global agent decides for all CPUs of its enclave, and spins on one of them. Agents for each CPU
sleep until something happens there; they take no CPU for themselves.

What the agent has to say is in /run/revenant/NAME.log. Without an agent, the enclave's threads go
on in the order of their arrival. The enclave is destroyed, and its threads go on in the fair class,
if it gets no new agent within the orphan limit, or if a thread waits longer than the watchdog allows.";

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

const RUN_EXAMPLES: &str = "\
Examples:
  sudo revenant run -- make -j8
      in an enclave of its own: all CPUs but the first, the default policy
  sudo revenant run --cpus 2-3 --policy fifo -- ./server --port 80
  sudo revenant run --enclave web --class batch -- ./reindex

Exit code: that of the program; 128 + N if signal N ended it; 127 if there is no such program, 126 if
it cannot be executed. Interrupt and terminate are passed on to the program, and the enclave made for
it is destroyed when it has ended, even if this command is killed. With --json a summary is the last
line on standard error, since standard output is the program's.";

/// What only an enclave that is made can be told.
const CREATION: [&str; 9] = [
    "cpus",
    "policy",
    "agent",
    "quantum",
    "demote_after",
    "orphan_limit",
    "watchdog",
    "silence_limit",
    "fast_path",
];

/// What to run, and where.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct Run {
    /// In this enclave, instead of one made for the run.
    #[arg(long, value_name = "NAME", conflicts_with_all = CREATION)]
    pub(crate) enclave: Option<String>,

    /// What to tell the policy about its threads: `batch` (they get what nobody else wants), or the
    /// number of a class.
    #[arg(long, value_name = "CLASS", value_parser = value::class)]
    pub(crate) class: Option<ClassChoice>,

    #[command(flatten)]
    pub(crate) creation: Creation,

    /// The program and its arguments.
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) program: Vec<std::ffi::OsString>,
}

/// What an operator may say about a program's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassChoice {
    /// They wait for idle time.
    Batch,
    /// They are of this class.
    Number(u16),
}

const MOVE_EXAMPLES: &str = "\
Examples:
  sudo revenant move --enclave web $(pidof server)
  sudo revenant move --back $(pidof server)

All threads of the processes are moved, and what they start later belongs where they are. A process
that cannot be moved is named, the others are moved all the same, and the exit code is 1.";

/// Whom to move where.
#[derive(Debug, Args)]
#[command(after_help = MOVE_EXAMPLES)]
pub(crate) struct Move {
    /// Into this enclave.
    #[arg(long, value_name = "NAME", required_unless_present = "back", conflicts_with = "back")]
    pub(crate) enclave: Option<String>,

    /// Back to the kernel's fair class.
    #[arg(long)]
    pub(crate) back: bool,

    /// Processes by their ids.
    #[arg(value_name = "PID", required = true)]
    pub(crate) pids: Vec<u32>,
}

const TOP_EXAMPLES: &str = "\
Examples:
  sudo revenant top
  sudo revenant top --once --json | jq '.enclaves[].queued'

Keys: q ends, left and right choose the enclave whose outcomes and waits are shown.";

/// What to watch.
#[derive(Debug, Args)]
#[command(after_help = TOP_EXAMPLES)]
pub(crate) struct Top {
    /// Only this enclave.
    #[arg(long, value_name = "NAME")]
    pub(crate) enclave: Option<String>,

    /// Time between two looks, over which rates are taken.
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "1s")]
    pub(crate) interval: Duration,

    /// One look instead of a screen.
    #[arg(long)]
    pub(crate) once: bool,
}

const TRACE_EXAMPLES: &str = "\
Examples:
  sudo revenant trace --seconds 5 -o schedule.json
      then open schedule.json at https://ui.perfetto.dev
  sudo revenant trace -o - | gzip >schedule.json.gz

A track for each CPU of the enclaves and one for each agent. Ctrl-C ends the recording early; what was
recorded is written. Needs tracefs, of which an instance of our own is used; other tracing is not
disturbed.";

/// What to record.
#[derive(Debug, Args)]
#[command(after_help = TRACE_EXAMPLES)]
pub(crate) struct Trace {
    /// Only the CPUs of this enclave.
    #[arg(long, value_name = "NAME")]
    pub(crate) enclave: Option<String>,

    /// How long.
    #[arg(long, value_name = "S", value_parser = value::seconds, default_value = "1")]
    pub(crate) seconds: Duration,

    /// Where the trace is written; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

const UPGRADE_EXAMPLES: &str = "\
Examples:
  sudo revenant upgrade web
      the agent of this program's version takes over, with the policy there was
  sudo revenant upgrade web --policy shinjuku

The successor starts beside the present agent, takes over the threads as they are, and the old one
ends. Threads that run are not disturbed. If the successor does not come up, the old one keeps
serving, and the exit code is 1.";

/// Whose agent to replace.
#[derive(Debug, Args)]
#[command(after_help = UPGRADE_EXAMPLES)]
pub(crate) struct Upgrade {
    /// Which enclave.
    #[arg(value_name = "NAME")]
    pub(crate) enclave: String,

    /// The new policy; the present one if left out.
    #[arg(long, value_name = "P")]
    pub(crate) policy: Option<PolicyKind>,

    /// The kind of the new agent; the present one's if left out.
    #[arg(long, value_name = "KIND")]
    pub(crate) agent: Option<AgentChoice>,

    #[command(flatten)]
    pub(crate) options: PolicyChoice,
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
