//! DBSIZE, FLUSHALL, CONFIG, COMMAND, INFO, SHUTDOWN: about the server as a whole.

use super::argument::{is, matches};
use super::{Arity, Call, Command, Keys, Outcome, info, table, unknown_subcommand};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::session::Session;
use crate::turn::atomically;

pub(super) const COMMANDS: &[Command] = &[
    Command::read("dbsize", Arity::Exactly(1), Keys::NONE, dbsize),
    Command::slow_write("flushall", Arity::AtLeast(1), flushall),
    Command::slow_write("flushdb", Arity::AtLeast(1), flushall),
    Command::session("config", Arity::AtLeast(2), config),
    Command::session("command", Arity::AtLeast(1), command),
    Command::session("info", Arity::AtLeast(1), info::info),
    Command::session("shutdown", Arity::AtLeast(1), shutdown),
];

/// Counts keys that have expired and not yet been swept, as Redis does.
fn dbsize(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = atomically(call.turn, || call.service.keyspace.store().len())?;
    reply.integer(len as i64);
    Ok(())
}

/// FLUSHALL [SYNC | ASYNC]: there is one way.
fn flushall(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mode = call.request.argument(1);
    let is_known = mode.is_empty() || is(mode, "SYNC") || is(mode, "ASYNC");
    if call.request.argument_count() > 2 || !is_known {
        return Err(Failure::Syntax);
    }
    call.service.keyspace.clear()?;
    reply.ok();
    Ok(())
}

/// CONFIG GET pattern...: names and values in turn.
fn config(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    if !is(call.request.argument(1), "GET") {
        return Err(unknown_subcommand(call.request));
    }
    if call.request.argument_count() < 3 {
        return Err(Failure::Arity("config|get"));
    }
    let is_asked = |name: &str| {
        let mut patterns = call.request.arguments_from(2);
        patterns.any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let shown = || call.service.settings.iter().filter(|(name, _)| is_asked(name));
    reply.array(2 * shown().count());
    for (name, value) in shown() {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// COMMAND, COMMAND COUNT, COMMAND INFO name..., COMMAND LIST, and COMMAND DOCS, which has none.
fn command(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    let (subcommand, all) = (request.argument(1), table::all());
    if request.argument_count() == 1 {
        reply.array(all.len());
        all.iter().for_each(|command| describe(command, reply));
    } else if is(subcommand, "COUNT") {
        call.exactly(2, "command|count")?;
        reply.integer(all.len() as i64);
    } else if is(subcommand, "LIST") {
        call.exactly(2, "command|list")?;
        reply.array(all.len());
        all.iter().for_each(|command| reply.bulk(command.name.as_bytes()));
    } else if is(subcommand, "DOCS") {
        reply.array(0);
    } else if is(subcommand, "INFO") {
        let names = request.arguments_from(2);
        reply.array(names.len());
        for name in names {
            match table::find(name) {
                Some(command) => describe(command, reply),
                None => reply.nil(),
            }
        }
    } else {
        return Err(unknown_subcommand(request));
    }
    Ok(())
}

/// A command as Redis's COMMAND describes it, in the form of its version 2.8.
fn describe(command: &Command, reply: &mut Reply<'_>) {
    reply.array(6);
    reply.bulk(command.name.as_bytes());
    reply.integer(match command.arity {
        Arity::Exactly(count) => count as i64,
        Arity::AtLeast(count) => -(count as i64),
    });
    reply.array(1);
    reply.simple(if command.is_write() { "write" } else { "readonly" });
    let Keys { first, last, step } = command.keys;
    for place in [first, last, step] {
        reply.integer(i64::from(place));
    }
}

/// SHUTDOWN [SAVE | NOSAVE | NOW | FORCE]. Its reply is the end of the connection.
fn shutdown(call: &Call<'_>, session: &mut Session, _reply: &mut Reply<'_>) -> Outcome {
    let is_known =
        |option: &[u8]| ["SAVE", "NOSAVE", "NOW", "FORCE"].iter().any(|word| is(option, word));
    if !call.request.arguments_from(1).all(is_known) {
        return Err(Failure::Syntax);
    }
    session.wants_shutdown = true;
    session.wants_close = true;
    Ok(())
}
