//! The experiment: every system at every load, interleaved by seed.
//!
//! Loads are the outer loop and systems the inner one: systems that are compared run within a few
//! seconds of each other and share the machine's mood. All systems of a seed replay the same plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use revenant_loadgen::{Arrivals, Phase, Plan, PlanError, PlanSpec};

use crate::document::{self, Skipped};
use crate::measure::Measured;
use crate::progress::Progress;
use crate::row::{Row, median_row};
use crate::site::Site;
use crate::system::{Extras, Run, RunError, System};
use crate::workload::Workload;

/// How much longer a run is than what is measured: in its first part caches, queues and adaptive
/// thresholds settle, requests intended then do not count.
const WARM_UP_SHARE: f64 = 0.1;

/// What is compared, validated.
#[derive(Debug)]
pub struct Experiment {
    /// What all systems do.
    pub workload: Workload,
    /// Where.
    pub site: Site,
    /// How requests arrive.
    pub arrivals: Arrivals,
    /// Offered work over capacity, ascending or not.
    pub loads: Vec<f64>,
    /// Measured length of a run.
    pub seconds: f64,
    /// A run each.
    pub seeds: Vec<u64>,
    /// How often a disturbed run is repeated at most.
    pub repeats_max: u32,
    /// What besides.
    pub extras: Extras,
}

/// What a comparison left, also one that was cut short.
#[derive(Debug, Default)]
pub struct Results {
    /// A row a load, system and class.
    pub rows: Vec<Row>,
    /// Systems that could not run here.
    pub skipped: Vec<Skipped>,
    /// What ended it early; `None` too after an interrupt.
    pub failure: Option<RunError>,
    /// Whether everything asked for was measured.
    pub complete: bool,
}

/// Why a cell of the comparison has no result.
enum Ended {
    Interrupted,
    Failed(RunError),
}

impl Experiment {
    /// Compares the systems. Ends early, with what there is by then, when `stop` is set or a system
    /// fails.
    ///
    /// # Errors
    /// When no plan can be made of what was asked for; nothing ran then.
    pub fn compare(
        &self,
        systems: &[&'static dyn System],
        stop: &Arc<AtomicBool>,
        progress: &mut Progress,
    ) -> Result<Results, PlanError> {
        for &load in &self.loads {
            self.plan(load, self.seeds[0])?;
        }
        let mut results = Results::default();
        let mut able: Vec<&'static dyn System> = Vec::new();
        for system in systems {
            match system.available() {
                Ok(()) => able.push(*system),
                Err(reason) => {
                    results.skipped.push(Skipped { system: system.name().to_owned(), reason });
                }
            }
        }
        progress.begin(self.loads.len() * self.seeds.len() * able.len());
        for &load in &self.loads {
            let mut cells: Vec<Vec<Measured>> = able.iter().map(|_| Vec::new()).collect();
            let ended = self.measure_load(load, &able, (stop, progress), &mut cells);
            results.rows.extend(cells.iter().flat_map(|runs| medians(runs)));
            match ended {
                Ok(()) => {}
                Err(Ended::Interrupted) => return Ok(results),
                Err(Ended::Failed(error)) => {
                    results.failure = Some(error);
                    return Ok(results);
                }
            }
        }
        results.complete = true;
        Ok(results)
    }

    /// Runs every seed on every system, a cell of runs each.
    fn measure_load(
        &self,
        load: f64,
        systems: &[&'static dyn System],
        (stop, progress): (&Arc<AtomicBool>, &mut Progress),
        cells: &mut [Vec<Measured>],
    ) -> Result<(), Ended> {
        for &seed in &self.seeds {
            let plan = self.plan(load, seed).expect("a plan of this load was made before");
            let plan = Arc::new(plan);
            let run = Run {
                plan: &plan,
                mix: &self.workload.mix,
                work: &self.workload.work,
                site: &self.site,
                extras: self.extras,
                stop,
            };
            for (system, runs) in systems.iter().zip(cells.iter_mut()) {
                progress.run(system.name(), load, seed);
                runs.push(self.measure_run(*system, load, &run)?);
                progress.ran();
            }
        }
        Ok(())
    }

    /// One run, repeated while the machine disturbs it; the least disturbed one counts.
    fn measure_run(
        &self,
        system: &dyn System,
        load: f64,
        run: &Run<'_>,
    ) -> Result<Measured, Ended> {
        let mut best: Option<Measured> = None;
        let mut repeats = 0;
        loop {
            let outcome = system.run(run).map_err(Ended::Failed)?;
            if run.stop.load(Ordering::Relaxed) {
                return Err(Ended::Interrupted);
            }
            let measured = Measured::of(system.name(), load, run, &outcome, self.phase());
            let better =
                best.as_ref().is_none_or(|best| measured.stalled_share < best.stalled_share);
            let again = measured.disturbed() && repeats < self.repeats_max;
            if better {
                best = Some(measured);
            }
            if !again {
                break;
            }
            repeats += 1;
        }
        let mut best = best.expect("it ran at least once");
        let unclean = best.disturbed();
        for row in &mut best.rows {
            row.repeats = repeats;
            row.unclean = unclean;
        }
        Ok(best)
    }

    fn phase(&self) -> Phase {
        let start_ns = (self.seconds * WARM_UP_SHARE * 1e9) as u64;
        Phase { start_ns, end_ns: start_ns + (self.seconds * 1e9) as u64 }
    }

    fn plan(&self, load: f64, seed: u64) -> Result<Plan, PlanError> {
        let capacity_rps = self.workload.mix.capacity_rps(self.site.workers.len());
        let spec = PlanSpec {
            arrivals: self.arrivals,
            rate_rps: load * capacity_rps,
            duration_ns: self.phase().end_ns,
            seed,
        };
        Plan::new(&self.workload.mix, spec)
    }

    /// What was asked for, as the results document tells it.
    #[must_use]
    pub fn described(&self) -> document::Workload {
        let Workload { name, mix, .. } = &self.workload;
        let Extras { batch, no_safepoints } = self.extras;
        document::Workload {
            seconds: self.seconds,
            seeds: self.seeds.clone(),
            options: vec![
                format!("arrivals={}", self.arrivals),
                format!("batch={}", yes_or_no(batch)),
                format!("safepoints={}", yes_or_no(!no_safepoints)),
                format!("warm_up_s={}", self.seconds * WARM_UP_SHARE),
                format!("repeats_max={}", self.repeats_max),
            ],
            ..document::Workload::of_mix(name, mix, self.site.workers.len() as u32)
        }
    }
}

/// A row a class: the median of the runs there are.
fn medians(runs: &[Measured]) -> Vec<Row> {
    let classes = runs.first().map_or(0, |run| run.rows.len());
    let of_class = |class: usize| {
        let rows: Vec<Row> = runs.iter().map(|run| run.rows[class].clone()).collect();
        median_row(&rows)
    };
    (0..classes).map(of_class).collect()
}

fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
