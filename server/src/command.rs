//! Commands: what they are called, where they run, what they do.
//!
//! A file of `command/` has one family: what its commands accept, do and reply, side by side, and
//! their rows of the table.

mod argument;
mod class;
mod table;

mod client;
mod cluster;
mod connection;
mod info;
mod key;
mod scan;
mod server;
mod spin;
mod string;

pub use class::CommandClass;

use std::fmt;

use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;
use crate::session::Session;
use crate::turn::{Turn, Uninterrupted};

/// Arguments up to which a command on keys counts as one of a point. Ten pairs of MSET, which tools
/// like to measure, take some 6 us: about what handing it to a worker does.
const POINT_ARGUMENTS_MAX: usize = 32;

/// Bytes of a request up to which its command counts as one of a point; copying these takes about
/// a microsecond.
const POINT_BYTES_MAX: usize = 16 * 1024;

/// Arguments of a session command: what the dispatcher does for one must not keep the others
/// waiting.
const SESSION_ARGUMENTS_MAX: usize = 128;

/// Keys up to which a scan is scheduled as a read: it takes a few of those.
const SHORT_SCAN_KEYS: usize = 16;

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the dispatcher: it needs the connection, or nothing.
    Session,
    /// On the dispatcher, if configuration and store allow; on a worker otherwise.
    Point,
    /// On a worker.
    Worker,
}

/// What a command is given.
struct Call<'c> {
    request: &'c Request,
    service: &'c Service,
    turn: &'c dyn Turn,
}

impl Call<'_> {
    /// A place between two pieces of work, to lose the CPU or to give up.
    fn pause(&self) -> Outcome {
        self.turn.safepoint();
        if self.turn.is_cancelled() { Err(Failure::Expired) } else { Ok(()) }
    }

    /// Fails unless there are `count` arguments: what the table checks for commands, for a
    /// subcommand.
    fn exactly(&self, count: usize, name: &'static str) -> Outcome {
        let is_right = self.request.argument_count() == count;
        if is_right { Ok(()) } else { Err(Failure::Arity(name)) }
    }

    /// Fails once the reply is too large to go on.
    fn check_size(&self, reply: &Reply<'_>) -> Outcome {
        let reply_max = self.service.reply_max;
        if reply.byte_count() > reply_max {
            return Err(Failure::ReplyTooLarge { reply_max });
        }
        Ok(())
    }
}

