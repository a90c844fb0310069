//! Batch work on Revenant: one endless request of the batch tier a worker CPU.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use revenant::{Context, Runtime};

use crate::clock::{monotonic_ns, thread_cpu_ns};
use crate::system::Run;

/// Turns of the loop between two safepoints: about a microsecond, as between those of requests.
const TURNS: u64 = 500;

/// Batch requests, and the CPU time they have got since the plan began.
#[derive(Debug, Default)]
pub(super) struct Batch {
    begin_ns: AtomicU64,
    stop: AtomicBool,
    cpu_ns: AtomicU64,
}

impl Batch {
    /// The name of their class.
    pub(super) const CLASS: &'static str = "batch antagonist";

    /// Submits them, if the run asks for batch work.
    pub(super) fn submit(self: &Arc<Self>, runtime: &Runtime, run: &Run<'_>) {
        if !run.extras.batch {
            return;
        }
        let has_safepoints = !run.extras.no_safepoints;
        for _ in &run.site.workers {
            let batch = Arc::clone(self);
            let _nobody_waits_for_it = runtime.submit(Self::CLASS, move |context| {
                batch.work(context, has_safepoints);
            });
        }
    }

    /// CPU time counts from here.
    pub(super) fn begin_at(&self, begin_ns: u64) {
        self.begin_ns.store(begin_ns, Ordering::Relaxed);
    }

    /// Lets them end when they next have a CPU.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// CPU time they got, once the runtime is drained.
    pub(super) fn cpu_ns(&self, run: &Run<'_>) -> Option<u64> {
        run.extras.batch.then(|| self.cpu_ns.load(Ordering::Relaxed))
    }

    fn work(&self, context: &Context<'_>, has_safepoints: bool) {
        let (mut state, mut turns, mut before_ns) = (1_u64, 0_u64, None);
        while !self.stop.load(Ordering::Relaxed) && !context.is_cancelled() {
            for _ in 0..TURNS {
                state = black_box(state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
            }
            turns += 1;
            if turns.is_multiple_of(16) {
                context.beat();
            }
            if before_ns.is_none() && self.has_begun() {
                before_ns = Some(thread_cpu_ns());
            }
            if has_safepoints {
                context.safepoint();
            }
        }
        let cpu_ns = before_ns.map_or(0, |before_ns| thread_cpu_ns() - before_ns);
        self.cpu_ns.fetch_add(cpu_ns, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        let begin_ns = self.begin_ns.load(Ordering::Relaxed);
        begin_ns != 0 && monotonic_ns() >= begin_ns
    }
}
