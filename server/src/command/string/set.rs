//! SET and its options, SETNX.

use super::super::argument::{integer, is};
use super::super::{Call, Outcome};
use crate::failure::Failure;
use crate::keyspace::Entry;
use crate::reply::Reply;
use crate::request::Request;
use crate::store::Change;

/// When a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// What becomes of its time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    None,
    Keep,
    At(u64),
}

struct Options {
    condition: Condition,
    expiry: Expiry,
    returns_old: bool,
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT unix-s | PXAT unix-ms | KEEPTTL]`
pub(super) fn set(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::of(call.request, &|| call.turn.unix_ms())?;
    let (is_written, old) = write(call, &options)?;
    match (options.returns_old, old) {
        (true, Some(old)) => reply.bulk(&old),
        (false, _) if is_written => reply.ok(),
        _ => reply.nil(),
    }
    Ok(())
}

pub(super) fn setnx(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let condition = Condition::IfAbsent;
    let options = Options { condition, expiry: Expiry::None, returns_old: false };
    let (is_written, _) = write(call, &options)?;
    reply.integer(i64::from(is_written));
    Ok(())
}

/// Whether the key was written, and its value before if that is asked for.
fn write(call: &Call<'_>, options: &Options) -> Result<(bool, Option<Vec<u8>>), Failure> {
    let (key, value) = (call.request.argument(1), call.request.argument(2));
    if value.len() > call.service.value_max {
        return Err(Failure::ValueTooLarge);
    }
    call.service.keyspace.update(call.turn, key, |entry| {
        let old = entry.filter(|_| options.returns_old).map(|entry| entry.value.to_vec());
        let is_written = match options.condition {
            Condition::Always => true,
            Condition::IfAbsent => entry.is_none(),
            Condition::IfPresent => entry.is_some(),
        };
        if !is_written {
            return Ok((Change::Keep, (false, old)));
        }
        let expires_ms = match options.expiry {
            Expiry::None => None,
            Expiry::Keep => entry.and_then(|entry| entry.expires_ms),
            Expiry::At(expires_ms) => Some(expires_ms),
        };
        Ok((Change::Put(Entry::encode(expires_ms, value, &[])), (true, old)))
    })
}

impl Options {
    fn of(request: &Request, unix_ms: &dyn Fn() -> u64) -> Result<Self, Failure> {
        let mut options =
            Self { condition: Condition::Always, expiry: Expiry::None, returns_old: false };
        let mut arguments = request.arguments_from(3);
        while let Some(option) = arguments.next() {
            let has_expiry = options.expiry != Expiry::None;
            let is_free = |wanted| [Condition::Always, wanted].contains(&options.condition);
            if is(option, "NX") && is_free(Condition::IfAbsent) {
                options.condition = Condition::IfAbsent;
            } else if is(option, "XX") && is_free(Condition::IfPresent) {
                options.condition = Condition::IfPresent;
            } else if is(option, "GET") {
                options.returns_old = true;
            } else if is(option, "KEEPTTL") && !has_expiry {
                options.expiry = Expiry::Keep;
            } else if let Some(unit) = Unit::of(option).filter(|_| !has_expiry) {
                let number = integer(arguments.next().ok_or(Failure::Syntax)?)?;
                let expires_ms = unit.expires_ms(number, unix_ms());
                options.expiry = Expiry::At(expires_ms.ok_or(Failure::InvalidExpire("set"))?);
            } else {
                return Err(Failure::Syntax);
            }
        }
        Ok(options)
    }
}

/// How a time to live is given.
#[derive(Clone, Copy)]
struct Unit {
    ms: i64,
    is_absolute: bool,
}

impl Unit {
    fn of(option: &[u8]) -> Option<Self> {
        [("EX", 1_000, false), ("PX", 1, false), ("EXAT", 1_000, true), ("PXAT", 1, true)]
            .into_iter()
            .find(|(name, ..)| is(option, name))
            .map(|(_, ms, is_absolute)| Self { ms, is_absolute })
    }

    /// The time that `number` means; `None` if it is none.
    fn expires_ms(self, number: i64, unix_ms: u64) -> Option<u64> {
        let time_ms = number.checked_mul(self.ms).filter(|time_ms| *time_ms > 0)?;
        let begin_ms = if self.is_absolute { 0 } else { i64::try_from(unix_ms).ok()? };
        begin_ms.checked_add(time_ms).map(i64::unsigned_abs)
    }
}
