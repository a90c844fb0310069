//! RANGE.

use std::ops::{Bound, ControlFlow};

use super::{Arity, Call, Command, CommandClass, Keys, Outcome, Run};
use crate::failure::Failure;
use crate::reply::Reply;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "range",
    class: CommandClass::Scan,
    arity: Arity::Exactly(3),
    keys: Keys::ONE,
    run: Run::Worker(range),
}];

fn range(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count: usize = std::str::from_utf8(call.request.argument(2))
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Failure::NotInteger)?;
    let array = reply.open_array();
    let mut found = 0;
    let from = Bound::Included(call.request.argument(1));
    let visit = &mut |key: &[u8], value: &[u8]| {
        if found == count {
            return ControlFlow::Break(());
        }
        reply.bulk(key);
        reply.bulk(value);
        found += 1;
        ControlFlow::Continue(())
    };
    call.service.keyspace.scan(call.turn, from, visit)?;
    reply.close_array(array, 2 * found);
    Ok(())
}
