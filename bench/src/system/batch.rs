//! Batch work on plain threads: one CPU-bound SCHED_IDLE thread a worker CPU.
//!
//! SCHED_IDLE is the best the kernel offers without a privilege: such a thread gets what nobody else
//! wants and is preempted at once when a request wakes.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, Scope};

use revenant::cpu::{CpuId, CpuSet};

use crate::affinity;
use crate::clock::thread_cpu_ns;
use crate::discipline::Discipline;
use crate::system::{Run, RunError};

/// Turns of the loop between two looks at the stop flag: some tens of microseconds.
const TURNS: u64 = 20_000;

/// Batch threads, and the CPU time they have got.
#[derive(Debug, Default)]
pub(super) struct Antagonists {
    stop: AtomicBool,
    cpu_ns: AtomicU64,
}

impl Antagonists {
    /// Starts a thread on each worker CPU if the run asks for batch work.
    ///
    /// # Errors
    /// When a thread cannot be started; those that were are still to be stopped.
    pub(super) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        system: &'static str,
        run: &Run<'_>,
    ) -> Result<(), RunError> {
        if !run.extras.batch {
            return Ok(());
        }
        for &cpu in &run.site.workers {
            let builder = Builder::new().name(format!("batch-{cpu}"));
            let spawned = builder.spawn_scoped(scope, move || self.work(cpu));
            spawned.map_err(|source| {
                let action = format!("start the batch thread of CPU {cpu}");
                RunError::Kernel { system, action, source }
            })?;
        }
        Ok(())
    }

    /// Lets the threads end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// CPU time they got, once they are joined.
    pub(super) fn cpu_ns(&self, run: &Run<'_>) -> Option<u64> {
        run.extras.batch.then(|| self.cpu_ns.load(Ordering::Relaxed))
    }

    fn work(&self, cpu: CpuId) {
        // On the wrong CPU or in the wrong class it would disturb what is measured: better no batch
        // work, which the results show.
        let settled: io::Result<()> =
            affinity::confine(&CpuSet::from_iter([cpu])).and_then(|()| Discipline::Idle.adopt());
        if settled.is_err() {
            return;
        }
        let before_ns = thread_cpu_ns();
        let mut state = 1_u64;
        while !self.stop.load(Ordering::Relaxed) {
            for _ in 0..TURNS {
                state = black_box(state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
            }
        }
        self.cpu_ns.fetch_add(thread_cpu_ns() - before_ns, Ordering::Relaxed);
    }
}
