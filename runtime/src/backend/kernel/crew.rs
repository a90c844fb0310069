//! The crew of an embedded runtime: its worker threads as members of an enclave of its own, and the
//! agent process that serves it.
//!
//! A request is handed to a worker that sleeps. To the agent that is a thread that wakes up: where and
//! how long it runs is the policy's decision, as for any thread of any program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use revenant_bpf::{LoadError, Scheduler};

use super::abandoned;
use super::agent::{AgentError, AgentOptions, AgentProcess};
use super::enclaves::{self, EnclaveError, Spec};
use super::members::{self, JoinError};
use crate::backend::threads::served::{self, Seat};
use crate::backend::threads::{Options, Shared, pause};
use crate::cpu::CpuSet;
use crate::policy::Policy;
use crate::task::TaskId;

/// Why a runtime could not be put on the kernel backend.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The scheduler could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It could not be reached.
    #[error(transparent)]
    Open(#[from] revenant_bpf::OpenError),
    /// There is no enclave.
    #[error(transparent)]
    Enclave(#[from] EnclaveError),
    /// There is no agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A worker could not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[from] io::Error),
}

/// Workers, enclave and agent of a runtime.
#[derive(Debug)]
pub(crate) struct Crew {
    shared: Arc<Shared>,
    seats: Arc<[Seat]>,
    threads: Vec<JoinHandle<()>>,
    enclave: Enclave,
}

/// The runtime's enclave and its agent; both end with this handle.
#[derive(Debug)]
struct Enclave {
    scheduler: Arc<Scheduler>,
    number: u32,
    agent: Option<AgentProcess>,
}

impl Enclave {
    fn create(cpus: &CpuSet, name: &str) -> Result<Self, CrewError> {
        /// Runtimes this process has had: each has an enclave, and names must differ.
        static RUNTIMES: AtomicU32 = AtomicU32::new(0);
        // One that has ended leaves its pins behind; loading anew clears them away.
        let alive = Scheduler::open().ok().filter(|scheduler| scheduler.exit().is_none());
        let scheduler = match alive {
            Some(scheduler) => scheduler,
            None => {
                revenant_bpf::load()?;
                Scheduler::open()?
            }
        };
        let scheduler = Arc::new(scheduler);
        let number = RUNTIMES.fetch_add(1, Ordering::Relaxed);
        let spec = Spec {
            name: format!("{:.12}-{}-{number}", name, std::process::id()),
            cpus: *cpus,
            ..Spec::default()
        };
        let number = abandoned::replace(&scheduler, &spec)?;
        Ok(Self { scheduler, number, agent: None })
    }

    /// Starts the agent. On a single CPU it sleeps when it has nothing to do, else it would keep the
    /// CPU from those it serves.
    fn serve<P: Policy + Send>(&mut self, cpus: &CpuSet, policy: P) -> Result<(), AgentError> {
        let options = AgentOptions::new(self.number);
        let mut policy = Some(policy);
        self.agent = Some(match cpus.len() {
            1 => {
                AgentProcess::start_per_cpu(&options, || policy.take().expect("there is one CPU"))?
            }
            _ => AgentProcess::start(&options, policy.take().expect("it was just put there"))?,
        });
        Ok(())
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        self.agent = None;
        // A thread that does not leave keeps the enclave's place; the next command cleans it.
        let _best_effort = enclaves::destroy(&self.scheduler, self.number);
        if enclaves::list(&self.scheduler).is_empty() {
            let _best_effort = revenant_bpf::unload();
        }
    }
}

/// Makes the enclave, its agent, and the workers.
pub(crate) fn start<P: Policy + Send>(
    options: &Options,
    policy: P,
) -> Result<(Arc<Shared>, Crew), CrewError> {
    let mut enclave = Enclave::create(&options.worker_cpus, &options.name)?;
    // Before there are threads that the agent's fork would leave behind.
    enclave.serve(&options.worker_cpus, policy)?;
    let shared = served::shared(options);
    let count = options.worker_cpus.len() * options.workers_per_cpu;
    let seats: Arc<[Seat]> = (0..count).map(|_| Seat::default()).collect();
    let mut crew = Crew { shared: Arc::clone(&shared), seats, threads: Vec::new(), enclave };
    crew.spawn_all(options, count)?;
    Ok((shared, crew))
}

impl Crew {
    fn spawn_all(&mut self, options: &Options, count: usize) -> Result<(), CrewError> {
        for index in 0..count {
            let (shared, seats) = (Arc::clone(&self.shared), Arc::clone(&self.seats));
            let (scheduler, number) = (Arc::clone(&self.enclave.scheduler), self.enclave.number);
            let (joined, outcome) = std::sync::mpsc::sync_channel(1);
            let body = move || {
                let tid = super::agent::own_tid();
                let member = members::join(&scheduler, number, tid);
                let task = member.as_ref().ok().copied();
                // The runtime's builder waits for it.
                let _waited_for = joined.send(member.map(|_| ()));
                if let Some(member) = task {
                    work(&shared, &seats[index], index as u16, (&scheduler, member));
                }
            };
            let thread = Builder::new().name(format!("{}-k{index}", options.name));
            self.threads.push(thread.stack_size(options.stack_bytes).spawn(body)?);
            outcome.recv().map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// The workers' seats.
    pub(crate) fn seats(&self) -> Arc<[Seat]> {
        Arc::clone(&self.seats)
    }

    /// What the dispatcher needs to know of the enclave.
    pub(crate) fn enclave(&self) -> (Arc<Scheduler>, u32) {
        (Arc::clone(&self.enclave.scheduler), self.enclave.number)
    }

    /// Waits for all workers to end, for at most `patience`. Returns how many still run.
    pub(crate) fn end(self, patience: Duration) -> usize {
        const STEP: Duration = Duration::from_micros(500);
        self.shared.stop();
        let mut threads = self.threads;
        for _ in 0..=patience.as_micros() / STEP.as_micros() {
            self.seats.iter().for_each(Seat::rouse);
            threads.retain(|thread| !thread.is_finished());
            if threads.is_empty() {
                return 0;
            }
            pause(STEP);
        }
        threads.len()
    }
}

/// A worker's life: waits for requests and runs them.
fn work(shared: &Shared, seat: &Seat, id: u16, member: (&Scheduler, TaskId)) {
    served::begin(shared, id);
    while let Some(task) = seat.wait(shared) {
        let (scheduler, own) = member;
        // For the agent's next look: the request's class is the thread's until it waits again.
        members::hint(scheduler, own, &served::hints(shared, task));
        served::run(shared, id, task);
    }
}
