//! SCAN, RANGE, ZRANGEBYLEX: many keys, in order.

use std::ops::{Bound, ControlFlow};

use revenant_wire::resp;

use super::argument::{count, integer, is, matches};
use super::{Arity, Call, Command, Keys, Outcome};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;

pub(super) const COMMANDS: &[Command] = &[
    Command::scan("scan", Arity::AtLeast(2), Keys::NONE, scan),
    Command::scan("range", Arity::Exactly(3), Keys::ONE, range),
    Command::scan("zrangebylex", Arity::AtLeast(4), Keys::ONE, zrangebylex),
];

/// Keys a SCAN visits if it does not say how many.
const SCAN_COUNT: usize = 10;

/// How many keys `request` asks for, as far as it says; what it says wrongly shows when it runs.
pub(super) fn keys_asked(command: &Command, request: &Request) -> usize {
    let number = |index| count(request.argument(index)).unwrap_or(usize::MAX);
    let named = |option| {
        let mut arguments = request.arguments_from(2);
        arguments.position(|argument| is(argument, option)).map(|before| before + 2)
    };
    match command.name {
        "range" => number(2),
        "scan" => named("COUNT").map_or(SCAN_COUNT, |index| number(index + 1)),
        _ => named("LIMIT")
            .map_or(usize::MAX, |index| number(index + 1).saturating_add(number(index + 2))),
    }
}

/// RANGE start count: keys and values from `start` on, in turn.
fn range(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = count(call.request.argument(2))?;
    let from = Bound::Included(call.request.argument(1));
    let array = reply.open_array();
    let mut found = 0;
    visit(call, from, reply, |key, value, reply| {
        if found == count {
            return ControlFlow::Break(());
        }
        reply.bulk(key);
        reply.bulk(value);
        found += 1;
        ControlFlow::Continue(())
    })?;
    reply.close_array(array, 2 * found);
    Ok(())
}

/// Visits keys from `from` on until `visit` breaks or the reply is too large, which is a failure.
fn visit(
    call: &Call<'_>,
    from: Bound<&[u8]>,
    reply: &mut Reply<'_>,
    mut visit: impl FnMut(&[u8], &[u8], &mut Reply<'_>) -> ControlFlow<()>,
) -> Outcome {
    call.service.keyspace.scan(call.turn, from, &mut |key, value| {
        if reply.byte_count() > call.service.reply_max {
            return ControlFlow::Break(());
        }
        visit(key, value, reply)
    })?;
    call.check_size(reply)
}

/// ZRANGEBYLEX table min max [LIMIT offset count]: the keys between. All keys of the server are
/// the members of every table: the name only routes the request, through proxies and clusters.
fn zrangebylex(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let request = call.request;
    let (from, to) = (lex_bound(request.argument(2))?, lex_bound(request.argument(3))?);
    let (mut skip, mut left) = match request.argument_count() {
        4 => (0, i64::MAX),
        7 if is(request.argument(4), "LIMIT") => {
            (integer(request.argument(5))?, integer(request.argument(6))?)
        }
        _ => return Err(Failure::Syntax),
    };
    let array = reply.open_array();
    let mut found = 0;
    let from = match from {
        LexBound::Lowest => Some(Bound::Unbounded),
        LexBound::Key(bound) => Some(bound),
        LexBound::Highest => None,
    };
    // As in Redis, a negative offset yields nothing and a negative count all.
    if let Some(from) = from.filter(|_| skip >= 0) {
        visit(call, from, reply, |key, _, reply| {
            if left == 0 || to.is_below(key) {
                return ControlFlow::Break(());
            }
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            reply.bulk(key);
            (found, left) = (found + 1, left - 1);
            ControlFlow::Continue(())
        })?;
    }
    reply.close_array(array, found);
    Ok(())
}

/// An end of a range by key.
enum LexBound<'b> {
    Lowest,
    Highest,
    Key(Bound<&'b [u8]>),
}

impl LexBound<'_> {
    fn is_below(&self, key: &[u8]) -> bool {
        match self {
            Self::Lowest => true,
            Self::Highest | Self::Key(Bound::Unbounded) => false,
            Self::Key(Bound::Included(bound)) => *bound < key,
            Self::Key(Bound::Excluded(bound)) => *bound <= key,
        }
    }
}

fn lex_bound(text: &[u8]) -> Result<LexBound<'_>, Failure> {
    match text {
        b"-" => Ok(LexBound::Lowest),
        b"+" => Ok(LexBound::Highest),
        [b'[', key @ ..] => Ok(LexBound::Key(Bound::Included(key))),
        [b'(', key @ ..] => Ok(LexBound::Key(Bound::Excluded(key))),
        _ => Err(Failure::InvalidLexRange),
    }
}

struct ScanOptions<'r> {
    count: usize,
    pattern: Option<&'r [u8]>,
    /// Every value is a string; a scan for another type finds nothing.
    is_for_strings: bool,
}

impl<'r> ScanOptions<'r> {
    fn of(request: &'r Request) -> Result<Self, Failure> {
        let mut options = Self { count: SCAN_COUNT, pattern: None, is_for_strings: true };
        let mut arguments = request.arguments_from(2);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or(Failure::Syntax)?;
            if is(option, "COUNT") {
                let count = usize::try_from(integer(value)?);
                options.count = count.ok().filter(|count| *count > 0).ok_or(Failure::Syntax)?;
            } else if is(option, "MATCH") {
                options.pattern = Some(value);
            } else if is(option, "TYPE") {
                options.is_for_strings = is(value, "string");
            } else {
                return Err(Failure::Syntax);
            }
        }
        Ok(options)
    }

    fn wants(&self, key: &[u8]) -> bool {
        self.is_for_strings && self.pattern.is_none_or(|pattern| matches(pattern, key))
    }
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]: visits `count` keys, returns those that
/// match, and the cursor from which to go on; 0 begins, and ends.
fn scan(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cursor = resp::number(call.request.argument(1)).and_then(|n| u64::try_from(n).ok());
    let cursor = cursor.ok_or(Failure::InvalidCursor)?;
    let options = ScanOptions::of(call.request)?;
    let Service { cursors, keyspace, reply_max, .. } = call.service;
    let from = cursors.resolve(cursor, keyspace, call.turn)?;
    let (mut keys, mut key_bytes, mut has_more) = (Vec::<Box<[u8]>>::new(), 0, false);
    let from = from.as_ref().map(Vec::as_slice);
    keyspace.scan(call.turn, from, &mut |key, _| {
        has_more = keys.len() == options.count || key_bytes > *reply_max;
        if has_more {
            return ControlFlow::Break(());
        }
        keys.push(key.into());
        key_bytes += key.len();
        ControlFlow::Continue(())
    })?;
    let last = keys.last().filter(|_| has_more);
    let next = last.map_or(0, |last| cursors.after(last, call.turn));
    // Not while they are visited: a hostile pattern takes its time, and the store may be locked.
    let mut matching = Vec::new();
    for key in keys {
        if options.wants(&key) {
            matching.push(key);
        }
        call.pause()?;
    }
    reply.array(2);
    reply.bulk(next.to_string().as_bytes());
    reply.array(matching.len());
    matching.iter().for_each(|key| reply.bulk(key));
    Ok(())
}
