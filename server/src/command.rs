//! Commands: what they are called, where they run, what they do.
//!
//! A file of `command/` has one family: what its commands accept, do and reply, side by side, and
//! their rows of the table.

mod class;
mod connection;
mod key;
mod string;
mod table;

pub use class::CommandClass;

use std::fmt;

use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;
use crate::session::Session;
use crate::turn::{Turn, Uninterrupted};

/// Arguments up to which a command on keys counts as one of a point: beyond, it takes longer than
/// handing it to a worker.
const POINT_ARGUMENTS_MAX: usize = 16;

/// Bytes of a request up to which its command counts as one of a point; copying these takes about
/// a microsecond.
const POINT_BYTES_MAX: usize = 16 * 1024;

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

type Outcome = Result<(), Failure>;

/// What it does, by where.
#[derive(Clone, Copy)]
enum Run {
    Session(fn(&Call<'_>, &mut Session, &mut Reply<'_>) -> Outcome),
    Point(fn(&Call<'_>, &mut Reply<'_>) -> Outcome),
    Worker(fn(&Call<'_>, &mut Reply<'_>) -> Outcome),
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

impl Command {
    /// The command that `request` names, if its arguments suffice and `session` may use it.
    ///
    /// # Errors
    /// What to reply instead.
    pub fn find(
        request: &Request,
        session: &Session,
        _service: &Service,
    ) -> Result<&'static Self, Failure> {
        let command = table::find(request.argument(0)).ok_or_else(|| unknown_command(request))?;
        let count = request.argument_count();
        let is_enough = match command.arity {
            Arity::Exactly(expected) => count == expected,
            Arity::AtLeast(least) => count >= least,
        };
        if !is_enough {
            return Err(Failure::Arity(command.name));
        }
        if !session.is_authenticated && !matches!(command.name, "auth" | "hello" | "quit") {
            return Err(Failure::AuthRequired);
        }
        Ok(command)
    }

    /// What it is called, in small letters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it works on keys.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.keys != Keys::NONE
    }

    /// The class under which `request` is scheduled.
    #[must_use]
    pub fn class(&self, _request: &Request) -> CommandClass {
        self.class
    }

    /// Where `request` is executed: a command on a point that is large is none.
    #[must_use]
    pub fn place(&self, request: &Request) -> Place {
        let is_small = request.argument_count() <= POINT_ARGUMENTS_MAX
            && request.byte_count() <= POINT_BYTES_MAX;
        match self.run {
            Run::Session(_) => Place::Session,
            Run::Point(_) if is_small => Place::Point,
            Run::Point(_) | Run::Worker(_) => Place::Worker,
        }
    }

    /// Executes `request`, on whatever thread, and writes the reply: what was asked for, or why
    /// not.
    pub fn run(
        &self,
        request: &Request,
        service: &Service,
        turn: &dyn Turn,
        reply: &mut Reply<'_>,
    ) {
        let call = Call { request, service, turn };
        let outcome = match self.run {
            Run::Point(run) | Run::Worker(run) => run(&call, reply),
            Run::Session(_) => Err(Failure::Internal("a session command without its session")),
        };
        if let Err(failure) = outcome {
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
        let call = Call { request, service, turn: &Uninterrupted };
        let outcome = match self.run {
            Run::Session(run) => run(&call, session, reply),
            Run::Point(run) | Run::Worker(run) => run(&call, reply),
        };
        if let Err(failure) = outcome {
            reply.failure(&failure);
        }
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
