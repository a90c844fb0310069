//! GET, SET.

use super::{Arity, Call, Command, CommandClass, Keys, Outcome, Run};
use crate::keyspace::Entry;
use crate::reply::Reply;
use crate::store::Change;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        class: CommandClass::Get,
        arity: Arity::Exactly(2),
        keys: Keys::ONE,
        run: Run::Point(get),
    },
    Command {
        name: "set",
        class: CommandClass::Put,
        arity: Arity::AtLeast(3),
        keys: Keys::ONE,
        run: Run::Point(set),
    },
];

fn get(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    call.service.keyspace.read(call.turn, call.request.argument(1), |entry| match entry {
        Some(entry) => reply.bulk(entry.value),
        None => reply.nil(),
    })?;
    Ok(())
}

fn set(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let value = call.request.argument(2);
    call.service.keyspace.update(call.turn, call.request.argument(1), |_| {
        Ok((Change::Put(Entry::encode(None, value, &[])), ()))
    })?;
    reply.ok();
    Ok(())
}