/// What came of a command: `Ok`, and the reply is written; or why not.
pub type Outcome = Result<(), Failure>;
type OwnHandler = dyn Fn(&Request, &dyn Turn, &mut Reply<'_>) -> Outcome + Send + Sync;
type RunSession = fn(&Call<'_>, &mut Session, &mut Reply<'_>) -> Outcome;
type RunAnywhere = fn(&Call<'_>, &mut Reply<'_>) -> Outcome;

/// What it does, by where.
#[derive(Clone, Copy)]
enum Run {
    Session(RunSession),
    Point(RunAnywhere),
    Worker(RunAnywhere),
    Own(&'static OwnHandler),
}

/// Which arguments are keys, as Redis's COMMAND tells it: from `first` to `last`, which counts from
/// the end if negative, every `step`th. All zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keys {
    first: i8,
    last: i8,
    step: i8,
}

impl Keys {
    const NONE: Self = Self { first: 0, last: 0, step: 0 };
    const ONE: Self = Self { first: 1, last: 1, step: 1 };
    const ALL: Self = Self { first: 1, last: -1, step: 1 };
    const PAIRS: Self = Self { first: 1, last: -1, step: 2 };

    /// The keys among the arguments of `request`.
    fn of(self, request: &Request) -> impl Iterator<Item = &[u8]> {
        let count = request.argument_count();
        let end = match usize::try_from(self.last) {
            Ok(0) => 0,
            Ok(last) => last + 1,
            Err(_) => (count + 1).saturating_sub(usize::from(self.last.unsigned_abs())),
        };
        let (first, step) = (self.first.unsigned_abs(), self.step.unsigned_abs().max(1));
        (usize::from(first)..end.min(count)).step_by(step.into()).map(|at| request.argument(at))
    }
}

/// How many arguments a command takes, its name among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

/// A row of the table of commands.
pub struct Command {
    name: &'static str,
    class: CommandClass,
    arity: Arity,
    keys: Keys,
    run: Run,
}

/// The kinds of rows.
impl Command {
    const fn session(name: &'static str, arity: Arity, run: RunSession) -> Self {
        let class = CommandClass::Get;
        Self { name, class, arity, keys: Keys::NONE, run: Run::Session(run) }
    }

    const fn read(name: &'static str, arity: Arity, keys: Keys, run: RunAnywhere) -> Self {
        Self { name, class: CommandClass::Get, arity, keys, run: Run::Point(run) }
    }

    const fn write(name: &'static str, arity: Arity, keys: Keys, run: RunAnywhere) -> Self {
        Self { name, class: CommandClass::Put, arity, keys, run: Run::Point(run) }
    }

    const fn slow_write(name: &'static str, arity: Arity, run: RunAnywhere) -> Self {
        let class = CommandClass::Put;
        Self { name, class, arity, keys: Keys::NONE, run: Run::Worker(run) }
    }

    const fn scan(name: &'static str, arity: Arity, keys: Keys, run: RunAnywhere) -> Self {
        Self { name, class: CommandClass::Scan, arity, keys, run: Run::Worker(run) }
    }
}

impl Command {
    /// A command of an application's own, called `name` (in small letters) with `words` words, its
    /// name among them. Workers run it under `class`. It should ask its turn for safepoints, and
    /// hold no lock at any, if it takes long.
    ///
    /// Commands live as long as the process.
    pub fn own(
        name: &'static str,
        words: usize,
        class: CommandClass,
        run: impl Fn(&Request, &dyn Turn, &mut Reply<'_>) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        let run = Run::Own(Box::leak(Box::new(run)));
        Self { name, class, arity: Arity::Exactly(words), keys: Keys::NONE, run }
    }

    /// The command that `request` names, if its arguments suffice and `session` may use it.
    ///
    /// # Errors
    /// What to reply instead.
    pub fn find(
        request: &Request,
        session: &Session,
        service: &Service,
    ) -> Result<&'static Self, Failure> {
        let name = request.argument(0);
        let own = || service.own.iter().find(|own| name.eq_ignore_ascii_case(own.name.as_bytes()));
        let found = table::find(name).or_else(|| own().copied());
        let command = found.ok_or_else(|| unknown_command(request))?;
        let count = request.argument_count();
        let is_enough = match command.arity {
            Arity::Exactly(expected) => count == expected,
            Arity::AtLeast(least) => count >= least,
        };
        if !is_enough {
            return Err(Failure::Arity(command.name));
        }
        if matches!(command.run, Run::Session(_)) && count > SESSION_ARGUMENTS_MAX {
            return Err(Failure::TooManyArguments(command.name, SESSION_ARGUMENTS_MAX));
        }
        if !session.is_authenticated && !matches!(command.name, "auth" | "hello" | "quit") {
            return Err(Failure::AuthRequired);
        }
        if let Some(cluster) = &service.cluster {
            cluster.check(command.keys.of(request))?;
        }
        Ok(command)
    }

    /// What it is called, in small letters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it changes keys.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.class == CommandClass::Put
    }

    /// The class under which `request` is scheduled.
    #[must_use]
    pub fn class(&self, request: &Request) -> CommandClass {
        let is_short =
            self.class == CommandClass::Scan && scan::keys_asked(self, request) <= SHORT_SCAN_KEYS;
        if is_short { CommandClass::Get } else { self.class }
    }

    /// Where `request` is executed: a command on a point that is large is none.
    #[must_use]
    pub fn place(&self, request: &Request) -> Place {
        let is_small = request.argument_count() <= POINT_ARGUMENTS_MAX
            && request.byte_count() <= POINT_BYTES_MAX;
        match self.run {
            Run::Session(_) => Place::Session,
            Run::Point(_) if is_small => Place::Point,
            Run::Point(_) | Run::Worker(_) | Run::Own(_) => Place::Worker,
        }
    }

    /// Executes `request`, on whatever thread, and writes the reply: what was asked for, or why
    /// not. A change is durable before it returns.
    pub fn run(
        &self,
        request: &Request,
        service: &Service,
        turn: &dyn Turn,
        reply: &mut Reply<'_>,
    ) {
        let _span = self.span();
        let outcome = match self.run {
            Run::Point(run) | Run::Worker(run) => run(&Call { request, service, turn }, reply),
            Run::Own(run) => run(request, turn, reply),
            Run::Session(_) => Err(Failure::Internal("a session command without its session")),
        };
        let settled = if self.is_write() { service.keyspace.settle() } else { Ok(()) };
        if let Err(failure) = outcome.and(settled.map_err(Failure::from)) {
            reply.failure(&failure);
        }
    }

    /// Executes `request`, on the dispatcher, for the connection that `session` belongs to.
    pub fn run_session(
        &self,
        request: &Request,
        service: &Service,
        session: &mut Session,
        reply: &mut Reply<'_>,
    ) {
        let turn = &Uninterrupted;
        let Run::Session(run) = self.run else { return self.run(request, service, turn, reply) };
        let _span = self.span();
        if let Err(failure) = run(&Call { request, service, turn }, session, reply) {
            reply.failure(&failure);
        }
    }
}

impl Command {
    /// What traces show around everything that happens in a command, an application's own too.
    fn span(&self) -> tracing::span::EnteredSpan {
        tracing::trace_span!("command", name = self.name).entered()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Redis shows at most this much of what it did not understand.
const SHOWN_BYTES: usize = 128;

fn shown(bytes: &[u8]) -> String {
    let end = bytes.len().min(SHOWN_BYTES);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn unknown_command(request: &Request) -> Failure {
    let mut arguments = String::new();
    for argument in request.arguments_from(1) {
        if arguments.len() >= SHOWN_BYTES {
            break;
        }
        arguments += &format!("'{}' ", shown(argument));
    }
    Failure::UnknownCommand { name: shown(request.argument(0)), arguments }
}

fn unknown_subcommand(request: &Request) -> Failure {
    Failure::UnknownSubcommand {
        command: shown(request.argument(0)).to_ascii_uppercase(),
        subcommand: shown(request.argument(1)),
    }
}
