//! The floor: what a call costs that does nothing.

use super::member::confine;
use super::stage::Engine;
use super::{OpcostError, Plan, warm};
use crate::clock::monotonic_ns;
use crate::cost::Row;

pub(super) fn rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    confine(&plan.work_set())?;
    let clock = time(plan, || ());
    let getppid = time(plan, || {
        // SAFETY: no pointers. By number: the C library could remember the answer.
        let _parent = unsafe { libc::syscall(libc::SYS_getppid) };
    });
    let mut failed = None;
    let nothing = time(plan, || failed = engine.scheduler.nothing().err().or(failed.take()));
    if let Some(error) = failed {
        return Err(error.into());
    }
    Ok(vec![
        Row::of("clock", "one reading of the clock: a part of every row", clock),
        Row::of("getppid", "the smallest system call", getppid),
        Row::of("empty-call", "BPF_PROG_RUN of a program that does nothing", nothing),
    ])
}

fn time(plan: &Plan, mut operation: impl FnMut()) -> Vec<u64> {
    let mut once = || {
        let began_ns = monotonic_ns();
        operation();
        monotonic_ns() - began_ns
    };
    warm((0..plan.rounds()).map(|_| once()).collect())
}
