//! `rr`: a thread per request under SCHED_RR, whose time slice (100 ms by default) is longer than
//! any request here; with one worker CPU it is first in, first out.

use std::thread;

use super::thread_per_request::{self, CrewKind};
use crate::discipline::Discipline;
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct RoundRobin;

impl System for RoundRobin {
    fn name(&self) -> &'static str {
        "rr"
    }

    fn about(&self) -> &'static str {
        "plain threads under SCHED_RR (needs RLIMIT_RTPRIO or CAP_SYS_NICE)"
    }

    fn available(&self) -> Result<(), String> {
        let probe = thread::spawn(|| Discipline::RoundRobin.adopt());
        probe.join().expect("the probe does not panic").map_err(|error| {
            format!("SCHED_RR is refused ({error}): run as root or raise RLIMIT_RTPRIO (ulimit -r)")
        })
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let crew = CrewKind { discipline: Discipline::RoundRobin, serves: |_| true };
        thread_per_request::run(self.name(), run, &[crew])
    }
}
