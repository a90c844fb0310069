//! `eevdf-nice`: what a careful user does who knows the classes beforehand. Long ones run on threads
//! of their own at nice 19, where they weigh 15 against 1024.

use super::thread_per_request::{self, CrewKind};
use crate::discipline::Discipline;
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct EevdfNice;

impl System for EevdfNice {
    fn name(&self) -> &'static str {
        "eevdf-nice"
    }

    fn about(&self) -> &'static str {
        "told the classes beforehand: long ones on threads of their own at nice 19"
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let long =
            CrewKind { discipline: Discipline::FairNice { nice: 19 }, serves: |class| class.long };
        let rest = CrewKind { discipline: Discipline::Fair, serves: |_| true };
        thread_per_request::run(self.name(), run, &[long, rest])
    }
}
