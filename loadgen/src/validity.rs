//! Whether a run measured what it says it measured: checks of what was sent, not of the server.
//!
//! The tests are Lancet's (ATC'19): the rate asked for was kept, the gaps between the *actual* sends
//! are exponential and independent, and the run was the same at its end as at its beginning. Beside
//! them stands what an open loop on one thread has to show: that its own lateness is a small part of
//! the tail it reports.

mod anderson_darling;
mod spearman;
mod thinning;

use serde::{Deserialize, Serialize};

pub use anderson_darling::{exponential_p, statistic as anderson_darling};
pub use spearman::{lag_1 as spearman_lag_1, two_sided_p as spearman_p};
pub use thinning::{ARRIVALS_MAX, Thinning};

use crate::arrivals::Arrivals;
use crate::interval::Interval;
use crate::job::Pace;
use crate::tally::ClassTally;

/// How far the achieved rate may be from the offered one, as a part of it.
const RATE_TOLERANCE: f64 = 0.05;

/// Significance of the two tests of arrivals: one good run in a thousand fails each. A search makes
/// dozens of runs, and the faults the tests are for leave p-values of no size at all.
const SIGNIFICANCE: f64 = 0.001;

/// Largest part of the measured p99 that the p99 of the generator's own lateness may be.
const LATENESS_SHARE_MAX: f64 = 0.5;
/// Lateness below this is never held against a run: a timer tick takes as much from a CPU of a
/// virtual machine, 250 times a second, on whichever side of a socket it strikes.
const LATENESS_FREE_NS: u64 = 20_000;

/// Factors by which the halves of a run may differ in median and p99. Queues make latencies depend
/// on those before, so halves differ more than independent samples would.
const MEDIAN_FACTOR_MAX: f64 = 1.5;
const P99_FACTOR_MAX: f64 = 2.0;

/// Fewest gaps that say anything about a distribution.
const GAPS_MIN: usize = 50;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not so: the run is invalid.
    Failed,
    /// It cannot be asked of this run.
    NotApplicable,
}

/// One check of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found; `None` when there was nothing to find.
    pub value: Option<f64>,
    /// What it is held to.
    pub bound: Option<f64>,
    /// The same in words; of a failure, also what to do.
    pub about: String,
}

impl Check {
    fn held(name: &str, passed: bool, value: f64, bound: f64) -> Self {
        let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
        let finite = |number: f64| number.is_finite().then_some(number);
        Self {
            name: name.to_owned(),
            verdict,
            value: finite(value),
            bound: finite(bound),
            about: String::new(),
        }
    }

    fn not_applicable(name: &str, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::NotApplicable,
            value: None,
            bound: None,
            about: why.to_owned(),
        }
    }

    fn saying(mut self, about: String) -> Self {
        self.about = about;
        self
    }
}

/// The checks of what all generators of a run counted together.
#[must_use]
pub fn load_checks(all: &ClassTally) -> Vec<Check> {
    vec![rate(all), lateness(all), stationarity(all)]
}

/// Checks of which the generator alone can fail: what it sent was not what was asked for, and
/// nothing can be said of the server.
const OF_THE_GENERATOR: [&str; 3] = [LATENESS, INTER_ARRIVALS, INDEPENDENCE];

const LATENESS: &str = "lateness";
const INTER_ARRIVALS: &str = "inter-arrivals";
const INDEPENDENCE: &str = "independence";

/// Whether a run failed by the generator's fault alone.
#[must_use]
pub fn is_spoiled(checks: &[Check]) -> bool {
    let mut failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).peekable();
    let ours = |check: &Check| OF_THE_GENERATOR.contains(&check.name.as_str());
    failed.peek().is_some() && failed.all(ours)
}

/// Whether a list of checks holds no failure.
#[must_use]
pub fn all_passed(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict != Verdict::Failed)
}

fn rate(all: &ClassTally) -> Check {
    let name = "rate";
    if all.count() == 0 {
        return Check::held(name, false, 0.0, 1.0 - RATE_TOLERANCE)
            .saying("no request was due: raise the rate or lengthen the run".to_owned());
    }
    let achieved = all.achieved_rps() / all.offered_rps();
    Check::held(name, (achieved - 1.0).abs() <= RATE_TOLERANCE, achieved, 1.0 - RATE_TOLERANCE)
        .saying(format!(
            "{:.0} requests/s answered of {:.0} offered{}",
            all.achieved_rps(),
            all.offered_rps(),
            if achieved < 1.0 - RATE_TOLERANCE { ": the server does not keep up" } else { "" }
        ))
}

