//! Commands that put programs into enclaves.

use clap::Args;

use super::{Creation, value};

const RUN_EXAMPLES: &str = "\
Examples:
  sudo revenant run -- make -j8
      in an enclave of its own: all CPUs but the first, the default policy
  sudo revenant run --cpus 2-3 --policy fifo -- ./server --port 80
  sudo revenant run --enclave web --class batch -- ./reindex

Exit code: that of the program; 128 + N if signal N ended it; 127 if there is no such \
    program, 126 if it cannot be executed. Interrupt and terminate are passed on to the program, \
    and the enclave made for it is destroyed when it has ended, even if this command is killed. \
    With --json a summary is the last line on standard error, since standard output is the \
    program's.";

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
#[command(after_help = RUN_EXAMPLES, override_usage = "revenant run [OPTIONS] -- <CMD>...")]
pub(crate) struct Run {
    /// In this enclave, instead of one made for the run.
    #[arg(long, value_name = "NAME", conflicts_with_all = CREATION)]
    pub(crate) enclave: Option<String>,

    /// What to tell the policy about its threads: `batch` (they get what nobody else wants,
    /// and 1 % at least), or the
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

All threads of the processes are moved, and what they start later belongs where they are. A \
    process that cannot be moved is named, the others are moved all the same, and the exit code \
    is 1.";

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
