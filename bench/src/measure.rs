//! From what a run left to its rows.

use revenant_loadgen::{Phase, Record, Sample, Window, Windows};

use crate::row::Row;
use crate::system::{Run, RunOutcome};

/// Part of its requests that may arrive during stalls of the machine before a run is disturbed.
///
/// Arrivals, not requests under way: a system that makes requests wait for 40 ms has many under way
/// in every stall, which is its own doing and would mark all its runs.
pub const STALLED_SHARE_MAX: f64 = 0.02;

/// The rows of one run, a class each, and how disturbed it was.
#[derive(Clone, Debug)]
pub struct Measured {
    /// A row a class.
    pub rows: Vec<Row>,
    /// Part of all its requests that arrived during a stall.
    pub stalled_share: f64,
}

impl Measured {
    /// Measures what `system` left of `run` at `load`, within the phase that counts.
    #[must_use]
    pub fn of(system: &str, load: f64, run: &Run<'_>, outcome: &RunOutcome, phase: Phase) -> Self {
        let classes = run.mix.classes();
        let stalls = [&outcome.dispatcher_stalls[..], &outcome.worker_stalls[..]].concat();
        let record = Record::new(&outcome.samples, classes.len(), phase, &stalls);
        let common = Row {
            signals_sent: outcome.signals.sent,
            signals_stale: outcome.signals.stale,
            signals_resent: outcome.signals.resent,
            batch_share: batch_share(run, outcome),
            stalls_per_s_dispatcher: stalls_per_s(&outcome.dispatcher_stalls, phase),
            stalls_per_s_worker: stalls_per_s(&outcome.worker_stalls, phase),
            stall_max_us: within(&stalls, phase).map(length_us).fold(0.0, f64::max),
            involuntary_switches: outcome.involuntary_switches,
            note: outcome.note.clone(),
            ..Row::default()
        };
        let row = |(index, class): (usize, &revenant_loadgen::Class)| {
            let own = Row::of_class(system, load, &class.name, &record.classes[index]);
            let demoted_share = demoted_share(outcome, index);
            with_run_fields(own, demoted_share, &common)
        };
        let rows = classes.iter().enumerate().map(row).collect();
        Self { rows, stalled_share: arrivals_in(&stalls, &outcome.samples, phase) }
    }

    /// Whether the machine disturbed the run too much.
    #[must_use]
    pub fn disturbed(&self) -> bool {
        self.stalled_share > STALLED_SHARE_MAX
    }
}

/// The part of the phase's requests that arrived during a stall.
fn arrivals_in(stalls: &[Window], samples: &[Sample], phase: Phase) -> f64 {
    let stalls = Windows::new(stalls);
    let arrivals = samples.iter().map(|sample| sample.intended_ns);
    let (mut all, mut stalled) = (0_u64, 0_u64);
    for at_ns in arrivals.filter(|ns| (phase.start_ns..phase.end_ns).contains(ns)) {
        all += 1;
        stalled += u64::from(stalls.overlap(at_ns, at_ns));
    }
    stalled as f64 / all.max(1) as f64
}

/// A class's own row, with the fields that belong to the whole run.
fn with_run_fields(own: Row, demoted_share: Option<f64>, run: &Row) -> Row {
    Row {
        demoted_share,
        signals_sent: run.signals_sent,
        signals_stale: run.signals_stale,
        signals_resent: run.signals_resent,
        batch_share: run.batch_share,
        stalls_per_s_dispatcher: run.stalls_per_s_dispatcher,
        stalls_per_s_worker: run.stalls_per_s_worker,
        stall_max_us: run.stall_max_us,
        involuntary_switches: run.involuntary_switches,
        note: run.note.clone(),
        ..own
    }
}

fn demoted_share(outcome: &RunOutcome, class: usize) -> Option<f64> {
    let demoted = *outcome.demoted.as_ref()?.get(class)?;
    let of_class = outcome.samples.iter().filter(|sample| usize::from(sample.class) == class);
    Some(demoted as f64 / of_class.count().max(1) as f64)
}

/// What batch work got of the worker time that the requests' own work left; switching, waking and
/// spinning are the system's doing and so count against it.
fn batch_share(run: &Run<'_>, outcome: &RunOutcome) -> Option<f64> {
    let batch_ns = outcome.batch_cpu_ns? as f64;
    let finished = outcome.samples.iter().filter(|sample| sample.finished());
    let work_ns: u64 = finished.map(|sample: &Sample| sample.service_ns).sum();
    let idle_ns = (outcome.span_ns * run.site.workers.len() as u64) as f64 - work_ns as f64;
    Some(if idle_ns > 0.0 { (batch_ns / idle_ns).min(1.0) } else { 0.0 })
}

