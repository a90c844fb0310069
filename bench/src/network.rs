//! Servers compared over sockets: the same traffic, the same CPUs, one server at a time.
//!
//! Each run starts its server afresh, in a process of its own that is kept on the site's server
//! CPUs, fills its store, drives it with the load generator from another CPU, and ends it. Seeds go
//! round by round, so that a machine's mood meets every contender alike.

mod contender;
mod document;
mod figures;
#[cfg(test)]
mod fixture;
pub mod html;
mod remarks;
mod rows;
mod served;
pub mod table;

pub use contender::{Contender, Shares, UnknownContender};
pub use document::{Contest, Document, Entry, FORMAT};
pub use served::{Served, ServedError};

use std::sync::Arc;

use revenant::cpu::{CpuId, CpuSet};
use revenant_loadgen::report::row::{Percentile, RunRow};
use revenant_loadgen::{
    ALL, ClassTally, Endpoint, EndpointError, Experiment, ExperimentError, Found, Here, Job, Live,
    Measured, Objective, Observer, ObserverError, Pace, Reach, Search, SearchSpec, Session,
    SessionError, seed_of_run,
};
use thiserror::Error;

/// The closed loop that finds a capacity measures for so long.
const CAPACITY_NS: u64 = 2_000_000_000;

/// Niceness of a generator that shares its CPU with servers: it spins, and a fair share for it would
/// keep each of them waiting for its slice.
const SHARED_NICE: i32 = 10;

/// A search ends when its bracket is within 5 %.
const PRECISION: f64 = 1.05;

/// Who is compared, on what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The servers.
    pub contenders: Vec<Contender>,
    /// What every run has in common. Target, pace and seed are filled in.
    pub job: Job,
    /// What is asked.
    pub question: Question,
    /// Runs of each contender.
    pub seeds: u64,
    /// Where the generator spins.
    pub generator_cpu: CpuId,
    /// Where servers run.
    pub server_cpus: CpuSet,
}

/// What is asked of every contender.
#[derive(Clone, Debug)]
pub enum Question {
    /// Latency at this share of what the first peer among the contenders can do, closed loop.
    AtLoad(f64),
    /// Latency at this rate.
    AtRate(f64),
    /// The highest rate that meets an objective, searched for from the given one on.
    MaxRate(Objective, f64),
    /// Throughput of a closed loop with so many requests under way on a connection.
    Closed(u32),
}

