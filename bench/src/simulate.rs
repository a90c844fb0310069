//! Policies on the simulator: the bounds of a comparison, and studies of machines one does not have.

use revenant::backend::sim::{Arrival, Completion, Costs, SimOptions, Simulation};
use revenant::hint::{ClassId, Tier};
use revenant::policy::{AnyPolicy, Policy, PolicyCounters};
use revenant_loadgen::{
    Arrivals, ArrivalsError, Mix, Phase, PlanSpec, Planned, Record, Requests, Sample,
};

use crate::row::Row;

/// Most CPUs a simulated machine has.
pub const CPUS_MAX: usize = revenant::cpu::CPUS_MAX;

/// The first requests find an empty machine; this part of them does not count.
const WARM_UP_SHARE: f64 = 0.1;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Study {
    /// CPUs.
    pub cpus: usize,
    /// Offered work over capacity.
    pub load: f64,
    /// The classes.
    pub mix: Mix,
    /// How many requests.
    pub requests: usize,
    /// Seed of the arrivals.
    pub seed: u64,
    /// CPU time a preemption burns.
    pub preemption_ns: u64,
}

/// What became of a study.
#[derive(Clone, Debug)]
pub struct Findings {
    /// A row a class, in the format of comparisons.
    pub rows: Vec<Row>,
    /// Preemptions a request, all classes.
    pub preemptions_per_request: f64,
    /// What the policy counted.
    pub policy: PolicyCounters,
}

/// What a simulation leaves.
#[derive(Debug)]
pub struct Finished {
    /// The requests, in the order they were done.
    pub samples: Vec<Sample>,
    /// What the policy counted.
    pub policy: PolicyCounters,
}

impl Study {
    /// Simulates a policy under the name `system`: the same arguments give the same findings.
    ///
    /// # Errors
    /// When the load gives no arrivals.
    pub fn run(&self, system: &str, policy: AnyPolicy) -> Result<Findings, ArrivalsError> {
        let spec = PlanSpec {
            arrivals: Arrivals::Poisson,
            rate_rps: self.load * self.mix.capacity_rps(self.cpus),
            duration_ns: u64::MAX,
            seed: self.seed,
        };
        let requests = Requests::new(&self.mix, &spec)?.take(self.requests);
        let options = SimOptions {
            tasks_max: self.requests,
            costs: Costs::per_preemption(self.preemption_ns),
            ..SimOptions::ideal(self.cpus)
        };
        let Finished { samples, policy } =
            run(&options, policy, requests.map(|planned| arrival(&planned)));
        let last_ns = samples.iter().map(|sample| sample.intended_ns).max().unwrap_or(0);
        let phase =
            Phase { start_ns: (last_ns as f64 * WARM_UP_SHARE) as u64, end_ns: last_ns + 1 };
        let classes = self.mix.classes();
        let record = Record::new(&samples, classes.len(), phase, &[]);
        let rows = classes.iter().zip(&record.classes);
        let rows = rows.map(|(class, own)| Row::of_class(system, self.load, &class.name, own));
        Ok(Findings {
            rows: rows.collect(),
            preemptions_per_request: record.all.preemptions() as f64
                / record.all.count().max(1) as f64,
            policy,
        })
    }
}

/// Runs a simulation to its end.
pub fn run(
    options: &SimOptions,
    policy: AnyPolicy,
    arrivals: impl Iterator<Item = Arrival>,
) -> Finished {
    let mut samples = Vec::with_capacity(arrivals.size_hint().0);
    let mut simulation = Simulation::new(options, policy, arrivals);
    simulation.run(|completion| samples.push(sample(completion)));
    Finished { samples, policy: simulation.agent().policy().counters() }
}

/// A planned request as the simulator takes it.
#[must_use]
pub fn arrival(planned: &Planned) -> Arrival {
    Arrival {
        time_ns: planned.intended_ns,
        service_ns: planned.service_ns,
        class: ClassId(planned.class),
        tier: Tier::LatencyCritical,
    }
}

/// A simulated request as a sample: it is sent when it was meant to be.
#[must_use]
pub fn sample(completion: &Completion) -> Sample {
    Sample {
        class: completion.class.0,
        intended_ns: completion.arrived_ns,
        sent_ns: completion.arrived_ns,
        started_ns: completion.started_ns,
        done_ns: completion.done_ns,
        service_ns: completion.service_ns,
        preempted: completion.preemptions,
    }
}

#[cfg(test)]
mod tests {
    use revenant::policy::{PolicyKind, PolicyOptions};

    use super::*;

    fn findings(kind: PolicyKind) -> Findings {
        let study = Study {
            cpus: 1,
            load: 0.7,
            mix: Mix::parse("99.5:10us,0.5:10ms").unwrap(),
            requests: 100_000,
            seed: 1,
            preemption_ns: 0,
        };
        study.run(kind.name(), kind.build(&PolicyOptions::default()).unwrap()).unwrap()
    }

    #[test]
    fn two_queues_beat_one_by_orders_of_magnitude() {
        let p99_us = |kind| findings(kind).rows[0].p99_us.unwrap();
        let (two_queue_us, fifo_us) = (p99_us(PolicyKind::TwoQueue), p99_us(PolicyKind::Fifo));
        assert!(two_queue_us * 100.0 < fifo_us, "{two_queue_us} against {fifo_us}");
    }

    #[test]
    fn the_same_study_has_the_same_findings() {
        let (first, second) = (findings(PolicyKind::Shinjuku), findings(PolicyKind::Shinjuku));
        assert_eq!(first.rows, second.rows);
        assert!(first.preemptions_per_request > 0.0);
        let counted: u64 = first.rows.iter().map(|row| row.requests).sum();
        assert!((85_000..=95_000).contains(&counted), "{counted} of 100000 after the warm-up");
    }
}
