//! Start-up and end of a runtime's threads.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::gauge::ClassGauge;
use super::lane::Lane;
use super::ownership::WorkerId;
use super::shared::{Parts, Shared};
use super::worker::{self, Worker};
use super::{Threads, futex, placement, sentinel, signal, watchdog};
use crate::channel::{Consumer, channel};
use crate::cpu::{CpuId, CpuSet};
use crate::sync::{AtomicU32, Ordering};
use crate::topology::Topology;

/// Messages a CPU's ring holds. A request makes two and a preemption two more, so this is some
/// thirty requests of dispatcher delay; an overflow costs a rescan of the task table, not a task.
pub(crate) const RING_MESSAGES: usize = 128;

/// Workers a process can have: the ownership word names them in 16 bits, one of them the sentinel.
pub(crate) const WORKERS_MAX: usize = u16::MAX as usize - 1;

/// How the threads are laid out. [`crate::Builder`] checks its own; whoever opens the bare backend
/// answers for them.
#[derive(Clone, Debug)]
pub struct Options {
    /// CPUs requests run on.
    pub worker_cpus: CpuSet,
    /// CPUs helper threads may use.
    pub allowed_cpus: CpuSet,
    /// Native threads a worker CPU.
    pub workers_per_cpu: usize,
    /// Requests at a time.
    pub tasks_max: usize,
    /// Request classes.
    pub classes: usize,
    /// How long an idle owner polls before it sleeps.
    pub spin_ns: u64,
    /// The dispatcher runs on a CPU of the workers: they let it go first.
    pub is_cramped: bool,
    /// Stack of each thread.
    pub stack_bytes: usize,
    /// Messages a CPU's ring holds, a power of two.
    pub ring_messages: usize,
    /// The machine.
    pub topology: Topology,
    /// Prefix of the threads' names.
    pub name: String,
}

/// The threads of a runtime other than its dispatcher.
#[derive(Debug)]
pub struct Crew {
    shared: Arc<Shared>,
    alarm: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts workers, sentinels and the watchdog: the bare backend, for an agent other than the
/// runtime's own dispatcher. [`Threads::poll`] must then be called before every turn.
///
/// # Errors
/// The kernel's, if it refuses a thread or a CPU.
pub fn start(options: &Options) -> io::Result<(Threads, Crew)> {
    signal::install();
    let (shared, rings) = assemble(options);
    let mut crew = Crew { shared: Arc::clone(&shared), alarm: Arc::default(), threads: Vec::new() };
    if let Err(error) = crew.spawn_all(options) {
        let _leaked_on_purpose = crew.abandon(Duration::from_millis(500));
        return Err(error);
    }
    let topology = options.topology.restricted_to(&options.worker_cpus);
    Ok((Threads::new(shared, topology, rings), crew))
}

/// What the threads share, and the readers' ends of its rings.
pub(super) fn assemble(options: &Options) -> (Arc<Shared>, Vec<Consumer>) {
    let cpus: Vec<CpuId> = options.worker_cpus.iter().collect();
    let (mut lanes, mut rings, mut workers) = (Vec::new(), Vec::new(), Vec::new());
    let workers_all = cpus.len() * options.workers_per_cpu;
    for (lane, cpu) in cpus.iter().enumerate() {
        let first = lane * options.workers_per_cpu;
        let ids = first..first + options.workers_per_cpu;
        let idle = ids.clone().skip(1).rev().map(|id| WorkerId(id as u16)).collect();
        let (producer, consumer) = channel(options.ring_messages);
        lanes.push(Lane::new(*cpu, WorkerId(first as u16), idle, producer, workers_all));
        rings.push(consumer);
        workers.extend(ids.map(|id| Worker::new(WorkerId(id as u16), lane, options.is_cramped)));
    }
    let shared = Arc::new(Shared::new(Parts {
        lanes,
        workers,
        classes: (0..options.classes).map(|_| ClassGauge::default()).collect(),
        tasks_max: options.tasks_max,
        spin_ns: options.spin_ns,
        is_cramped: options.is_cramped,
    }));
    (shared, rings)
}

impl Crew {
    fn spawn_all(&mut self, options: &Options) -> io::Result<()> {
        for index in 0..self.shared.workers.len() {
            let id = WorkerId(index as u16);
            let lane = self.shared.workers[index].lane_index();
            let cpu = self.shared.lanes[lane].cpu;
            let is_first = index % options.workers_per_cpu == 0;
            let shared = Arc::clone(&self.shared);
            let name = format!("{}-w{cpu}.{}", options.name, index % options.workers_per_cpu);
            self.spawn(name, options, [cpu].into_iter().collect(), move || {
                worker::main(shared, id, is_first);
            })?;
        }
        for lane in 0..self.shared.lanes.len() {
            let cpu = self.shared.lanes[lane].cpu;
            let shared = Arc::clone(&self.shared);
            let name = format!("{}-s{cpu}", options.name);
            self.spawn(name, options, [cpu].into_iter().collect(), move || {
                sentinel::main(shared, lane);
            })?;
        }
        let (shared, alarm) = (Arc::clone(&self.shared), Arc::clone(&self.alarm));
        let name = format!("{}-watchdog", options.name);
        self.spawn(name, options, options.allowed_cpus, move || watchdog::main(shared, alarm))?;
        self.wait_until_ready()
    }

    fn spawn(
        &mut self,
        name: String,
        options: &Options,
        cpus: CpuSet,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread =
            Builder::new().name(name).stack_size(options.stack_bytes).spawn(move || {
                // A CPU that vanished since the mask was read: run elsewhere rather than not at all.
                let _best_effort = placement::pin(0, &cpus);
                body();
            })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Signals and migrations need every worker's thread id.
    fn wait_until_ready(&self) -> io::Result<()> {
        for _ in 0..10_000 {
            // Acquire pairs with the worker's release of its thread id.
            let is_ready = |w: &Worker| w.tid.load(Ordering::Acquire) != 0;
            if self.shared.workers.iter().all(is_ready) {
                return Ok(());
            }
            pause(Duration::from_micros(500));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "worker threads did not start within 5 s"))
    }

    /// Leaves running requests to the kernel and ends all threads, for want of an agent. Returns how
    /// many still run after `patience`; the sentinels, which run last, may be among them on a machine
    /// that has other work.
    pub fn abandon(self, patience: Duration) -> usize {
        self.shared.abandon();
        self.end(patience)
    }

    /// Waits for all threads to end, for at most `patience`. Returns how many still run: those
    /// whose request never returns. They are left to themselves.
    pub(crate) fn end(self, patience: Duration) -> usize {
        self.alarm.store(1, Ordering::Relaxed);
        futex::wake(&self.alarm, 1);
        const STEP: Duration = Duration::from_micros(500);
        let mut threads = self.threads;
        for _ in 0..=patience.as_micros() / STEP.as_micros() {
            let (ended, running): (Vec<_>, Vec<_>) =
                threads.into_iter().partition(JoinHandle::is_finished);
            for thread in ended {
                // A worker's panic is caught where the application's code runs; any other is a bug
                // of ours, and its message has been printed.
                let _printed = thread.join();
            }
            threads = running;
            if threads.is_empty() {
                return 0;
            }
            pause(STEP);
        }
        threads.len()
    }
}

#[allow(clippy::disallowed_methods, reason = "start-up and shutdown wait for threads")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
