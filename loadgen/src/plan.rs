//! The requests of one run, written down before it starts.
//!
//! Every system under comparison replays the same plan, so a difference between two systems is
//! never a difference between two draws. Times, classes and service times come from separate
//! streams of one seed: the same seed at another rate asks for the same work in the same order.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use thiserror::Error;

use crate::arrivals::{Arrivals, ArrivalsError, Times};
use crate::mix::Mix;
use crate::trace::Trace;

/// Most requests of a plan: 1.2 GB of them. A run of a minute at 800 k requests/s fits.
pub const REQUESTS_MAX: usize = 50_000_000;

/// One request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    /// When it is meant to be sent, from the start of the run.
    pub intended_ns: u64,
    /// Index of its class in the mix.
    pub class: u16,
    /// The work it asks for.
    pub service_ns: u64,
}

/// What a plan is made from, beside the mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanSpec {
    /// How requests arrive.
    pub arrivals: Arrivals,
    /// Mean rate.
    pub rate_rps: f64,
    /// Length of the run; requests intended at or after it are not part of the plan.
    pub duration_ns: u64,
    /// Seed of everything drawn.
    pub seed: u64,
}

/// Why there is no plan.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PlanError {
    /// The arrivals cannot be made.
    #[error(transparent)]
    Arrivals(#[from] ArrivalsError),
    /// The plan would not fit.
    #[error(
        "a plan of {rate_rps:.0} requests/s over {seconds:.1} s is above {REQUESTS_MAX} requests: \
         shorten the run or lower the load"
    )]
    TooLong {
        /// The rate asked for.
        rate_rps: f64,
        /// The length asked for.
        seconds: f64,
    },
}

/// Endless stream of requests to come; what a [`Plan`] is cut from. Simulations of a given number
/// of requests take it directly.
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    mix: &'a Mix,
    times: Times,
    classes: Xoshiro256PlusPlus,
    services: Xoshiro256PlusPlus,
}

impl<'a> Requests<'a> {
    /// Requests of a mix at a mean rate; `duration_ns` is not looked at.
    ///
    /// # Errors
    /// When the arrivals cannot be made.
    pub fn new(mix: &'a Mix, spec: &PlanSpec) -> Result<Self, ArrivalsError> {
        // A jump skips 2^128 draws: the three streams never meet.
        let mut classes = Xoshiro256PlusPlus::seed_from_u64(spec.seed);
        classes.jump();
        let mut services = classes.clone();
        services.jump();
        Ok(Self { mix, times: spec.arrivals.times(spec.rate_rps, spec.seed)?, classes, services })
    }
}

impl Iterator for Requests<'_> {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let intended_ns = self.times.next()?;
        let class = self.mix.draw(&mut self.classes);
        let service_ns = self.mix.classes()[class].service.sample(&mut self.services);
        // CLASSES_MAX is far below 2^16.
        Some(Planned { intended_ns, class: class as u16, service_ns })
    }
}

/// The requests of one run, by ascending intended time.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    spec: PlanSpec,
    requests: Vec<Planned>,
}

impl Plan {
    /// Draws the requests of a run.
    ///
    /// # Errors
    /// When the arrivals cannot be made or there would be more than [`REQUESTS_MAX`] requests.
    pub fn new(mix: &Mix, spec: PlanSpec) -> Result<Self, PlanError> {
        let stream = Requests::new(mix, &spec)?;
        let seconds = spec.duration_ns as f64 / 1e9;
        let too_long = PlanError::TooLong { rate_rps: spec.rate_rps, seconds };
        let expected = spec.rate_rps * seconds;
        if expected > REQUESTS_MAX as f64 {
            return Err(too_long);
        }
        let mut requests = Vec::with_capacity(expected as usize + expected.sqrt() as usize * 4);
        requests.extend(
            stream
                .take_while(|request| request.intended_ns < spec.duration_ns)
                .take(REQUESTS_MAX + 1),
        );
        if requests.len() > REQUESTS_MAX {
            return Err(too_long);
        }
        Ok(Self { spec, requests })
    }

    /// A plan without requests.
    #[must_use]
    pub fn empty(spec: PlanSpec) -> Self {
        Self { spec, requests: Vec::new() }
    }

