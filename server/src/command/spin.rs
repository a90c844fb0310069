//! SPIN: work made to order.

use super::argument::integer;
use super::{Arity, Call, Command, CommandClass, Keys, Outcome, Run};
use crate::failure::Failure;
use crate::reply::Reply;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "spin",
    class: CommandClass::Spin,
    arity: Arity::Exactly(2),
    keys: Keys::NONE,
    run: Run::Worker(spin),
}];

/// Ten seconds: beyond, a typing error holds a worker for hours.
const SPIN_MAX_US: u64 = 10_000_000;

/// SPIN us: works for as long, preemption not counted.
fn spin(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let work_us = u64::try_from(integer(call.request.argument(1))?);
    let work_us = work_us.map_err(|_| Failure::NotInteger)?;
    if work_us > SPIN_MAX_US {
        return Err(Failure::SpinTooLong(SPIN_MAX_US));
    }
    call.service.spinner.spin(work_us, &mut || call.pause())?;
    reply.ok();
    Ok(())
}
