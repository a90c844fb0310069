//! What a preemption costs: two CPU-bound requests take turns on one worker CPU.
//!
//! The same work is done once by one request alone, which nobody preempts, and once by two that
//! preempt each other every quantum. What the second takes longer is the worker time that preempting
//! cost. Both run in the same runtime right after one another, so that they share the machine's mood.

use std::sync::Arc;
use std::time::Duration;

use revenant::policy::Shinjuku;
use revenant::{BuildError, Class, Context, Runtime};
use revenant_loadgen::Calibration;
use serde::Serialize;

use crate::clock::monotonic_ns;
use crate::site::Site;

/// How requests notice that they should make way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// They pass a safepoint every microsecond.
    Safepoint,
    /// They never look: it takes a signal.
    Signal,
}

impl Path {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Safepoint, Self::Signal];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safepoint => "safepoint",
            Self::Signal => "signal",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// How.
    pub path: Path,
    /// Turn of a request.
    pub quantum_us: f64,
    /// Preemptions measured.
    pub preemptions: u64,
    /// From the decision to the next request's first instruction.
    pub switch_p50_us: f64,
    /// The same, 99th percentile.
    pub switch_p99_us: f64,
    /// Worker time not spent in requests, over all.
    pub lost_share: f64,
    /// The same for each preemption.
    pub lost_us: f64,
}

/// Measures preemption along `path`, with `work_ns` of work.
///
/// # Errors
/// When the runtime cannot be built.
pub fn measure(
    calibration: &Calibration,
    site: &Site,
    path: Path,
    quantum_ns: u64,
    work_ns: u64,
) -> Result<Cost, BuildError> {
    let mut runtime = Runtime::builder()
        .policy(Shinjuku::new(quantum_ns))
        .dispatcher_cpu(site.generator)
        .worker_cpus(site.workers.iter().copied().take(1).collect())
        .class("work", Class::default())
        .build()?;
    let iterations = calibration.iterations(work_ns);
    let alone_ns = elapsed_ns(&runtime, calibration, path, iterations, 1);
    let together_ns = elapsed_ns(&runtime, calibration, path, iterations / 2, 2);
    let stats = runtime.stats();
    runtime.drain(Duration::from_secs(1));
    let times = match path {
        Path::Safepoint => &stats.switch_times.by_safepoint,
        Path::Signal => &stats.switch_times.by_signal,
    };
    let preemptions = stats.threads.preempted_by_safepoint + stats.threads.preempted_by_signal;
    let lost_ns = together_ns.saturating_sub(alone_ns) as f64;
    Ok(Cost {
        path,
        quantum_us: quantum_ns as f64 / 1e3,
        preemptions,
        switch_p50_us: times.value_at_quantile(0.5) as f64 / 1e3,
        switch_p99_us: times.value_at_quantile(0.99) as f64 / 1e3,
        lost_share: lost_ns / together_ns as f64,
        lost_us: lost_ns / preemptions.max(1) as f64 / 1e3,
    })
}

/// Time from the first beginning to the last end of `requests` requests of equal work.
fn elapsed_ns(
    runtime: &Runtime,
    calibration: &Calibration,
    path: Path,
    iterations: u64,
    requests: usize,
) -> u64 {
    let calibration = Arc::new(*calibration);
    let work = move |context: &Context<'_>| {
        let begun_ns = monotonic_ns();
        match path {
            Path::Safepoint => calibration.spin(iterations, || context.safepoint()),
            Path::Signal => calibration.spin(iterations, || ()),
        }
        (begun_ns, monotonic_ns())
    };
    let tickets: Vec<_> = (0..requests).map(|_| runtime.submit("work", work.clone())).collect();
    let spans = tickets.into_iter().map(|ticket| ticket.wait().expect("the work ends"));
    let all = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    all.map_or(0, |(begun_ns, done_ns)| done_ns - begun_ns)
}

/// The middle one of several measurements of the same thing, field by field.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn median(costs: &[Cost]) -> Cost {
    let of = |field: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost {
        preemptions: of(|cost| cost.preemptions as f64) as u64,
        switch_p50_us: of(|cost| cost.switch_p50_us),
        switch_p99_us: of(|cost| cost.switch_p99_us),
        lost_share: of(|cost| cost.lost_share),
        lost_us: of(|cost| cost.lost_us),
        ..costs[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_preempt_and_are_timed() {
        let site = Site::of_this_process(Some(1)).expect("two CPUs to test on");
        let calibration = Calibration::from_iterations_per_us(500.0);
        for path in Path::ALL {
            let cost = measure(&calibration, &site, path, 100_000, 50_000_000).unwrap();
            assert!(cost.preemptions > 10, "{cost:?}");
            assert!(cost.switch_p50_us > 0.0 && cost.switch_p50_us <= cost.switch_p99_us);
        }
    }

    #[test]
    fn the_median_is_taken_field_by_field() {
        let cost = |lost_share, switch_p50_us| Cost {
            path: Path::Signal,
            quantum_us: 30.0,
            preemptions: 1,
            switch_p50_us,
            switch_p99_us: 9.0,
            lost_share,
            lost_us: 1.0,
        };
        let middle = median(&[cost(0.1, 3.0), cost(0.3, 1.0), cost(0.2, 2.0)]);
        assert_eq!((middle.lost_share, middle.switch_p50_us), (0.2, 2.0));
    }
}
