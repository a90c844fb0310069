//! Load from options to results.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use revenant_loadgen::machine::Machine;
use revenant_loadgen::quantity::amount;
use revenant_loadgen::report::document::{Document, FORMAT, Load, SearchRow};
use revenant_loadgen::report::row::RunRow;
use revenant_loadgen::{
    Crew, Endpoint, Experiment, ExperimentError, Here, Job, Keys, Live, Measured, Objective,
    Observer, Pace, Reach, Search, SearchSpec, Session, Source, Trace, Traffic, seed_of_run,
    validity,
};

use crate::Failure;
use crate::cli::{Drive, PaceOptions, TrafficOptions};
use crate::results::Destinations;
use crate::watching::LiveLine;

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Exit code of results that say little.
const INVALID: u8 = 3;
/// Rate when none is asked for.
const RATE_RPS: f64 = 1_000.0;
/// Longest trace: what 50 M lines of twenty letters take.
const TRACE_BYTES_MAX: u64 = 1 << 30;
/// A search ends when its bracket is within 5 %: run to run, p99s differ by more.
const PRECISION: f64 = 1.05;

/// A run that the generator spoiled says nothing about the server and is repeated; after so many in a
/// row the rate counts as one it cannot measure, and so as failed.
const SPOILED_MAX: u32 = 4;

/// Does what the options ask for.
pub(crate) fn drive(options: Drive) -> Result<ExitCode, Failure> {
    let destinations = Destinations::new(&options.results).map_err(Failure::BadInput)?;
    let (job, trace) = job(&options).map_err(Failure::BadInput)?;
    let live = Arc::new(Live::default());
    stop_on_ctrl_c(&live).map_err(Failure::Broken)?;
    let reach = if options.run.allow_remote { Reach::Anywhere } else { Reach::Loopback };
    let mut here = Here { reach, cpu: options.run.cpu, nice: 0, trace };
    let mut crew = Crew::new(&options.run.agents).map_err(Failure::bad_input)?;
    let source: &mut dyn Source = if options.run.agents.is_empty() { &mut here } else { &mut crew };
    let observer = observer(&options, reach)?;
    if options.traffic.load {
        fill(&job, reach, &live)?;
    }
    let mut load = Load::of(&job);
    load.generator_cpu = options.run.cpu;
    load.agents.clone_from(&options.run.agents);
    load.connections *= options.run.agents.len().max(1) as u32;
    let mut campaign = Campaign {
        experiment: Experiment { job, source, observer, live },
        line: LiveLine::new(options.results.progress),
        destinations: &destinations,
        runs: Vec::new(),
    };
    let (search, failure) = match campaign.work_off(&options.pace) {
        Ok(search) => (search, None),
        Err(failure) => (None, Some(failure)),
    };
    let complete = failure.is_none() && !campaign.experiment.live.is_stopped();
    let runs = campaign.runs;
    if runs.is_empty()
        && let Some(failure) = failure
    {
        return Err(failure);
    }
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    let machine = Machine::read();
    let document = Document { format: FORMAT, command, complete, machine, load, runs, search };
    destinations.write(&document).map_err(Failure::Broken)?;
    match failure {
        Some(failure) => Err(failure),
        None if !complete => Ok(ExitCode::from(INTERRUPTED)),
        None if !document.is_valid() => Ok(ExitCode::from(INVALID)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// What all runs have in common, and the trace they replay.
fn job(options: &Drive) -> Result<(Job, Option<Trace>), anyhow::Error> {
    let traffic = traffic(&options.traffic)?;
    let pace = &options.pace;
    let trace = match &pace.trace {
        None => None,
        Some(path) => Some(Trace::parse(&read_trace(path)?, traffic.mix())?),
    };
    if let Some(objective) = &pace.slo {
        objective.check(&traffic)?;
    }
    let duration_ns = match &trace {
        // A request at the last line's time is part of the run.
        Some(trace) => {
            let length_ns = trace.length_ns() + 1;
            length_ns.saturating_sub(options.run.warmup_ns).min(options.run.duration_ns).max(1)
        }
        None => options.run.duration_ns,
    };
    let job = Job {
        target: options.target.clone().unwrap_or_default(),
        protocol: options.protocol,
        password: std::env::var("REVENANT_PASSWORD").ok(),
        connections: options.run.connections,
        traffic,
        keys: Keys { count: options.traffic.keys, distribution: options.traffic.key_distribution },
        values: options.traffic.value_size,
        class_field: options.traffic.class_field(),
        pace: first_pace(pace),
        warmup_ns: options.run.warmup_ns,
        duration_ns,
        drain_ns: options.run.drain_ns,
        seed: options.run.seed,
    };
    job.validate()?;
    Ok((job, trace))
}

fn read_trace(path: &Path) -> Result<String, anyhow::Error> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(TRACE_BYTES_MAX + 1).read_to_string(&mut text)?;
        Ok::<_, io::Error>(text)
    };
    let text = read().map_err(|source| anyhow!("cannot read {}: {source}", path.display()))?;
    if text.len() as u64 > TRACE_BYTES_MAX {
        let gib = TRACE_BYTES_MAX >> 30;
        return Err(anyhow!("{} is longer than {gib} GiB: split it", path.display()));
    }
    Ok(text)
}

fn traffic(options: &TrafficOptions) -> Result<Traffic, anyhow::Error> {
    Ok(match &options.mix {
        Some(mix) => Traffic::parse(mix)?,
        None => Traffic::preset(&options.preset)?,
    })
}

fn first_pace(options: &PaceOptions) -> Pace {
    if options.trace.is_some() {
        return Pace::Trace;
    }
    if options.closed {
        return Pace::Closed { depth: options.depth };
    }
    Pace::Open { arrivals: options.arrivals, rate_rps: options.rate.unwrap_or(RATE_RPS) }
}

fn observer(options: &Drive, reach: Reach) -> Result<Option<Observer>, Failure> {
    let metrics = options.observer.metrics.as_deref();
    let metrics = metrics.map(|text| Endpoint::parse(text, reach)).transpose();
    let metrics = metrics.map_err(Failure::bad_input)?;
    Observer::new(options.observer.server_pid, metrics).map_err(Failure::bad_input)
}

fn fill(job: &Job, reach: Reach, live: &Live) -> Result<(), Failure> {
    let endpoint = Endpoint::parse(&job.target, reach).map_err(Failure::bad_input)?;
    let session = Session::open(&endpoint, job.protocol, job.password.as_deref());
    let mut session = session.map_err(Failure::broken)?;
    session.fill(job.keys, job.values.max as usize, live).map_err(Failure::broken)
}

fn stop_on_ctrl_c(live: &Arc<Live>) -> Result<(), anyhow::Error> {
    let live = Arc::clone(live);
    Ok(ctrlc::set_handler(move || live.stop())?)
}

/// All runs that were asked for, one after the other.
struct Campaign<'a> {
    experiment: Experiment<'a>,
    line: LiveLine,
    destinations: &'a Destinations,
    runs: Vec<RunRow>,
}

