//! `fifo-pool`: a spinning thread on each worker CPU takes from one queue and runs to completion.
//! The fastest there is as long as no request is long.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, Builder, Scope};

use crossbeam_queue::ArrayQueue;
use revenant::cpu::{CpuId, CpuSet};

use super::batch::Antagonists;
use crate::affinity;
use crate::clock::monotonic_ns;
use crate::replay::{Before, Recipient, Replay};
use crate::system::{Run, RunError, RunOutcome, System};

/// See the module.
#[derive(Debug)]
pub(super) struct FifoPool;

impl System for FifoPool {
    fn name(&self) -> &'static str {
        "fifo-pool"
    }

    fn about(&self) -> &'static str {
        "one spinning thread per worker CPU, one queue, run to completion"
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let replay = Replay::new(run);
        let mut pool = Pool {
            name: self.name(),
            replay: &replay,
            // Room for every request of the plan: it never overflows.
            queue: &ArrayQueue::new(run.plan.requests().len().max(1)),
            closed: &AtomicBool::new(false),
        };
        let antagonists = Antagonists::default();
        thread::scope(|scope| {
            let ended = pool.replay_on(scope, &antagonists);
            antagonists.stop();
            pool.closed.store(true, Ordering::Relaxed);
            ended
        })?;
        Ok(RunOutcome { batch_cpu_ns: antagonists.cpu_ns(run), ..replay.outcome() })
    }
}

#[derive(Clone, Copy)]
struct Pool<'a> {
    name: &'static str,
    replay: &'a Replay<'a>,
    queue: &'a ArrayQueue<u32>,
    closed: &'a AtomicBool,
}

impl<'a> Pool<'a> {
    fn replay_on<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        antagonists: &'scope Antagonists,
    ) -> Result<(), RunError>
    where
        'a: 'scope,
    {
        let (ready, settled) = mpsc::channel();
        for &cpu in &self.replay.run.site.workers {
            let (pool, ready) = (*self, ready.clone());
            let builder = Builder::new().name(format!("fifo-pool-{cpu}"));
            let spawned = builder.spawn_scoped(scope, move || pool.work(cpu, ready));
            spawned
                .map_err(|source| self.error(format!("start the worker of CPU {cpu}"), source))?;
        }
        drop(ready);
        let settled: io::Result<()> = settled.into_iter().collect();
        settled.map_err(|source| self.error("move the workers to their CPUs".into(), source))?;
        antagonists.start(scope, self.name, self.replay.run)?;
        self.replay.generate(self.name, self)
    }

    fn work(self, cpu: CpuId, ready: mpsc::Sender<io::Result<()>>) {
        let settled = affinity::confine(&CpuSet::from_iter([cpu]));
        let failed = settled.is_err();
        // Nobody listens any more after the first failure.
        let _ = ready.send(settled);
        // The generator waits until all have reported.
        drop(ready);
        while !failed && !self.closed.load(Ordering::Relaxed) {
            match self.queue.pop() {
                Some(request) => self.replay.serve(request, Before::Busy),
                None => {
                    self.replay.heartbeats.beat(monotonic_ns());
                    std::hint::spin_loop();
                }
            }
        }
    }

    fn error(&self, action: String, source: io::Error) -> RunError {
        RunError::Kernel { system: self.name, action, source }
    }
}

impl Recipient for Pool<'_> {
    fn take(&mut self, request: u32) {
        self.queue.push(request).expect("room for every request of the plan");
    }
}
