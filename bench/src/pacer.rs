//! When the generator sends what: the plan against the clock, the same for every system.

use std::sync::Arc;

use revenant_loadgen::Plan;

/// The requests of a plan that are still to be sent.
///
/// Open loop: a request is due at its intended time whatever became of those before. One that is
/// late is due at once; nothing is ever left out.
#[derive(Clone, Debug)]
pub struct Pacer {
    plan: Arc<Plan>,
    next: usize,
}

impl Pacer {
    /// All requests of `plan`.
    #[must_use]
    pub fn new(plan: &Arc<Plan>) -> Self {
        Self { plan: Arc::clone(plan), next: 0 }
    }

    /// The next request by its index in the plan, if it is due at `now_ns` from the plan's start.
    #[inline]
    pub fn due(&mut self, now_ns: u64) -> Option<u32> {
        let planned = self.plan.requests().get(self.next)?;
        if planned.intended_ns > now_ns {
            return None;
        }
        self.next += 1;
        // REQUESTS_MAX is far below 2^32.
        Some(self.next as u32 - 1)
    }

    /// Whether the last request was sent.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.next == self.plan.requests().len()
    }
}

/// How long the workers are still busy after the end of the plan, at best: what a queue that is
/// never idle with work in it has left by then.
#[must_use]
pub fn drain_ns(plan: &Plan, workers: usize) -> u64 {
    let (mut left_ns, mut last_ns) = (0, 0);
    for planned in plan.requests() {
        left_ns = left_work_ns(left_ns, planned.intended_ns - last_ns, workers);
        left_ns += planned.service_ns;
        last_ns = planned.intended_ns;
    }
    let end_ns = plan.spec().duration_ns;
    left_work_ns(left_ns, end_ns.saturating_sub(last_ns), workers) / workers as u64
}

fn left_work_ns(work_ns: u64, elapsed_ns: u64, workers: usize) -> u64 {
    work_ns.saturating_sub(elapsed_ns * workers as u64)
}

#[cfg(test)]
mod tests {
    use revenant_loadgen::{Arrivals, Mix, PlanSpec};

    use super::*;

    /// One request of 10 us each millisecond from the first on, three in all.
    fn plan(service: &str) -> Plan {
        let mix = Mix::parse(&format!("100:{service}")).unwrap();
        let spec = PlanSpec {
            arrivals: Arrivals::Constant,
            rate_rps: 1_000.0,
            duration_ns: 3_500_000,
            seed: 1,
        };
        Plan::new(&mix, spec).unwrap()
    }

    #[test]
    fn sends_in_order_and_the_late_ones_at_once() {
        let plan = Arc::new(plan("10us"));
        let mut pacer = Pacer::new(&plan);
        assert_eq!(pacer.due(999_999), None);
        assert_eq!(pacer.due(2_000_000), Some(0));
        assert_eq!(pacer.due(2_000_000), Some(1));
        assert_eq!(pacer.due(2_000_000), None);
        assert!(!pacer.finished());
        assert_eq!(pacer.due(9_000_000), Some(2));
        assert!(pacer.finished() && pacer.due(u64::MAX).is_none());
    }

    #[test]
    fn an_overloaded_plan_needs_time_to_drain() {
        assert_eq!(drain_ns(&plan("10us"), 1), 0);
        // 6 ms of work from the first millisecond on: until 7 ms.
        assert_eq!(drain_ns(&plan("2ms"), 1), 3_500_000);
        // Two workers hold 1.5 ms of the last request at the end, counted as if both shared it.
        assert_eq!(drain_ns(&plan("2ms"), 2), 500_000);
    }
}