fn lateness(all: &ClassTally) -> Check {
    let name = LATENESS;
    let (Some(late_ns), Some(p99_ns)) = (all.lateness_ns(0.99), all.latency_ns(0.99)) else {
        return Check::not_applicable(name, "no requests");
    };
    let share = late_ns as f64 / p99_ns.max(1) as f64;
    let passed = late_ns <= LATENESS_FREE_NS || share <= LATENESS_SHARE_MAX;
    let cure = if passed {
        ""
    } else {
        ": the generator is part of what it measures; give it a CPU of its own (--cpu), or lower \
         the rate, or add --agents"
    };
    Check::held(name, passed, share, LATENESS_SHARE_MAX).saying(format!(
        "requests were sent {:.1} us late at p99, of {:.1} us of latency{cure}",
        late_ns as f64 / 1e3,
        p99_ns as f64 / 1e3
    ))
}

/// The checks of the times at which one generator sent.
#[must_use]
pub fn arrival_checks(pace: Pace, thinning: &Thinning) -> Vec<Check> {
    let names = [INTER_ARRIVALS, INDEPENDENCE];
    let neither = |why| names.map(|name| Check::not_applicable(name, why)).to_vec();
    if !matches!(pace, Pace::Open { arrivals: Arrivals::Poisson, .. }) {
        return neither("arrivals are not meant to be Poisson");
    }
    let gaps = thinning.gaps();
    if gaps.len() < GAPS_MIN {
        return neither("too few requests to tell");
    }
    let squared = anderson_darling(&gaps);
    let exponential = exponential_p(squared, gaps.len());
    let rho = spearman_lag_1(&gaps);
    let independent = spearman_p(rho, gaps.len() - 1);
    let cure = |p: f64| if p < SIGNIFICANCE { ": sends came in bunches; see lateness" } else { "" };
    vec![
        Check::held(names[0], exponential >= SIGNIFICANCE, exponential, SIGNIFICANCE).saying(
            format!(
                "Anderson-Darling over {} gaps: A2 {squared:.2}, p {exponential:.3}{}",
                gaps.len(),
                cure(exponential)
            ),
        ),
        Check::held(names[1], independent >= SIGNIFICANCE, independent, SIGNIFICANCE).saying(
            format!(
                "Spearman of neighbouring gaps: rho {rho:.3}, p {independent:.3}{}",
                cure(independent)
            ),
        ),
    ]
}

/// The halves differ when both their intervals are apart and the factor between them is large.
fn stationarity(all: &ClassTally) -> Check {
    let name = "stationarity";
    let halves = |quantile| {
        let (first, second) = all.halves();
        Some((Interval::of(first, quantile)?, Interval::of(second, quantile)?))
    };
    let (Some(median), Some(p99)) = (halves(0.5), halves(0.99)) else {
        return Check::not_applicable(name, "too few requests to compare the halves of the run");
    };
    let (median_factor, p99_factor) = (factor(median), factor(p99));
    let passed = median_factor <= MEDIAN_FACTOR_MAX && p99_factor <= P99_FACTOR_MAX;
    let cure = if passed {
        ""
    } else {
        ": warm up longer, or look what grows (a queue: the rate is too high)"
    };
    Check::held(name, passed, p99_factor, P99_FACTOR_MAX).saying(format!(
        "between the halves, the median moved {median_factor:.2}x and the p99 {p99_factor:.2}x, \
         beyond their confidence intervals{cure}"
    ))
}

/// How far two intervals are apart, as the factor between their nearer ends; 1 when they meet.
fn factor((a, b): (Interval, Interval)) -> f64 {
    let apart = |low: Interval, high: Interval| high.low as f64 / low.high.max(1) as f64;
    apart(a, b).max(apart(b, a)).max(1.0)
}

#[cfg(test)]
#[path = "validity/tests.rs"]
mod tests;