fn within(stalls: &[Window], phase: Phase) -> impl Iterator<Item = &Window> {
    stalls
        .iter()
        .filter(move |stall| stall.end_ns > phase.start_ns && stall.start_ns < phase.end_ns)
}

fn length_us(stall: &Window) -> f64 {
    (stall.end_ns - stall.start_ns) as f64 / 1e3
}

fn stalls_per_s(stalls: &[Window], phase: Phase) -> f64 {
    let seconds = (phase.end_ns - phase.start_ns) as f64 / 1e9;
    within(stalls, phase).count() as f64 / seconds
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use revenant::cpu::CpuId;
    use revenant_loadgen::{Arrivals, Calibration, Mix, Plan, PlanSpec};

    use super::*;
    use crate::request_work::RequestWork;
    use crate::site::Site;
    use crate::system::Extras;

    const MS_NS: u64 = 1_000_000;
    const PHASE: Phase = Phase { start_ns: 10 * MS_NS, end_ns: 110 * MS_NS };

    /// A request of 100 us each millisecond, all done in their service time.
    fn measured(change: impl FnOnce(&mut RunOutcome)) -> Measured {
        let mix = Mix::parse("100:100us").unwrap();
        let spec = PlanSpec {
            arrivals: Arrivals::Constant,
            rate_rps: 1_000.0,
            duration_ns: PHASE.end_ns,
            seed: 1,
        };
        let plan = Arc::new(Plan::new(&mix, spec).unwrap());
        let sample = |planned: &revenant_loadgen::Planned| Sample {
            class: 0,
            intended_ns: planned.intended_ns,
            sent_ns: planned.intended_ns,
            started_ns: planned.intended_ns,
            done_ns: planned.intended_ns + planned.service_ns,
            service_ns: planned.service_ns,
            preempted: 0,
        };
        let mut outcome = RunOutcome {
            samples: plan.requests().iter().map(sample).collect(),
            span_ns: PHASE.end_ns,
            ..RunOutcome::default()
        };
        change(&mut outcome);
        let site = Site { generator: CpuId(0), workers: vec![CpuId(1)] };
        let run = Run {
            plan: &plan,
            mix: &mix,
            work: &RequestWork::Spin(Calibration::from_iterations_per_us(1.0)),
            site: &site,
            extras: Extras::default(),
            stop: &Arc::new(AtomicBool::new(false)),
        };
        Measured::of("fifo-pool", 0.1, &run, &outcome, PHASE)
    }

    #[test]
    fn a_quiet_run_is_clean() {
        let measured = measured(|_| ());
        assert!(!measured.disturbed());
        let row = &measured.rows[0];
        assert!((row.p50_us.unwrap() - 100.0).abs() < 0.1);
        assert_eq!((row.batch_share, row.demoted_share, row.stall_max_us), (None, None, 0.0));
    }

    #[test]
    fn stalls_of_the_phase_are_counted_and_their_requests_left_out() {
        let stall = |from_ms, to_ms| Window { start_ns: from_ms * MS_NS, end_ns: to_ms * MS_NS };
        let measured = measured(|outcome| {
            outcome.worker_stalls = vec![stall(1, 5), stall(50, 53)];
            outcome.dispatcher_stalls = vec![stall(70, 71)];
        });
        let row = &measured.rows[0];
        assert!((row.stalls_per_s_worker - 10.0).abs() < 1e-9, "{row:?}");
        assert!((row.stalls_per_s_dispatcher - 10.0).abs() < 1e-9, "{row:?}");
        assert_eq!(row.stall_max_us, 3_000.0);
        assert!(measured.disturbed() && (0.04..0.08).contains(&measured.stalled_share));
    }

    #[test]
    fn batch_work_is_set_against_what_requests_left() {
        // Requests use 109 x 100 us = 10.9 of the 110 ms.
        let measured = measured(|outcome| outcome.batch_cpu_ns = Some(99_100_000 / 2));
        assert!((measured.rows[0].batch_share.unwrap() - 0.5).abs() < 0.001);
    }

    #[test]
    fn demotions_are_a_part_of_their_class() {
        let measured = measured(|outcome| outcome.demoted = Some(vec![11]));
        let share = measured.rows[0].demoted_share.unwrap();
        assert!((share - 0.1).abs() < 0.01, "{share}");
    }
}
