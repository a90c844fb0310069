//! `eevdf`: a thread per request under the kernel's default scheduler, as it comes.

use super::thread_per_request::{self, CrewKind};
use crate::discipline::Discipline;
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct Eevdf;

impl System for Eevdf {
    fn name(&self) -> &'static str {
        "eevdf"
    }

    fn about(&self) -> &'static str {
        "the kernel's own scheduler: plain threads, one per request in flight"
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let crew = CrewKind { discipline: Discipline::Fair, serves: |_| true };
        thread_per_request::run(self.name(), run, &[crew])
    }
}
