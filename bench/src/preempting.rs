//! The command `preempt`: what a preemption costs on this machine.

use std::process::ExitCode;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use revenant_bench::machine::Machine;
use revenant_bench::preemption::{self, Cost, Path};
use revenant_bench::site::Site;
use revenant_loadgen::Calibration;
use serde::Serialize;

use crate::Failure;
use crate::cli::Preempt;
use crate::results::Destinations;

/// What the command writes as JSON.
#[derive(Serialize)]
struct Document {
    machine: Machine,
    seeds: u64,
    rows: Vec<Cost>,
}

/// Measures every path at every quantum, interleaved, and shows medians.
pub(crate) fn preempt(options: &Preempt) -> Result<ExitCode, Failure> {
    let site = Site::of_this_process(Some(1)).map_err(Failure::bad_input)?;
    let destinations = Destinations::new(options.json.as_deref(), None)?;
    let rows = measure(options, &site).map_err(Failure::Broken)?;
    print!("{}", render(&rows));
    let document = Document { machine: Machine::read(), seeds: options.rounds, rows };
    destinations.write_json(&document)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Preempt, site: &Site) -> anyhow::Result<Vec<Cost>> {
    let calibration = Calibration::measure().context("the work cannot be calibrated")?;
    let cells: Vec<(Path, u64)> = Path::ALL
        .into_iter()
        .flat_map(|path| options.quantum_ns.iter().map(move |quantum_ns| (path, *quantum_ns)))
        .collect();
    let mut measured: Vec<Vec<Cost>> = cells.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for ((path, quantum_ns), costs) in cells.iter().zip(&mut measured) {
            let cost =
                preemption::measure(&calibration, site, *path, *quantum_ns, options.work_ns)?;
            costs.push(cost);
        }
    }
    Ok(measured.iter().map(|costs| preemption::median(costs)).collect())
}

fn render(rows: &[Cost]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "path",
        "quantum us",
        "preemptions",
        "switch p50 us",
        "p99 us",
        "worker time lost",
        "us each",
    ]);
    for row in rows {
        table.add_row([
            row.path.name().to_owned(),
            format!("{}", row.quantum_us),
            format!("{}", row.preemptions),
            format!("{:.1}", row.switch_p50_us),
            format!("{:.1}", row.switch_p99_us),
            format!("{:.1} %", row.lost_share * 100.0),
            format!("{:.1}", row.lost_us),
        ]);
    }
    format!(
        "{table}\n  two CPU-bound requests take turns on one CPU; switch: from the decision to the \
         next request's first instruction\n"
    )
}