    /// The requests of a recorded trace, as far as they lie within the duration; classes the trace
    /// does not name are drawn. The spec's arrivals and rate only describe it.
    #[must_use]
    pub fn replay(mix: &Mix, trace: &Trace, spec: PlanSpec) -> Self {
        let mut classes = Xoshiro256PlusPlus::seed_from_u64(spec.seed);
        classes.jump();
        let mut services = classes.clone();
        services.jump();
        let recorded =
            trace.arrivals().iter().take_while(|arrival| arrival.at_ns < spec.duration_ns);
        let requests = recorded.map(|arrival| {
            let class = arrival.class.unwrap_or_else(|| mix.draw(&mut classes) as u16);
            let service = mix.classes()[usize::from(class)].service;
            let service_ns = service.sample(&mut services);
            Planned { intended_ns: arrival.at_ns, class, service_ns }
        });
        Self { spec, requests: requests.collect() }
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &PlanSpec {
        &self.spec
    }

    /// The requests, by ascending intended time.
    #[must_use]
    pub fn requests(&self) -> &[Planned] {
        &self.requests
    }

    /// The load these draws really put on `cpus` CPUs. In a short run the few long requests make it
    /// differ from the load asked for by several per cent.
    #[must_use]
    pub fn load(&self, cpus: usize) -> f64 {
        let work_ns: f64 = self.requests.iter().map(|request| request.service_ns as f64).sum();
        work_ns / (self.spec.duration_ns as f64 * cpus as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix() -> Mix {
        Mix::parse("99.5:10us,0.5:10ms").unwrap().exponential()
    }

    fn spec() -> PlanSpec {
        PlanSpec {
            arrivals: Arrivals::Poisson,
            rate_rps: 11_676.0,
            duration_ns: 20_000_000_000,
            seed: 1,
        }
    }

    #[test]
    fn the_same_seed_replays_and_another_does_not() {
        let plan = Plan::new(&mix(), spec()).unwrap();
        assert_eq!(plan, Plan::new(&mix(), spec()).unwrap());
        let other = Plan::new(&mix(), PlanSpec { seed: 2, ..spec() }).unwrap();
        assert_ne!(plan.requests()[..10], other.requests()[..10]);
    }

    #[test]
    fn the_stream_never_changes_between_releases() {
        // Published results name their seed; these literals keep the promise.
        let planned = |intended_ns, service_ns| Planned { intended_ns, class: 0, service_ns };
        let first: Vec<Planned> = Requests::new(&mix(), &spec()).unwrap().take(3).collect();
        assert_eq!(
            first,
            [planned(93_935, 2_883), planned(190_713, 3_125), planned(221_664, 18_523)]
        );
    }

    #[test]
    fn another_rate_asks_for_the_same_work() {
        let slow = Plan::new(&mix(), spec()).unwrap();
        let fast = Plan::new(&mix(), PlanSpec { rate_rps: 20_000.0, ..spec() }).unwrap();
        for (slow, fast) in slow.requests().iter().zip(fast.requests()) {
            assert_eq!((slow.class, slow.service_ns), (fast.class, fast.service_ns));
        }
    }

    #[test]
    fn a_plan_ends_with_its_duration_and_carries_its_load() {
        let plan = Plan::new(&mix(), spec()).unwrap();
        assert!(plan.requests().last().unwrap().intended_ns < spec().duration_ns);
        let count = plan.requests().len() as f64;
        assert!((count / (11_676.0 * 20.0) - 1.0).abs() < 0.02, "{count}");
        assert!((plan.load(1) - 0.7).abs() < 0.07, "load {}", plan.load(1));
        assert!((plan.load(1) / plan.load(2) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_trace_is_replayed_as_recorded() {
        let mix = Mix::parse("a=50:1us,b=50:1ms").unwrap();
        let trace = Trace::parse("0s b\n1ms a\n2ms\n30s a", &mix).unwrap();
        let plan = Plan::replay(&mix, &trace, spec());
        let times: Vec<u64> = plan.requests().iter().map(|request| request.intended_ns).collect();
        assert_eq!(times, [0, 1_000_000, 2_000_000], "what lies beyond the duration is left out");
        assert_eq!((plan.requests()[0].class, plan.requests()[1].class), (1, 0));
        assert_eq!(plan.requests()[0].service_ns, 1_000_000);
    }

    #[test]
    fn refuses_a_plan_that_does_not_fit() {
        let endless = PlanSpec { duration_ns: u64::MAX, ..spec() };
        let error = Plan::new(&mix(), endless).unwrap_err().to_string();
        assert!(error.contains("shorten the run"), "{error}");
        let silent = PlanSpec { rate_rps: 0.0, ..spec() };
        assert!(matches!(Plan::new(&mix(), silent), Err(PlanError::Arrivals(_))));
    }
}
