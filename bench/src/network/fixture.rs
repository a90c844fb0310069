//! Documents as short comparisons would leave them, for tests.

use revenant_loadgen::machine::Machine;
use revenant_loadgen::report::row::{ClassRow, PERCENTS, Percentile, RunRow};
use revenant_loadgen::validity::{Check, Verdict};
use revenant_loadgen::{Counts, Found};

use super::document::{Contest, Document, Entry, FORMAT};
use crate::network::Contender;
use crate::peer::Peer;

/// Servers, the p50 of their GETs, and the factor from one nine to the next.
const SERVERS: [(Contender, f64, f64); 3] = [
    (Contender::Revenant, 28.0, 3.6),
    (Contender::Peer(Peer::TokioBlocking), 50.0, 9.0),
    (Contender::Peer(Peer::Pool), 2_600.0, 2.8),
];

const SEEDS: u64 = 3;

/// Three servers at one rate, three runs each.
pub(crate) fn document() -> Document {
    let entries = SERVERS.map(|(who, p50_us, factor)| {
        let mut entry = Entry::new(who);
        for seed in 1..=SEEDS {
            let mood = 0.9 + seed as f64 / 20.0;
            entry.add(run((12_000.0, seed), p50_us * mood, factor));
        }
        entry
    });
    Document {
        format: FORMAT,
        command: "revenant-bench network --rate 12000".into(),
        complete: true,
        machine: Machine {
            version: "0.1.0".into(),
            cpu_model: Some("Test CPU <2.6 GHz>".into()),
            cpus_online: Some(2),
            ..Machine::default()
        },
        contest: Contest {
            about: "open loop, 12000 requests/s; get-search over resp".into(),
            objective: None,
            generator_cpu: 0,
            server_cpus: "1".into(),
            seeds: SEEDS,
        },
        entries: entries.into(),
    }
}

/// The same servers, searched for the rate that has a p99 of 200 us.
pub(crate) fn search() -> Document {
    let mut document = document();
    document.command = "revenant-bench network --slo get:p99:200us".into();
    document.contest.about = "highest rate with 99 % of `get` within 200 us".into();
    document.contest.objective = Some("get:p99:200us".parse().expect("an objective"));
    for (entry, (_, p50_us, _)) in document.entries.iter_mut().zip(SERVERS) {
        entry.runs.clear();
        for (seed, rate_rps) in [2e3, 4e3, 8e3, 1.6e4, 1.1e4, 9.4e3].into_iter().enumerate() {
            let crowd = 1.0 + rate_rps * p50_us / 2e5;
            let mut run = run((rate_rps, seed as u64), p50_us * crowd / 10.0, 3.0);
            if rate_rps > 1.2e4 {
                spoil(&mut run);
            }
            entry.add(run);
        }
    }
    document.entries[0].found =
        Some(Found { rate_rps: 1.1e4, low_rps: 9.4e3, high_rps: 1.2e4, bounded: false });
    document
}

/// Makes a run invalid.
pub(crate) fn spoil(run: &mut RunRow) {
    run.valid = false;
    run.checks.push(Check {
        name: "rate".into(),
        verdict: Verdict::Failed,
        value: Some(0.8),
        bound: Some(0.05),
        about: "answered <less> than offered".into(),
    });
}

fn run((rate_rps, seed): (f64, u64), p50_us: f64, factor: f64) -> RunRow {
    let class = |name: &str, share: f64, p50_us: f64| ClassRow {
        class: name.into(),
        requests: (rate_rps * 3.0 * share) as u64,
        offered_rps: rate_rps * share,
        achieved_rps: rate_rps * share,
        counts: Counts { answered: (rate_rps * 3.0 * share) as u64, ..Counts::default() },
        percentiles: PERCENTS.map(|percent| percentile(percent, p50_us, factor)).into(),
    };
    RunRow {
        rate_rps: Some(rate_rps),
        seed,
        valid: true,
        checks: Vec::new(),
        classes: vec![
            class("get", 0.995, p50_us),
            class("search", 0.005, p50_us + 30_000.0),
            class("all", 1.0, p50_us),
        ],
        queued: 0,
        stalls: 0,
        stall_max_us: 0.0,
        stray_replies: 0,
        connections_lost: 0,
        first_error: None,
        interrupted: false,
        server: None,
    }
}

/// A latency that grows by `factor` with each nine of its percentile.
fn percentile(percent: f64, p50_us: f64, factor: f64) -> Percentile {
    let nines = -(1.0 - percent / 100.0).max(1e-5).log10();
    Percentile {
        percent,
        latency_us: Some(p50_us * factor.powf(nines - 2_f64.log10())),
        low_us: None,
        high_us: None,
        answered_us: None,
        from_send_us: None,
        lateness_us: Some(2.5),
    }
}
