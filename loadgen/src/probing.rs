//! The command `probe`.

use std::process::ExitCode;

use anyhow::Context;
use revenant_loadgen::confine;
use revenant_loadgen::destination::Destination;
use revenant_loadgen::gaps::Gaps;
use revenant_loadgen::machine::Machine;
use revenant_loadgen::quantity::{NONE, time};
use revenant_loadgen::sheet::{fit, ruled, trimmed, wrapped};
use serde::Serialize;

use crate::cli::Probe;
use crate::{Failure, terminal};

/// Limits between the rows of the table: a tick of a machine takes a few microseconds, that of a
/// virtual one tens; a slice of the scheduler, or of the host's, milliseconds.
const LIMITS_US: [u64; 7] = [1, 5, 10, 20, 50, 100, 1_000];

/// Quantiles of lateness, in per cent.
const PERCENTS: [f64; 5] = [50.0, 95.0, 99.0, 99.9, 99.99];

/// The results for machines.
#[derive(Serialize)]
struct Document {
    format: u32,
    machine: Machine,
    cpu: u32,
    seconds: f64,
    gaps: Vec<Row>,
    lateness: Vec<Lateness>,
}

/// Gaps of like length.
#[derive(Serialize)]
struct Row {
    from_us: u64,
    /// None: no limit.
    to_us: Option<u64>,
    count: usize,
    share: f64,
}

/// The least lateness to be had.
#[derive(Serialize)]
struct Lateness {
    percent: f64,
    lateness_us: f64,
}

pub(crate) fn probe(options: &Probe) -> Result<ExitCode, Failure> {
    let json = options.json.as_deref().map(Destination::new).transpose();
    let json = json.map_err(Failure::bad_input)?;
    // Read first: it tells where the program may run.
    let machine = Machine::read();
    confine(options.cpu).map_err(Failure::bad_input)?;
    let document = document(machine, options.cpu, &Gaps::watch(options.duration_ns));
    terminal::show(&render(&document));
    if let Some(json) = json {
        let text = serde_json::to_string_pretty(&document).context("results as JSON");
        let text = text.map_err(Failure::broken)?;
        json.write(&(text + "\n")).map_err(Failure::broken)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn document(machine: Machine, cpu: u32, gaps: &Gaps) -> Document {
    let ends_us = LIMITS_US.iter().copied().skip(1).map(Some).chain([None]);
    let rows = LIMITS_US.iter().zip(ends_us).map(|(&from_us, to_us)| {
        let end_ns = to_us.map_or(u64::MAX, |to_us| to_us * 1_000);
        let (count, share) = gaps.between(from_us * 1_000, end_ns);
        Row { from_us, to_us, count, share }
    });
    let lateness = PERCENTS.map(|percent| Lateness {
        percent,
        lateness_us: gaps.lateness_ns(percent / 100.0) as f64 / 1e3,
    });
    Document {
        format: 1,
        machine,
        cpu,
        seconds: gaps.watched_ns() as f64 / 1e9,
        gaps: rows.collect(),
        lateness: lateness.into(),
    }
}

fn render(document: &Document) -> String {
    let mut text = wrapped(&document.machine.to_string());
    let seconds = document.seconds;
    text += &wrapped(&format!(
        "CPU {}, watched for {seconds:.1} s by a thread that only reads the clock",
        document.cpu
    ));
    text.push('\n');
    let mut table = ruled(["without the CPU for", "a second", "share of time"]);
    for row in &document.gaps {
        let limit = |us: u64| time(us as f64);
        let to = row.to_us.map_or_else(|| "more".to_owned(), limit);
        let count = row.count as f64 / seconds;
        let share = if row.count == 0 { NONE.to_owned() } else { percent(row.share) };
        table.add_row([format!("{} to {to}", limit(row.from_us)), format!("{count:.1}"), share]);
    }
    fit(&mut table, &[0]);
    text += &table.to_string();
    text.push('\n');
    let lateness = document.lateness.iter();
    let lateness = lateness.map(|at| format!("p{} {}", at.percent, time(at.lateness_us)));
    text += &wrapped(&format!(
        "a generator that took no time itself would send requests late by {}",
        lateness.collect::<Vec<_>>().join(", ")
    ));
    trimmed(&text)
}

fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}
