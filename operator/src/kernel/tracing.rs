//! The command `trace`: records who runs where, and writes it down.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use revenant::backend::kernel::{enclaves, members};
use revenant::cpu::{CpuId, CpuSet};
use revenant_bpf::Scheduler;
use serde_json::json;

use super::chrome::{Document, Stage, Writer};
use super::record::now_ns;
use super::tracefs::Instance;
use super::{sample, session, signals, trace_line};
use crate::cli::Trace;
use crate::failure::Failure;

/// How often a signal is looked for while recording.
const LOOK: Duration = Duration::from_millis(20);

/// Records for a while, then writes the trace.
pub(crate) fn trace(options: &Trace, json: bool) -> Result<u8, Failure> {
    let scheduler = session::open(options.enclave.as_ref())?;
    let asked = match &options.enclave {
        Some(name) => vec![session::find(&scheduler, name)?],
        None => enclaves::list(&scheduler),
    };
    if asked.is_empty() {
        return Err(Failure::Cannot(anyhow!(
            "there are no enclaves to trace: `revenant enclave create` makes one"
        )));
    }
    signals::keep();
    let mut output = open(&options.output)?;
    let instance = Instance::make(&cpus(&scheduler, &asked))?;
    let stage = record(&instance, &scheduler, &asked, options.seconds)?;
    let traced: CpuSet = stage.cpus.keys().map(|cpu| CpuId(*cpu as u16)).collect();
    let lost = instance.lost(&traced);
    let mut document = read(&instance, stage)?;
    drop(instance);
    document.about.insert("version", format!("revenant {}", env!("CARGO_PKG_VERSION")));
    document.about.insert("lost_events", lost.to_string());
    write(&mut output, &document)
        .context("the trace cannot be written")
        .map_err(Failure::Failed)?;
    tell(options, json, &document, lost);
    Ok(0)
}

fn tell(options: &Trace, json: bool, document: &Document, lost: u64) {
    let (path, events) = (options.output.display().to_string(), document.events.len());
    if json && path != "-" {
        println!("{}", json!({ "file": path, "events": events, "lost_events": lost }));
    } else {
        eprintln!("revenant: {events} events in {path}; open it at https://ui.perfetto.dev");
    }
    if lost > 0 {
        eprintln!(
            "revenant: the first {lost} events had no room in the buffers: record for a shorter time"
        );
    }
}

fn open(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let file = File::create(path).with_context(|| {
        format!("cannot write {}; name a file in a directory that exists", path.display())
    });
    Ok(Box::new(file.map_err(Failure::Cannot)?))
}

fn cpus(scheduler: &Scheduler, asked: &[u32]) -> CpuSet {
    let sets = asked.iter().map(|enclave| enclaves::cpus(scheduler, *enclave));
    sets.flat_map(|set| set.iter().collect::<Vec<_>>()).collect()
}

/// Records until the time is over or a signal comes.
fn record(
    instance: &Instance,
    scheduler: &Scheduler,
    asked: &[u32],
    time: Duration,
) -> Result<Stage, Failure> {
    let mut stage = set(scheduler, asked);
    instance.record(true)?;
    stage.began_us = now_ns() / 1_000;
    // A thread that never leaves its CPU, as agents do, has no events. Whoever leaves it from here
    // on has.
    stage.running = running(scheduler, &stage);
    let began = Instant::now();
    while began.elapsed() < time && !signals::came() && scheduler.exit().is_none() {
        std::thread::sleep(LOOK.min(time.saturating_sub(began.elapsed())));
    }
    stage.ended_us = now_ns() / 1_000;
    instance.record(false)?;
    // Agents that came meanwhile have their tracks, too.
    stage.agents.extend(agents(scheduler, asked));
    Ok(stage)
}

fn set(scheduler: &Scheduler, asked: &[u32]) -> Stage {
    let named = |enclave: &u32| (*enclave, enclaves::name(scheduler, *enclave));
    let owned = asked.iter().flat_map(|enclave| {
        let cpus: Vec<CpuId> = enclaves::cpus(scheduler, *enclave).iter().collect();
        cpus.into_iter().map(|cpu| (u32::from(cpu.0), *enclave))
    });
    let cpus: BTreeMap<u32, u32> = owned.collect();
    Stage {
        enclaves: asked.iter().map(named).collect(),
        agents: agents(scheduler, asked),
        cpus,
        ..Stage::default()
    }
}

fn running(scheduler: &Scheduler, stage: &Stage) -> BTreeMap<u32, (u32, String)> {
    let now = stage.cpus.keys().map(|cpu| sample::cpu_now(scheduler, *cpu));
    now.filter_map(|now| Some((now.cpu, (now.tid?, now.thread)))).collect()
}

/// The threads that decide: the one each agent began with, and those it put on a CPU.
fn agents(scheduler: &Scheduler, asked: &[u32]) -> BTreeMap<u32, u32> {
    let mut agents = BTreeMap::new();
    for enclave in asked {
        let tgid = scheduler.enclaves()[*enclave as usize].agent_tgid.load(Ordering::Relaxed);
        let threads = members::threads_of(tgid).unwrap_or_default();
        let on_cpus = scheduler.cpus().iter().map(|cpu| cpu.agent_tid.load(Ordering::Relaxed));
        let local: Vec<u32> = on_cpus.filter(|tid| *tid != 0 && threads.contains(tid)).collect();
        let deciding = if local.is_empty() { vec![tgid] } else { local };
        agents.extend(deciding.into_iter().filter(|tid| *tid != 0).map(|tid| (tid, *enclave)));
    }
    agents
}

fn read(instance: &Instance, stage: Stage) -> Result<Document, Failure> {
    let mut writer = Writer::new(stage);
    let mut text = BufReader::new(instance.text()?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = text.read_until(b'\n', &mut line);
        if read.context("tracefs: trace").map_err(Failure::Failed)? == 0 {
            return Ok(writer.finish());
        }
        // Names of threads are bytes.
        if let Some(line) = trace_line::read(String::from_utf8_lossy(&line).trim_end()) {
            writer.add(&line);
        }
    }
}

fn write(output: &mut dyn Write, document: &Document) -> io::Result<()> {
    let mut output = BufWriter::new(output);
    serde_json::to_writer(&mut output, document)?;
    output.write_all(b"\n")?;
    output.flush()
}