impl Campaign<'_> {
    fn work_off(&mut self, options: &PaceOptions) -> Result<Option<SearchRow>, Failure> {
        let done = if let Some(objective) = &options.slo {
            self.search(objective, options).map(Some)
        } else if let Some(sweep) = &options.sweep {
            self.sweep(&sweep.0).map(|()| None)
        } else {
            let (pace, seed) = (self.experiment.job.pace, self.experiment.job.seed);
            self.run(pace, seed).map(|_| None)
        };
        self.line.end();
        done
    }

    fn sweep(&mut self, rates_rps: &[f64]) -> Result<(), Failure> {
        for &rate_rps in rates_rps {
            if self.experiment.live.is_stopped() {
                break;
            }
            let (pace, seed) = (self.at_rate(rate_rps), self.experiment.job.seed);
            self.run(pace, seed)?;
        }
        Ok(())
    }

    fn search(
        &mut self,
        objective: &Objective,
        options: &PaceOptions,
    ) -> Result<SearchRow, Failure> {
        let mut search = Search::new(SearchSpec {
            start_rps: options.rate_start,
            max_rps: options.rate_max,
            precision: PRECISION,
            repeats: options.repeats,
        });
        let (mut spoiled_runs, mut spoiled_in_a_row) = (0, 0);
        while let Some(rate_rps) = search.next_rps().filter(|_| !self.experiment.live.is_stopped())
        {
            let seed = seed_of_run(self.experiment.job.seed, self.runs.len() as u64);
            let measured = self.run(self.at_rate(rate_rps), seed)?;
            let row = &self.runs[self.runs.len() - 1];
            if validity::is_spoiled(&row.checks) {
                spoiled_runs += 1;
                spoiled_in_a_row += 1;
            } else {
                spoiled_in_a_row = 0;
            }
            let is_repeated = (1..SPOILED_MAX).contains(&spoiled_in_a_row);
            if !row.interrupted && !is_repeated {
                let class = self.experiment.job.traffic.class_named(&objective.class);
                let tally = class.map_or_else(|| measured.all(), |i| measured.classes[i].clone());
                search.tried(row.valid && objective.is_met_by(&tally));
            }
        }
        Ok(SearchRow { objective: objective.clone(), found: search.found(), spoiled_runs })
    }

    fn at_rate(&self, rate_rps: f64) -> Pace {
        match self.experiment.job.pace {
            Pace::Open { arrivals, .. } => Pace::Open { arrivals, rate_rps },
            other => other,
        }
    }

    fn run(&mut self, pace: Pace, seed: u64) -> Result<Measured, Failure> {
        let title = match pace {
            Pace::Open { rate_rps, .. } => format!("{} requests/s", amount(rate_rps)),
            Pace::Trace => "trace".to_owned(),
            Pace::Closed { .. } => "closed loop".to_owned(),
        };
        self.line.begin(title);
        let ran =
            self.experiment.run(pace, seed, |elapsed, glance| self.line.look(elapsed, glance));
        let (row, measured) = ran.map_err(failure_of)?;
        let index = self.runs.len();
        self.destinations.write_run(index, &row, &measured).map_err(Failure::Broken)?;
        self.runs.push(row);
        Ok(measured)
    }
}

/// Jobs and addresses are the user's words; everything else broke.
fn failure_of(error: ExperimentError) -> Failure {
    use revenant_loadgen::GeneratorError;
    match error {
        ExperimentError::Generator(GeneratorError::Job(_)) | ExperimentError::Cpu { .. } => {
            Failure::bad_input(error)
        }
        _ => Failure::broken(error),
    }
}
