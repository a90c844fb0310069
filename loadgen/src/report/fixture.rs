//! A document as a short sweep would leave it, for tests.

use super::document::{Document, FORMAT, Load, SearchRow};
use super::row::RunRow;
use crate::generator::{Incidents, Measured};
use crate::job::{self, Job, Pace};
use crate::machine::Machine;
use crate::observe::Observed;
use crate::search::Found;
use crate::tally::{ClassTally, Outcome, Stamps};
use crate::validity::{Check, Verdict};

pub(crate) const RATES: [f64; 3] = [10_000.0, 20_000.0, 30_000.0];

pub(crate) fn document() -> Document {
    let job = job::example();
    Document {
        format: FORMAT,
        command: "revenant-loadgen 127.0.0.1:1 --sweep 10k:30k:10k".into(),
        complete: true,
        machine: Machine { version: "0.1.0".into(), ..Machine::default() },
        load: Load {
            agents: vec!["10.0.0.2:7000".into()],
            generator_cpu: Some(0),
            ..Load::of(&job)
        },
        runs: RATES.map(|rate_rps| run(&job, rate_rps)).into(),
        search: Some(SearchRow {
            objective: "get:p99:100us".parse().expect("an objective"),
            found: Some(Found { rate_rps: 2e4, low_rps: 1.9e4, high_rps: 2.1e4, bounded: false }),
            spoiled_runs: 0,
        }),
    }
}

fn run(job: &Job, rate_rps: f64) -> RunRow {
    let mut job = job.clone();
    if let Pace::Open { rate_rps: rate, .. } = &mut job.pace {
        *rate = rate_rps;
    }
    let span = job.span();
    let mut classes = vec![ClassTally::new(span); 2];
    for (index, class) in classes.iter_mut().enumerate() {
        for step in 0..10_000 {
            let intended_ns = span.start_ns + step * 100_000;
            let service_ns =
                (step % 97 + 10) * 1_000 * (1 + index as u64) * (rate_rps / 1e4) as u64;
            let sent_ns = intended_ns + step % 3 * 1_000;
            let stamps = Stamps { intended_ns, sent_ns, done_ns: sent_ns + service_ns };
            let outcome = if step == 17 { Outcome::Error } else { Outcome::Answered };
            class.add(stamps, outcome);
        }
    }
    let check = Check {
        name: "inter-arrivals".into(),
        verdict: Verdict::Passed,
        value: Some(0.4),
        bound: Some(0.001),
        about: "as they should be".into(),
    };
    let incidents = Incidents { first_error: Some("ERR no".into()), ..Incidents::default() };
    let observed = Observed {
        seconds: 1.0,
        cpus: Some(0.8),
        cpu_us_per_request: Some(8.0),
        counters: [("preemptions_total".to_owned(), 12.0)].into(),
    };
    let measured = Measured { classes, arrival_checks: vec![check], incidents };
    RunRow::of(&job, &measured, Some(observed))
}
