//! PING, ECHO, SELECT, QUIT, AUTH, HELLO: between a client and its connection.

use revenant_wire::resp;

use super::argument::{integer, is};
use super::client::set_name;
use super::{Arity, Call, Command, Outcome};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::service::Service;
use crate::session::Session;

pub(super) const COMMANDS: &[Command] = &[
    Command::session("ping", Arity::AtLeast(1), ping),
    Command::session("echo", Arity::Exactly(2), echo),
    Command::session("select", Arity::Exactly(2), select),
    Command::session("quit", Arity::AtLeast(1), quit),
    Command::session("auth", Arity::AtLeast(2), auth),
    Command::session("hello", Arity::AtLeast(1), hello),
];

/// The only user there is.
const USER: &str = "default";

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

/// There is one database, number 0.
fn select(call: &Call<'_>, _session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    if integer(call.request.argument(1))? != 0 {
        return Err(Failure::DbIndex);
    }
    reply.ok();
    Ok(())
}

fn quit(_call: &Call<'_>, session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    session.wants_close = true;
    reply.ok();
    Ok(())
}

/// AUTH password, or AUTH user password.
fn auth(call: &Call<'_>, session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    match request.argument_count() {
        2 if call.service.password.is_none() => return Err(Failure::NoPassword),
        2 => authenticate(call.service, session, USER.as_bytes(), request.argument(1))?,
        3 => authenticate(call.service, session, request.argument(1), request.argument(2))?,
        _ => return Err(Failure::Syntax),
    }
    reply.ok();
    Ok(())
}

fn authenticate(service: &Service, session: &mut Session, user: &[u8], password: &[u8]) -> Outcome {
    let is_right = service.password.as_ref().is_none_or(|right| is_same(right, password));
    if user != USER.as_bytes() || !is_right {
        return Err(Failure::WrongPassword);
    }
    session.is_authenticated = true;
    Ok(())
}

/// Takes as long for a password that is nearly right as for one that is not.
fn is_same(right: &str, given: &[u8]) -> bool {
    let differences = right.bytes().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
    right.len() == given.len() && std::hint::black_box(differences) == 0
}

/// HELLO [version [AUTH user password] [SETNAME name]]. Version 2 is the only one.
fn hello(call: &Call<'_>, session: &mut Session, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    if request.argument_count() > 1 {
        let version = resp::number(request.argument(1)).ok_or(Failure::ProtocolNotInteger)?;
        if version != 2 {
            return Err(Failure::UnsupportedProtocol);
        }
    }
    let mut options = request.arguments_from(2);
    while let Some(option) = options.next() {
        if is(option, "AUTH") && options.len() >= 2 {
            let (user, password) = (options.next(), options.next());
            let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
            authenticate(call.service, session, user, password)?;
        } else if is(option, "SETNAME") && options.len() >= 1 {
            set_name(session, options.next().unwrap_or_default())?;
        } else {
            return Err(Failure::HelloOption(super::shown(option)));
        }
    }
    if !session.is_authenticated {
        return Err(Failure::HelloUnauthenticated);
    }
    introduce(call.service, session, reply);
    Ok(())
}

fn introduce(service: &Service, session: &Session, reply: &mut Reply<'_>) {
    let mode = if service.cluster.is_some() { "cluster" } else { "standalone" };
    reply.array(14);
    for (name, value) in [("server", "revenant"), ("version", env!("CARGO_PKG_VERSION"))] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, value) in [("proto", 2), ("id", session.id as i64)] {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    }
    for (name, value) in [("mode", mode), ("role", "master")] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}
