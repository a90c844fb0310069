//! The command `network`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use revenant::cpu::{CpuId, CpuSet};
use revenant_bench::affinity;
use revenant_bench::network::{self, Contest, Document, Plan, Question, html, table};
use revenant_loadgen::machine::Machine;
use revenant_loadgen::{
    ClassField, Job, KeyDistribution, Keys, Live, Pace, Traffic, TrafficError, ValueSize,
};

use crate::Failure;
use crate::cli::Network;
use crate::results::Destinations;

/// The part of a run that does not count.
const WARMUP_NS: u64 = 500_000_000;
/// How long replies are waited for after a run.
const DRAIN_NS: u64 = 2_000_000_000;
/// Bytes of a value.
const VALUE_BYTES: u32 = 64;
/// First rate of a search: every server takes that.
const START_RPS: f64 = 2_000.0;
/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Compares servers.
pub(crate) fn network(options: Network) -> Result<ExitCode, Failure> {
    let destinations = Destinations::new(options.json.as_deref(), options.html.as_deref())?;
    let plan = plan(&options)?;
    let live = Arc::new(Live::default());
    let stop = Arc::clone(&live);
    ctrlc::set_handler(move || stop.stop()).map_err(Failure::broken)?;
    let mut progress = |line| eprintln!("{line}");
    let entries = plan.carry_out(&live, &mut progress).map_err(Failure::broken)?;
    let document = Document {
        format: network::FORMAT,
        command: std::env::args().collect::<Vec<_>>().join(" "),
        complete: !live.is_stopped(),
        machine: Machine::read(),
        contest: contest(&options, &plan),
        entries,
    };
    print!("{}", table::render(&document));
    destinations.write(&document, html::render)?;
    Ok(if document.complete { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

fn contest(options: &Network, plan: &Plan) -> Contest {
    Contest {
        about: about(options),
        objective: options.slo.clone(),
        generator_cpu: u32::from(plan.generator_cpu.0),
        server_cpus: plan.server_cpus.to_string(),
        seeds: plan.seeds,
    }
}

/// What is asked of the servers, in a sentence.
fn about(options: &Network) -> String {
    let question = match (&options.slo, options.rate, options.closed) {
        (Some(objective), ..) => {
            let (class, percent) = (&objective.class, objective.percent());
            let limit_us = objective.limit_ns as f64 / 1e3;
            format!("highest rate with {percent} % of `{class}` within {limit_us} us")
        }
        (_, Some(rate), _) => format!("open loop, {rate} requests/s"),
        (_, _, Some(depth)) => format!("closed loop, {depth} under way on a connection"),
        _ => format!("open loop, load {}", options.load),
    };
    let Network { preset, protocol, connections, keys, seconds, .. } = options;
    format!(
        "{question}; {preset} over {protocol}, {connections} connections, {keys} keys, {seconds} s"
    )
}

fn plan(options: &Network) -> Result<Plan, Failure> {
    let (generator_cpu, server_cpus) = cpus(options)?;
    let question = match (options.slo.clone(), options.rate, options.closed) {
        (Some(objective), ..) => Question::MaxRate(objective, START_RPS),
        (_, Some(rate_rps), _) => Question::AtRate(rate_rps),
        (_, _, Some(depth)) => Question::Closed(depth),
        _ => Question::AtLoad(options.load),
    };
    let job = Job {
        target: "127.0.0.1:1".to_owned(),
        protocol: options.protocol,
        password: None,
        connections: options.connections,
        traffic: traffic(&options.preset).map_err(Failure::bad_input)?,
        keys: Keys { count: options.keys, distribution: KeyDistribution::Uniform },
        values: ValueSize { min: VALUE_BYTES, max: VALUE_BYTES },
        class_field: ClassField::Server,
        pace: Pace::Closed { depth: 1 },
        warmup_ns: WARMUP_NS,
        duration_ns: (options.seconds * 1e9) as u64,
        drain_ns: DRAIN_NS,
        seed: 1,
    };
    job.validate().map_err(Failure::bad_input)?;
    if let Some(objective) = &options.slo {
        objective.check(&job.traffic).map_err(Failure::bad_input)?;
    }
    let (contenders, seeds) = (options.systems.clone(), options.seeds);
    Ok(Plan { contenders, job, question, seeds, generator_cpu, server_cpus })
}

fn traffic(text: &str) -> Result<Traffic, TrafficError> {
    if text.contains('=') { Traffic::parse(text) } else { Traffic::preset(text) }
}

/// Where the generator spins, and where servers run.
fn cpus(options: &Network) -> Result<(CpuId, CpuSet), Failure> {
    let allowed = affinity::allowed().map_err(Failure::broken)?;
    let first = allowed.iter().next().expect("a process may use a CPU");
    let generator = options.generator_cpu.map_or(first, CpuId);
    if !allowed.contains(generator) {
        let error = anyhow!("--generator-cpu {}: this process may use {allowed}", generator.0);
        return Err(Failure::BadInput(error));
    }
    let others = allowed.minus(&[generator].into_iter().collect());
    match (options.share, others.is_empty()) {
        (true, _) => Ok((generator, allowed)),
        (false, false) => Ok((generator, others)),
        (false, true) => Err(Failure::BadInput(anyhow!(
            "a generator and a server need two CPUs, and this process has one; --share lets them \
             take turns, which measures little"
        ))),
    }
}
