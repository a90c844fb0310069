//! `ideal-ps`: every request gets an even share of the CPUs at every instant. What time slices of no
//! length and no cost would reach without knowing, or learning, which requests are long.

use revenant::backend::sim::processor_sharing;

use crate::simulate::{arrival, sample};
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct IdealPs;

impl System for IdealPs {
    fn name(&self) -> &'static str {
        "ideal-ps"
    }

    fn about(&self) -> &'static str {
        "bound: processor sharing at zero cost, simulated on the same arrivals"
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let requests = run.plan.requests();
        let mut samples = Vec::with_capacity(requests.len());
        processor_sharing(run.site.workers.len(), requests.iter().map(arrival), |completion| {
            samples.push(sample(completion));
        });
        Ok(RunOutcome { samples, ..RunOutcome::default() })
    }
}
