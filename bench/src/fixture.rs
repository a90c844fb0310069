//! A document as a comparison of eleven systems would leave it, for tests.

use crate::document::{Document, FORMAT, Skipped, Workload, WorkloadClass};
use crate::machine::Machine;
use crate::row::Row;

pub(crate) const LOADS: [f64; 5] = [0.2, 0.5, 0.7, 0.8, 0.9];

/// (system, short p99 at load 0.5, growth towards load 1, long p99 at load 0.5), all in us.
const SYSTEMS: [(&str, f64, f64, f64); 10] = [
    ("two-queue", 24.0, 0.4, 26_000.0),
    ("shinjuku", 60.0, 2.2, 27_000.0),
    ("fifo", 9_600.0, 1.4, 20_000.0),
    ("fifo-percpu", 9_900.0, 1.5, 20_500.0),
    ("eevdf", 2_900.0, 1.6, 24_000.0),
    ("eevdf-100us", 410.0, 2.0, 26_500.0),
    ("eevdf-nice", 120.0, 1.8, 33_000.0),
    ("fifo-pool", 10_400.0, 1.5, 20_800.0),
    ("ideal", 19.0, 0.2, 23_000.0),
    ("ideal-ps", 32.0, 1.9, 23_500.0),
];

pub(crate) fn document() -> Document {
    let rows = LOADS.into_iter().flat_map(|load| {
        SYSTEMS.into_iter().flat_map(move |(system, short_us, growth, long_us)| {
            let crowd = ((load - 0.5) * growth * 2.0).exp();
            [
                row(system, load, "short", short_us * crowd),
                row(system, load, "long", long_us * (load - 0.5).exp() / (1.05 - load)),
            ]
        })
    });
    Document {
        format: FORMAT,
        command: "revenant-bench compare --load 0.2,0.5,0.7,0.8,0.9".into(),
        complete: true,
        machine: Machine {
            version: "0.1.0".into(),
            cpu_model: Some("Test CPU <2.6 GHz>".into()),
            cpus_online: Some(2),
            kernel: Some("6.12.1".into()),
            ..Machine::default()
        },
        workload: workload(),
        skipped: vec![Skipped {
            system: "rr".into(),
            reason: "SCHED_RR is not permitted: run as root or raise RLIMIT_RTPRIO".into(),
        }],
        rows: rows.collect(),
    }
}

fn workload() -> Workload {
    let class = |name: &str, share, mean_us| WorkloadClass { name: name.into(), share, mean_us };
    Workload {
        name: "ghost-dispersive".into(),
        classes: vec![class("short", 0.995, 10.0), class("long", 0.005, 10_000.0)],
        capacity_rps: 16_680.0,
        workers: 1,
        seconds: 2.0,
        seeds: vec![1, 2, 3, 4, 5],
        options: vec!["arrivals=poisson".into()],
    }
}

fn row(system: &str, load: f64, class: &str, p99_us: f64) -> Row {
    let share = if class == "short" { 0.995 } else { 0.005 };
    let offered_rps = 16_680.0 * load * share;
    Row {
        system: system.into(),
        load,
        class: class.into(),
        seeds: 5,
        seconds: 2.0,
        requests: (offered_rps * 2.0) as u64,
        offered_rps,
        achieved_rps: offered_rps * 0.998,
        p50_us: Some(p99_us / 2.1),
        p99_us: Some(p99_us),
        p999_us: Some(p99_us * 4.0),
        max_us: Some(p99_us * 9.0),
        p99_clean_us: Some(p99_us * 0.97),
        p999_clean_us: Some(p99_us * 1.8),
        stalled_share: 0.008,
        slowdown_p99: Some(p99_us / 10.0),
        slowdown_p999: Some(p99_us / 2.5),
        lateness_p99_us: Some(1.2),
        preemptions: 840,
        ..Row::default()
    }
}
