//! The command `compare`: options in, table and files out.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use revenant_bench::compare::{Experiment, Results};
use revenant_bench::document::{Document, FORMAT};
use revenant_bench::machine::Machine;
use revenant_bench::progress::Progress;
use revenant_bench::site::Site;
use revenant_bench::system::{self, Extras, System};
use revenant_bench::{affinity, html, table};

use crate::Failure;
use crate::cli::{BackendChoice, Compare};
use crate::results::Destinations;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the comparison that was asked for.
pub(crate) fn compare(options: Compare) -> Result<ExitCode, Failure> {
    let systems = systems(&options.systems, options.backend).map_err(Failure::BadInput)?;
    let site = Site::of_this_process(workers(&options)).map_err(Failure::bad_input)?;
    let destinations = Destinations::new(options.json.as_deref(), options.html.as_deref())?;
    let stop = stop_on_ctrl_c().map_err(Failure::Broken)?;
    let machine = Machine::read();
    let workload = options.workload.prepare(&site).map_err(Failure::broken)?;
    let experiment = Experiment {
        workload,
        site,
        arrivals: options.arrivals,
        loads: options.load,
        seconds: options.seconds,
        seeds: (1..=options.seeds).collect(),
        repeats_max: options.repeats,
        extras: Extras { batch: options.batch, no_safepoints: options.no_safepoints },
    };
    let mut progress = Progress::on_stderr();
    let results = experiment.compare(&systems, &stop, &mut progress).map_err(Failure::bad_input)?;
    progress.end();
    let Results { rows, skipped, failure, complete } = results;
    let document = Document {
        format: FORMAT,
        command: std::env::args().collect::<Vec<_>>().join(" "),
        complete,
        machine,
        workload: experiment.described(),
        skipped,
        rows,
    };
    print!("{}", table::render(&document));
    destinations.write(&document, html::render)?;
    if let Some(error) = failure {
        return Err(Failure::broken(error));
    }
    if document.rows.is_empty() && complete {
        return Err(Failure::Broken(anyhow!("none of the systems asked for can run here")));
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

/// Worker CPUs: on the kernel backend the agent needs one, too.
fn workers(options: &Compare) -> Option<usize> {
    let all_but_two = || Some(affinity::allowed().ok()?.len().saturating_sub(2).max(1));
    match options.backend {
        BackendChoice::Threads => options.workers,
        BackendChoice::Kernel => options.workers.or_else(all_but_two),
    }
}

/// The systems of these names, each once, in the order asked for; all of the backend for none.
fn systems(names: &[String], backend: BackendChoice) -> anyhow::Result<Vec<&'static dyn System>> {
    if backend == BackendChoice::Kernel && !cfg!(feature = "kernel") {
        return Err(anyhow!("this build has no kernel backend: build with `--features kernel`"));
    }
    let all = match backend {
        BackendChoice::Threads => system::ALL.iter().map(|system| system.name()).collect(),
        BackendChoice::Kernel => system::OF_THE_KERNEL.to_vec(),
    };
    let is_members = |name: &str| name.starts_with("kernel-");
    let all = all.into_iter().filter(|name| backend == BackendChoice::Kernel || !is_members(name));
    let all: Vec<String> = all.map(str::to_owned).collect();
    let names = if names.is_empty() { &all } else { names };
    let mut systems: Vec<&'static dyn System> = Vec::new();
    for name in names {
        let system = system::named(name.trim())?;
        if systems.iter().all(|known| known.name() != system.name()) {
            systems.push(system);
        }
    }
    Ok(systems)
}

/// The first Ctrl-C ends the run and shows what there is; the second ends the program.
fn stop_on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .map_err(|error| anyhow!("cannot catch Ctrl-C: {error}"))?;
    Ok(stop)
}
