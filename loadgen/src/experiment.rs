//! One run after another: started, watched, and made into a row.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};
use thiserror::Error;

use crate::clock::Clock;
use crate::crew::CrewError;
use crate::endpoint::Reach;
use crate::generator::{Generator, GeneratorError, Measured};
use crate::job::{Job, Pace};
use crate::live::{Glance, Live};
use crate::observe::{Observer, ObserverError, Reading};
use crate::report::row::RunRow;
use crate::trace::Trace;

/// Why an experiment ended without its results.
#[derive(Debug, Error)]
pub enum ExperimentError {
    /// The generator could not run.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The agents could not.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// The server cannot be observed.
    #[error(transparent)]
    Observer(#[from] ObserverError),
    /// The CPU is none of ours.
    #[error("--cpu {cpu}: this process may not run there; `taskset -p $$` shows where it may")]
    Cpu {
        /// The CPU.
        cpu: u32,
    },
    /// A thread could not be started.
    #[error("cannot start a thread for the generator: {0}; is a bound on processes reached?")]
    Thread(std::io::Error),
}

/// A run under way: ends with what it measured.
pub type Running = JoinHandle<Result<Measured, ExperimentError>>;

/// What generates load: this process, or agents on other machines.
pub trait Source {
    /// Gets everything ready, and then starts a run.
    ///
    /// # Errors
    /// When something is in its way; nothing was sent then that counts.
    fn start(&mut self, job: &Job, live: &Arc<Live>) -> Result<Running, ExperimentError>;
}

/// This process.
#[derive(Debug)]
pub struct Here {
    /// Where load may go.
    pub reach: Reach,
    /// CPU the generator is kept on.
    pub cpu: Option<u32>,
    /// Its niceness: above 0, a server that shares its CPU goes first.
    pub nice: i32,
    /// Times to replay, of jobs that ask for it.
    pub trace: Option<Trace>,
}

impl Here {
    /// Connects to the server and plans.
    pub(crate) fn prepare(&self, job: &Job) -> Result<Generator, ExperimentError> {
        Ok(Generator::new(job, self.trace.as_ref(), self.reach)?)
    }

    /// Lets a generator run on a thread of its own.
    pub(crate) fn begin(
        &self,
        generator: Generator,
        live: &Arc<Live>,
    ) -> Result<Running, ExperimentError> {
        let (live, cpu, nice) = (Arc::clone(live), self.cpu, self.nice);
        let run = move || {
            if let Some(cpu) = cpu {
                confine(cpu)?;
            }
            if nice > 0 {
                // Of this thread alone. Nobody is refused less of a claim.
                let _granted = setpriority_process(None, nice);
            }
            Ok(generator.run(&live))
        };
        let builder = thread::Builder::new().name("generator".to_owned());
        builder.spawn(run).map_err(ExperimentError::Thread)
    }
}

impl Source for Here {
    fn start(&mut self, job: &Job, live: &Arc<Live>) -> Result<Running, ExperimentError> {
        self.begin(self.prepare(job)?, live)
    }
}

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// There is no such CPU, or it is not allowed.
pub fn confine(cpu: u32) -> Result<(), ExperimentError> {
    let error = |_| ExperimentError::Cpu { cpu };
    let mut set = CpuSet::new();
    if cpu as usize >= CpuSet::MAX_CPU {
        return Err(ExperimentError::Cpu { cpu });
    }
    set.set(cpu as usize);
    sched_setaffinity(None, &set).map_err(error)
}

/// A source, and who observes the server meanwhile.
pub struct Experiment<'a> {
    /// What every run has in common.
    pub job: Job,
    /// What generates the load.
    pub source: &'a mut dyn Source,
    /// What observes the server.
    pub observer: Option<Observer>,
    /// Numbers of the run under way, and how to stop it.
    pub live: Arc<Live>,
}

impl std::fmt::Debug for Experiment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Experiment").field("job", &self.job).finish_non_exhaustive()
    }
}

/// How often a run is looked at. Short against a run, long for a CPU.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Experiment<'_> {
    /// Makes one run of the job at this pace and seed. `look` is told now and then for how long it
    /// has gone on, and how it goes.
    ///
    /// # Errors
    /// When it cannot be made, or the server cannot be observed.
    pub fn run(
        &mut self,
        pace: Pace,
        seed: u64,
        look: impl FnMut(Duration, Glance),
    ) -> Result<(RunRow, Measured), ExperimentError> {
        let job = Job { pace, seed, ..self.job.clone() };
        self.live.show(Glance::default());
        let running = self.source.start(&job, &self.live)?;
        let readings = self.watch_over(&job, &running, look);
        let measured = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let observed =
            readings?.map(|(before, after)| after.since(&before, measured.all().completed));
        Ok((RunRow::of(&job, &measured, observed), measured))
    }

    /// Waits until a run is over; reads the server's expenses at the borders of what counts.
    fn watch_over(
        &self,
        job: &Job,
        running: &Running,
        mut look: impl FnMut(Duration, Glance),
    ) -> Result<Option<(Reading, Reading)>, ObserverError> {
        let clock = Clock::start();
        let span = job.span();
        let (mut before, mut after) = (Ok(None), Ok(None));
        let read = || self.observer.as_ref().map(Observer::read).transpose();
        while !running.is_finished() {
            let now_ns = clock.now_ns();
            if matches!(before, Ok(None)) && now_ns >= span.start_ns {
                before = read();
            }
            if matches!(after, Ok(None)) && now_ns >= span.end_ns {
                after = read();
            }
            look(Duration::from_nanos(now_ns), self.live.glance());
            thread::park_timeout(LOOK_EVERY);
        }
        // The last reply may come before the last border.
        if matches!(after, Ok(None)) {
            after = read();
        }
        Ok(before?.zip(after?))
    }
}

/// A seed of its own for each run of one experiment.
#[must_use]
pub fn seed_of_run(seed: u64, index: u64) -> u64 {
    // Golden-ratio steps: seeds of neighbouring experiments stay apart, too.
    seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
