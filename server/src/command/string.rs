//! GET, SET, SETNX, MGET, MSET, INCR, DECR, INCRBY, DECRBY, APPEND, STRLEN: values of keys.

mod set;

use super::argument::integer;
use super::{Arity, Call, Command, Keys, Outcome};
use crate::failure::Failure;
use crate::keyspace::Entry;
use crate::reply::Reply;
use crate::store::Change;

pub(super) const COMMANDS: &[Command] = &[
    Command::read("get", Arity::Exactly(2), Keys::ONE, get),
    Command::write("set", Arity::AtLeast(3), Keys::ONE, set::set),
    Command::write("setnx", Arity::Exactly(3), Keys::ONE, set::setnx),
    Command::read("mget", Arity::AtLeast(2), Keys::ALL, mget),
    Command::write("mset", Arity::AtLeast(3), Keys::PAIRS, mset),
    Command::write("incr", Arity::Exactly(2), Keys::ONE, |call, reply| add(call, 1, reply)),
    Command::write("decr", Arity::Exactly(2), Keys::ONE, |call, reply| add(call, -1, reply)),
    Command::write("incrby", Arity::Exactly(3), Keys::ONE, incrby),
    Command::write("decrby", Arity::Exactly(3), Keys::ONE, decrby),
    Command::write("append", Arity::Exactly(3), Keys::ONE, append),
    Command::read("strlen", Arity::Exactly(2), Keys::ONE, strlen),
];

fn get(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    read_value(call, call.request.argument(1), reply)
}

fn read_value(call: &Call<'_>, key: &[u8], reply: &mut Reply<'_>) -> Outcome {
    call.service.keyspace.read(call.turn, key, |entry| match entry {
        Some(entry) => reply.bulk(entry.value),
        None => reply.nil(),
    })?;
    call.check_size(reply)
}

/// Each key is read by itself: a change in between may show in some of them only.
fn mget(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keys = call.request.arguments_from(1);
    reply.array(keys.len());
    for key in keys {
        read_value(call, key, reply)?;
        call.pause()?;
    }
    Ok(())
}

/// Each key is written by itself, which Redis does for all of them at once.
fn mset(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut arguments = call.request.arguments_from(1);
    if !arguments.len().is_multiple_of(2) {
        return Err(Failure::Arity("mset"));
    }
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        call.service
            .keyspace
            .update(call.turn, key, |_| Ok((Change::Put(Entry::encode(None, value, &[])), ())))?;
        // Not cancelled halfway: a half is worse than a late whole.
        call.turn.safepoint();
    }
    reply.ok();
    Ok(())
}

fn incrby(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(call, integer(call.request.argument(2))?, reply)
}

fn decrby(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let addend = integer(call.request.argument(2))?.checked_neg();
    add(call, addend.ok_or(Failure::DecrementOverflow)?, reply)
}

fn add(call: &Call<'_>, addend: i64, reply: &mut Reply<'_>) -> Outcome {
    let sum = call.service.keyspace.update(call.turn, call.request.argument(1), |entry| {
        let number = entry.map_or(Ok(0), |entry| integer(entry.value))?;
        let sum = number.checked_add(addend).ok_or(Failure::Overflow)?;
        let expires_ms = entry.and_then(|entry| entry.expires_ms);
        Ok((Change::Put(Entry::encode(expires_ms, sum.to_string().as_bytes(), &[])), sum))
    })?;
    reply.integer(sum);
    Ok(())
}

fn append(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, tail) = (call.request.argument(1), call.request.argument(2));
    let len = call.service.keyspace.update(call.turn, key, |entry| {
        let (value, expires_ms) =
            entry.map_or((&[][..], None), |entry| (entry.value, entry.expires_ms));
        let len = value.len() + tail.len();
        if len > call.service.value_max {
            return Err(Failure::ValueTooLarge);
        }
        Ok((Change::Put(Entry::encode(expires_ms, value, tail)), len))
    })?;
    reply.integer(len as i64);
    Ok(())
}

fn strlen(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = call.request.argument(1);
    let read = |entry: Option<Entry<'_>>| entry.map_or(0, |entry| entry.value.len());
    reply.integer(call.service.keyspace.read(call.turn, key, read)? as i64);
    Ok(())
}