/// Why a comparison ended early.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// A server does not serve.
    #[error(transparent)]
    Served(#[from] ServedError),
    /// Its address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// It cannot be filled.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It cannot be observed.
    #[error(transparent)]
    Observer(#[from] ObserverError),
    /// It cannot be driven.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
}

impl Plan {
    /// Asks every contender. Tells `progress` what comes next. Once `live` is stopped, what was
    /// measured so far is returned.
    ///
    /// # Errors
    /// When a server cannot be started, filled or driven.
    pub fn carry_out(
        &self,
        live: &Arc<Live>,
        progress: &mut dyn FnMut(String),
    ) -> Result<Vec<Entry>, NetworkError> {
        let mut entries: Vec<Entry> = self.contenders.iter().map(|&who| Entry::new(who)).collect();
        if let Question::MaxRate(objective, start_rps) = &self.question {
            for entry in &mut entries {
                entry.found = self.search(entry, (objective, *start_rps), live, progress)?;
            }
            return Ok(entries);
        }
        let pace = self.pace(live, progress)?;
        for index in 0..self.seeds {
            for entry in &mut entries {
                if live.is_stopped() {
                    return Ok(entries);
                }
                progress(format!("{}: run {} of {}", entry.contender, index + 1, self.seeds));
                let seed = seed_of_run(self.job.seed, index);
                let job = Job { pace, seed, ..self.job.clone() };
                entry.add(self.run(entry.who, &job, live)?.0);
            }
        }
        Ok(entries)
    }

    /// How requests are sent to every contender.
    fn pace(
        &self,
        live: &Arc<Live>,
        progress: &mut dyn FnMut(String),
    ) -> Result<Pace, NetworkError> {
        let arrivals = revenant_loadgen::Arrivals::Poisson;
        match self.question {
            Question::AtLoad(load) => {
                let capacity_rps = self.capacity(live, progress)?;
                progress(format!("load 1 is {capacity_rps:.0} requests/s"));
                Ok(Pace::Open { arrivals, rate_rps: load * capacity_rps })
            }
            Question::AtRate(rate_rps) | Question::MaxRate(_, rate_rps) => {
                Ok(Pace::Open { arrivals, rate_rps })
            }
            Question::Closed(depth) => Ok(Pace::Closed { depth }),
        }
    }

    /// What the first peer among the contenders does, asked as fast as it answers.
    fn capacity(
        &self,
        live: &Arc<Live>,
        progress: &mut dyn FnMut(String),
    ) -> Result<f64, NetworkError> {
        let peers = self.contenders.iter().copied().find(|who| who.is_peer());
        let who = peers.unwrap_or(self.contenders[0]);
        progress(format!("{who}: how much it can do"));
        let pace = Pace::Closed { depth: 1 };
        let job = Job { pace, duration_ns: CAPACITY_NS, ..self.job.clone() };
        let (row, _) = self.run(who, &job, live)?;
        Ok(row.class(ALL).map_or(0.0, |class| class.achieved_rps))
    }

    fn search(
        &self,
        entry: &mut Entry,
        (objective, start_rps): (&Objective, f64),
        live: &Arc<Live>,
        progress: &mut dyn FnMut(String),
    ) -> Result<Option<Found>, NetworkError> {
        let mut search = Search::new(SearchSpec {
            start_rps,
            max_rps: revenant_loadgen::RATE_MAX_RPS,
            precision: PRECISION,
            repeats: self.seeds as u32,
        });
        while let Some(rate_rps) = search.next_rps().filter(|_| !live.is_stopped()) {
            progress(format!("{}: {rate_rps:.0} requests/s", entry.contender));
            let seed = seed_of_run(self.job.seed, entry.runs.len() as u64);
            let arrivals = revenant_loadgen::Arrivals::Poisson;
            let job = Job { pace: Pace::Open { arrivals, rate_rps }, seed, ..self.job.clone() };
            let (mut row, measured) = self.run(entry.who, &job, live)?;
            let class = self.job.traffic.class_named(&objective.class);
            let tally = class.map_or_else(|| measured.all(), |at| measured.classes[at].clone());
            search.tried(row.valid && objective.is_met_by(&tally));
            keep_percentile(&mut row, objective, &tally);
            entry.add(row);
        }
        Ok(search.found())
    }

    /// One run against a server of its own.
    fn run(
        &self,
        who: Contender,
        job: &Job,
        live: &Arc<Live>,
    ) -> Result<(RunRow, Measured), NetworkError> {
        let is_shared = self.server_cpus.contains(self.generator_cpu);
        let shares = if is_shared { Shares::Yes } else { Shares::No };
        let served = Served::start(who, &self.server_cpus, shares)?;
        let job = Job { target: served.address().to_string(), ..job.clone() };
        let endpoint = Endpoint::parse(&job.target, Reach::Loopback)?;
        if job.traffic.reads_keys() && who.has_a_store() {
            let mut session = Session::open(&endpoint, job.protocol, None)?;
            session.fill(job.keys, job.values.max as usize, live)?;
        }
        let observer = Observer::new(Some(served.pid()), None)?;
        let cpu = Some(u32::from(self.generator_cpu.0));
        let nice = if is_shared { SHARED_NICE } else { 0 };
        let mut here = Here { reach: Reach::Loopback, cpu, nice, trace: None };
        let (pace, seed) = (job.pace, job.seed);
        let live = Arc::clone(live);
        let mut experiment = Experiment { job, source: &mut here, observer, live };
        Ok(experiment.run(pace, seed, |_, _| {})?)
    }
}

/// A run says what it had at the objective's percentile, even if no table has that.
fn keep_percentile(row: &mut RunRow, objective: &Objective, tally: &ClassTally) {
    let percent = objective.percent();
    let class = row.classes.iter_mut().find(|class| class.class == objective.class);
    if let Some(class) = class.filter(|class| class.percentile(percent).is_none()) {
        class.percentiles.push(Percentile::of(tally, percent));
        class.percentiles.sort_by(|a, b| a.percent.total_cmp(&b.percent));
    }
}

#[cfg(test)]
mod tests {
    use revenant_loadgen::{Outcome, Span, Stamps};

    use super::*;

    #[test]
    fn a_run_of_a_search_has_the_percentile_that_is_asked_for_once() {
        let mut row = fixture::search().entries[0].runs[0].clone();
        let span = Span { start_ns: 0, end_ns: 1_000_000_000 };
        let mut tally = ClassTally::new(span);
        for us in 1..=1_000 {
            let stamps = Stamps { intended_ns: 0, sent_ns: 0, done_ns: us * 1_000 };
            tally.add(stamps, Outcome::Answered);
        }
        let before = row.class("get").unwrap().percentiles.len();
        for text in ["get:p98:1ms", "get:p99:1ms", "get:p98:1ms"] {
            keep_percentile(&mut row, &text.parse().unwrap(), &tally);
        }
        let class = row.class("get").unwrap();
        assert_eq!(class.percentiles.len(), before + 1);
        let us = class.percentile(98.0).unwrap().latency_us.unwrap();
        assert!((us - 980.0).abs() < 2.0, "{us}");
    }
}
