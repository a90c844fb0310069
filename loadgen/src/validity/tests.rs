//! The checks on runs that are as they should be, and on runs that are not.

use super::*;
use crate::tally::{Outcome, Span, Stamps};

const SPAN: Span = Span { start_ns: 0, end_ns: 10_000_000_000 };

/// A run of 20 k requests whose stamps `stamp` makes of (index, intended time).
fn run(stamp: impl Fn(u64, u64) -> (u64, u64)) -> (ClassTally, Thinning) {
    let mut tally = ClassTally::new(SPAN);
    let mut thinning = Thinning::new(20_000, 1);
    let times = Arrivals::Poisson.times(2_000.0, 5).unwrap();
    for (index, intended_ns) in times.take_while(|at| *at < SPAN.end_ns).enumerate() {
        let (late_ns, service_ns) = stamp(index as u64, intended_ns);
        let sent_ns = intended_ns + late_ns;
        thinning.sent(sent_ns);
        let stamps = Stamps { intended_ns, sent_ns, done_ns: sent_ns + service_ns };
        tally.add(stamps, Outcome::Answered);
    }
    (tally, thinning)
}

fn checks(tally: &ClassTally, arrivals: Arrivals, thinning: &Thinning) -> Vec<Check> {
    let mut checks = load_checks(tally);
    checks.extend(arrival_checks(Pace::Open { arrivals, rate_rps: 1.0 }, thinning));
    checks
}

fn failures(stamp: impl Fn(u64, u64) -> (u64, u64)) -> Vec<String> {
    let (tally, thinning) = run(stamp);
    let checks = checks(&tally, Arrivals::Poisson, &thinning);
    assert_eq!(checks.len(), 5);
    let failed = |check: &Check| check.verdict == Verdict::Failed;
    checks.into_iter().filter(failed).map(|check| check.name).collect()
}

/// Some spread, so that percentiles differ.
fn service_ns(index: u64) -> u64 {
    20_000 + index * 7_919 % 50_000
}

#[test]
fn a_run_as_it_should_be_passes() {
    assert_eq!(failures(|index, _| (1_000, service_ns(index))), Vec::<String>::new());
}

#[test]
fn a_late_generator_fails_its_own_run() {
    let late = |index, _| (if index % 20 == 0 { 90_000 } else { 0 }, 20_000);
    assert_eq!(failures(late), ["lateness"]);
}

#[test]
fn bunches_are_not_poisson() {
    // Everything waits for the next multiple of 20 ms, and the server is slow beside that.
    let bunched = |_, at_ns: u64| (20_000_000 - at_ns % 20_000_000, 200_000_000);
    let failures = failures(bunched);
    assert!(failures.contains(&"inter-arrivals".to_owned()), "{failures:?}");
}

#[test]
fn a_server_that_does_not_keep_up_fails_rate_and_stationarity() {
    // 20 % too slow: what is intended at t is done at 1.25 t.
    assert_eq!(failures(|_, at_ns| (0, 1 + at_ns / 4)), ["rate", "stationarity"]);
}

#[test]
fn only_the_generator_s_own_faults_spoil_a_run() {
    let spoiled = |stamp: fn(u64, u64) -> (u64, u64)| {
        let (tally, thinning) = run(stamp);
        is_spoiled(&checks(&tally, Arrivals::Poisson, &thinning))
    };
    assert!(spoiled(|index, _| (if index % 20 == 0 { 90_000 } else { 0 }, 20_000)));
    assert!(!spoiled(|_, at_ns| (0, 1 + at_ns / 4)), "a slow server is a result");
    assert!(!spoiled(|index, _| (1_000, service_ns(index))), "nothing is wrong");
}

#[test]
fn what_was_never_poisson_is_not_held_to_it() {
    let (tally, thinning) = run(|index, _| (0, service_ns(index)));
    let checks = checks(&tally, Arrivals::Constant, &thinning);
    let open = checks.iter().filter(|check| check.verdict == Verdict::NotApplicable).count();
    assert!(open == 2 && all_passed(&checks), "{checks:?}");
}

#[test]
fn an_empty_run_is_invalid() {
    let checks = checks(&ClassTally::new(SPAN), Arrivals::Poisson, &Thinning::new(10, 1));
    assert!(!all_passed(&checks), "{checks:?}");
    assert!(checks[0].about.contains("raise the rate"), "{checks:?}");
}

#[test]
fn halves_within_their_intervals_are_one() {
    let interval = |low, high| Interval { low, high };
    assert_eq!(factor((interval(10, 20), interval(15, 30))), 1.0);
    assert_eq!(factor((interval(10, 20), interval(60, 90))), 3.0);
    assert_eq!(factor((interval(60, 90), interval(10, 20))), 3.0);
}
