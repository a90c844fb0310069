//! SPIN: work made to order.

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

/// Microseconds, perhaps with decimals, as nanoseconds.
fn work_ns(text: &[u8]) -> Result<u64, Failure> {
    let work_us = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    match work_us.filter(|us| us.is_finite() && *us >= 0.0) {
        None => Err(Failure::NotInteger),
        Some(us) if us > SPIN_MAX_US as f64 => Err(Failure::SpinTooLong(SPIN_MAX_US)),
        Some(us) => Ok((us * 1e3).round() as u64),
    }
}

/// SPIN us: works for as long, preemption not counted.
fn spin(call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
    let work_ns = work_ns(call.request.argument(1))?;
    call.service.spinner.spin(work_ns, &mut || call.pause())?;
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_may_have_decimals_and_is_bounded() {
        assert_eq!(work_ns(b"10"), Ok(10_000));
        assert_eq!(work_ns(b"5.7"), Ok(5_700));
        assert_eq!(work_ns(b"20000000"), Err(Failure::SpinTooLong(SPIN_MAX_US)));
        for text in [&b"-1"[..], b"", b"nan", b"x", b"\xff"] {
            assert_eq!(work_ns(text), Err(Failure::NotInteger));
        }
    }
}
