//! CLIENT: what a client tells of itself, and may know.

use super::argument::is;
use super::{Arity, Call, Command, Outcome, unknown_subcommand};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::session::Session;

pub(super) const COMMANDS: &[Command] = &[Command::session("client", Arity::AtLeast(2), client)];

/// Bytes of a name or a library's.
const NAME_MAX: usize = 256;

fn client(call: &Call<'_>, session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    let subcommand = request.argument(1);
    if is(subcommand, "ID") {
        call.exactly(2, "client|id")?;
        reply.integer(session.id as i64);
    } else if is(subcommand, "GETNAME") {
        call.exactly(2, "client|getname")?;
        match session.name.as_str() {
            "" => reply.nil(),
            name => reply.bulk(name.as_bytes()),
        }
    } else if is(subcommand, "SETNAME") {
        call.exactly(3, "client|setname")?;
        set_name(session, request.argument(2))?;
        reply.ok();
    } else if is(subcommand, "SETINFO") {
        call.exactly(4, "client|setinfo")?;
        set_info(session, request.argument(2), request.argument(3))?;
        reply.ok();
    } else if is(subcommand, "NO-EVICT") {
        call.exactly(3, "client|no-evict")?;
        // Nobody is evicted: the server bounds clients by number and by output.
        let value = request.argument(2);
        if !is(value, "ON") && !is(value, "OFF") {
            return Err(Failure::Syntax);
        }
        reply.ok();
    } else {
        return Err(unknown_subcommand(request));
    }
    Ok(())
}

/// The text, if it would not break a list of clients.
fn printable(text: &[u8]) -> Option<&str> {
    let is_printable = text.len() <= NAME_MAX && text.iter().all(|byte| byte.is_ascii_graphic());
    is_printable.then(|| std::str::from_utf8(text).ok()).flatten()
}

pub(super) fn set_name(session: &mut Session, name: &[u8]) -> Outcome {
    session.name = printable(name).ok_or(Failure::InvalidClientName)?.to_owned();
    Ok(())
}

fn set_info(session: &mut Session, attribute: &[u8], value: &[u8]) -> Outcome {
    let (field, name) = if is(attribute, "LIB-NAME") {
        (&mut session.library_name, "lib-name")
    } else if is(attribute, "LIB-VER") {
        (&mut session.library_version, "lib-ver")
    } else {
        return Err(Failure::UnknownClientOption(super::shown(attribute)));
    };
    *field = printable(value).ok_or(Failure::InvalidClientInfo(name))?.to_owned();
    Ok(())
}
