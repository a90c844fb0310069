//! `ideal`: the default policy where nothing costs anything. What lies between it and the same policy
//! on real threads is the price of the mechanism.

use revenant::backend::sim::SimOptions;
use revenant::policy::{PolicyKind, PolicyOptions};

use crate::simulate::{self, arrival};
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct Ideal;

impl System for Ideal {
    fn name(&self) -> &'static str {
        "ideal"
    }

    fn about(&self) -> &'static str {
        "bound: the two-queue policy at zero cost, simulated on the same arrivals"
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let requests = run.plan.requests();
        let options = SimOptions {
            tasks_max: requests.len().max(1),
            ..SimOptions::ideal(run.site.workers.len())
        };
        let policy = PolicyKind::TwoQueue.build(&PolicyOptions::default());
        let policy = policy
            .map_err(|error| RunError::Setup { system: self.name(), reason: error.to_string() })?;
        let finished = simulate::run(&options, policy, requests.iter().map(arrival));
        Ok(RunOutcome { samples: finished.samples, ..RunOutcome::default() })
    }
}
