//! PING, ECHO.

use super::{Arity, Call, Command, CommandClass, Keys, Outcome, Run};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::session::Session;

pub(super) const COMMANDS: &[Command] =
    &[session("ping", Arity::AtLeast(1), ping), session("echo", Arity::Exactly(2), echo)];

const fn session(
    name: &'static str,
    arity: Arity,
    run: fn(&Call<'_>, &mut Session, &mut Reply<'_>) -> Outcome,
) -> Command {
    let class = CommandClass::Get;
    Command { name, class, arity, keys: Keys::NONE, run: Run::Session(run) }
}

fn ping(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    match call.request.argument_count() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(call.request.argument(1)),
        _ => return Err(Failure::Arity("ping")),
    }
    Ok(())
}

fn echo(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(call.request.argument(1));
    Ok(())
}
