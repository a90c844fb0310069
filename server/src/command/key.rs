//! DEL, UNLINK, EXISTS, TYPE, EXPIRE, PEXPIRE, TTL, PTTL, PERSIST: keys whatever their value.

use super::argument::integer;
use super::{Arity, Call, Command, Keys, Outcome};
use crate::failure::Failure;
use crate::keyspace::Entry;
use crate::reply::Reply;
use crate::store::Change;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("del", Arity::AtLeast(2), Keys::ALL, del),
    Command::write("unlink", Arity::AtLeast(2), Keys::ALL, del),
    Command::read("exists", Arity::AtLeast(2), Keys::ALL, exists),
    Command::read("type", Arity::Exactly(2), Keys::ONE, kind),
    Command::write("expire", Arity::Exactly(3), Keys::ONE, |call, reply| {
        expire(call, 1_000, reply)
    }),
    Command::write("pexpire", Arity::Exactly(3), Keys::ONE, |call, reply| expire(call, 1, reply)),
    Command::read("ttl", Arity::Exactly(2), Keys::ONE, |call, reply| ttl(call, 1_000, reply)),
    Command::read("pttl", Arity::Exactly(2), Keys::ONE, |call, reply| ttl(call, 1, reply)),
    Command::write("persist", Arity::Exactly(2), Keys::ONE, persist),
];

fn del(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut removed = 0;
    for key in call.request.arguments_from(1) {
        removed += call.service.keyspace.update(call.turn, key, |entry| {
            let change = if entry.is_some() { Change::Remove } else { Change::Keep };
            Ok((change, i64::from(entry.is_some())))
        })?;
        call.turn.safepoint();
    }
    reply.integer(removed);
    Ok(())
}

/// A key that is named twice counts twice.
fn exists(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut found = 0;
    for key in call.request.arguments_from(1) {
        let is_there = |entry: Option<Entry<'_>>| entry.is_some();
        found += i64::from(call.service.keyspace.read(call.turn, key, is_there)?);
        call.pause()?;
    }
    reply.integer(found);
    Ok(())
}

fn kind(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = call.request.argument(1);
    let is_there = call.service.keyspace.read(call.turn, key, |entry| entry.is_some())?;
    reply.simple(if is_there { "string" } else { "none" });
    Ok(())
}

/// A time to live that is over at once removes the key.
fn expire(call: &Call<'_>, unit_ms: i64, reply: &mut Reply<'_>) -> Outcome {
    let invalid = Failure::InvalidExpire(if unit_ms == 1 { "pexpire" } else { "expire" });
    let time_ms = integer(call.request.argument(2))?.checked_mul(unit_ms);
    let now_ms = call.turn.unix_ms();
    let expires_ms = time_ms.and_then(|time_ms| (now_ms as i64).checked_add(time_ms));
    let expires_ms = expires_ms.ok_or(invalid)?;
    let is_set = call.service.keyspace.update(call.turn, call.request.argument(1), |entry| {
        Ok(match (entry, u64::try_from(expires_ms)) {
            (None, _) => (Change::Keep, false),
            (Some(entry), Ok(expires_ms)) if expires_ms > now_ms => {
                (Change::Put(Entry::encode(Some(expires_ms), entry.value, &[])), true)
            }
            (Some(_), _) => (Change::Remove, true),
        })
    })?;
    reply.integer(i64::from(is_set));
    Ok(())
}

/// What is left, rounded; -1 for keys that stay, -2 for those that are not there.
fn ttl(call: &Call<'_>, unit_ms: i64, reply: &mut Reply<'_>) -> Outcome {
    let left_ms = |entry: Option<Entry<'_>>| match entry {
        None => -2,
        Some(Entry { expires_ms: None, .. }) => -1,
        Some(Entry { expires_ms: Some(expires_ms), .. }) => {
            (expires_ms.saturating_sub(call.turn.unix_ms()) as i64 + unit_ms / 2) / unit_ms
        }
    };
    reply.integer(call.service.keyspace.read(call.turn, call.request.argument(1), left_ms)?);
    Ok(())
}

fn persist(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_set = call.service.keyspace.update(call.turn, call.request.argument(1), |entry| {
        Ok(match entry.filter(|entry| entry.expires_ms.is_some()) {
            Some(entry) => (Change::Put(Entry::encode(None, entry.value, &[])), true),
            None => (Change::Keep, false),
        })
    })?;
    reply.integer(i64::from(is_set));
    Ok(())
}
