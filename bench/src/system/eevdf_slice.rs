//! `eevdf-100us`: the same threads with the shortest slice the kernel gives to anyone who asks.

use std::thread;

use super::thread_per_request::{self, CrewKind};
use crate::discipline::{Discipline, slice_ns};
use crate::system::{Run, RunError, RunOutcome, System};

/// The kernel clamps slices to 100 us from below.
const SLICE_NS: u64 = 100_000;

/// See the module.
#[derive(Debug)]
pub(super) struct EevdfSlice;

impl System for EevdfSlice {
    fn name(&self) -> &'static str {
        "eevdf-100us"
    }

    fn about(&self) -> &'static str {
        "the same with a slice of 100 us through sched_setattr (Linux 6.12 and later)"
    }

    fn available(&self) -> Result<(), String> {
        // A thread of its own: the slice must not stay with this one.
        let probe = thread::spawn(|| {
            Discipline::FairSlice { slice_ns: SLICE_NS }.adopt()?;
            slice_ns()
        });
        match probe.join().expect("the probe does not panic") {
            Ok(SLICE_NS) => Ok(()),
            Ok(_) => {
                Err("this kernel ignores a thread's own slice: use Linux 6.12 or later".into())
            }
            Err(error) => Err(format!(
                "sched_setattr is refused ({error}): allow it in the container's seccomp profile"
            )),
        }
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let discipline = Discipline::FairSlice { slice_ns: SLICE_NS };
        thread_per_request::run(self.name(), run, &[CrewKind { discipline, serves: |_| true }])
    }
}
