//! The command `simulate`: options in, table and file out.

use std::process::ExitCode;
use std::time::Instant;

use revenant::policy::{PolicyKind, PolicyOptions};
use revenant_bench::document::{Document, FORMAT, Workload};
use revenant_bench::machine::Machine;
use revenant_bench::simulate::{Findings, Study};
use revenant_bench::table;
use revenant_loadgen::Mix;

use crate::Failure;
use crate::cli::Simulate;
use crate::results::Destinations;

/// Runs the simulation that was asked for.
pub(crate) fn simulate(options: Simulate) -> Result<ExitCode, Failure> {
    let destinations = Destinations::new(options.json.as_deref(), None)?;
    let policy = policy_options(&options).map_err(Failure::BadInput)?;
    let policy = options.policy.build(&policy).map_err(Failure::bad_input)?;
    let study = Study {
        cpus: usize::from(options.cpus),
        load: options.load,
        mix: if options.exp { options.mix.exponential() } else { options.mix },
        requests: options.requests as usize,
        seed: options.seed,
        preemption_ns: options.preempt_cost_us,
    };
    let began = Instant::now();
    let findings = study.run(options.policy.name(), policy).map_err(Failure::bad_input)?;
    let wall_s = began.elapsed().as_secs_f64();
    let document = document(&study, &findings, options.quantum_us);
    print!("{}", table::render(&document));
    destinations.write_json(&document)?;
    println!("  {:.3} preemptions a request", findings.preemptions_per_request);
    println!("  {:.2} M requests simulated a second", study.requests as f64 / wall_s / 1e6);
    Ok(ExitCode::SUCCESS)
}

fn policy_options(options: &Simulate) -> anyhow::Result<PolicyOptions> {
    let mut policy = PolicyOptions::default();
    let Some(quantum_ns) = options.quantum_us else { return Ok(policy) };
    match options.policy {
        PolicyKind::Shinjuku => policy.quantum_ns = quantum_ns,
        PolicyKind::TwoQueue => policy.two_queue.demoted_quantum_ns = quantum_ns,
        PolicyKind::Fifo | PolicyKind::FifoPerCpu => anyhow::bail!(
            "{} never preempts: leave out --quantum-us, or choose shinjuku or two-queue",
            options.policy
        ),
    }
    Ok(policy)
}

fn document(study: &Study, findings: &Findings, quantum_ns: Option<u64>) -> Document {
    let mut options = vec![
        "simulated=yes".to_owned(),
        format!("requests={}", study.requests),
        format!("preempt_cost_us={}", study.preemption_ns as f64 / 1e3),
    ];
    options.extend(quantum_ns.map(|ns| format!("quantum_us={}", ns as f64 / 1e3)));
    Document {
        format: FORMAT,
        command: std::env::args().collect::<Vec<_>>().join(" "),
        complete: true,
        machine: Machine::read(),
        workload: Workload {
            seconds: findings.rows.first().map_or(0.0, |row| row.seconds),
            seeds: vec![study.seed],
            options,
            ..Workload::of_mix(&written(&study.mix), &study.mix, study.cpus as u32)
        },
        skipped: Vec::new(),
        rows: findings.rows.clone(),
    }
}

/// A mix as short text for headings.
fn written(mix: &Mix) -> String {
    let classes = mix.classes().iter();
    let pieces = classes.map(|class| format!("{:.4}:{}", class.share * 100.0, class.name));
    pieces.collect::<Vec<_>>().join(",")
}
