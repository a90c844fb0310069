//! Revenant's policies on its threads backend: the dispatcher's own thread replays the plan.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revenant::backend::threads::{Completion, Handler, Work};
use revenant::cpu::CpuSet;
use revenant::hint::ClassId;
use revenant::ingress::{Admission, Ingress, Offer};
use revenant::policy::{PolicyKind, PolicyOptions};
use revenant::stall::StallMeter;
use revenant::stats::Stats;
use revenant::{Class, Context, Runtime};
use revenant_loadgen::{Plan, Sample, UNFINISHED_NS, Window};

use super::revenant_batch::Batch;
use crate::clock::monotonic_ns;
use crate::pacer::{Pacer, drain_ns};
use crate::request_work::RequestWork;
use crate::switches::InvoluntarySwitches;
use crate::system::{Run, RunError, RunOutcome, Signals, System};

/// Between the start of the runtime and the plan's: threads have found their CPUs by then.
const LEAD_NS: u64 = 20_000_000;

/// As in [`Replay`](crate::replay::Replay): beats of a request, and what stragglers get.
const CHECKPOINTS_PER_BEAT: u32 = 16;
const STRAGGLERS_NS: u64 = 1_000_000_000;

/// How often the thread that waits for the end looks: it wakes on a CPU that is measured, and each
/// time costs that CPU some 10 us.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_AT_THE_END: Duration = Duration::from_millis(5);

/// Requests under way at most. A policy that runs to completion queues some thousands at high loads.
const TASKS_MAX: usize = 1 << 15;

/// A policy under comparison.
#[derive(Debug)]
pub(super) struct Revenant(pub(super) PolicyKind);

impl System for Revenant {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        match self.0 {
            PolicyKind::FifoPerCpu => "Revenant: a queue per worker CPU, run to completion",
            PolicyKind::Fifo => "Revenant: one queue, run to completion",
            PolicyKind::Shinjuku => "Revenant: one queue, a 30 us quantum, preempted to the tail",
            PolicyKind::TwoQueue => "Revenant: fresh requests first, long ones preempted at once",
        }
    }

    fn run(&self, run: &Run<'_>) -> Result<RunOutcome, RunError> {
        let replay = Arc::new(Replay::default());
        let batch = Arc::new(Batch::default());
        let switches = InvoluntarySwitches::begin();
        let mut runtime = self.start(run, &replay)?;
        batch.submit(&runtime, run);
        replay.start_ns.store(monotonic_ns() + LEAD_NS, Ordering::Release);
        batch.begin_at(replay.start_ns.load(Ordering::Relaxed));
        wait_for_the_end(run, &replay);
        let end_ns = monotonic_ns();
        replay.is_over.store(true, Ordering::Relaxed);
        batch.stop();
        let stats = runtime.stats();
        let outcome = RunOutcome {
            span_ns: replay.since_start_ns(end_ns),
            dispatcher_stalls: replay.windows([&runtime.stalls().dispatcher]),
            worker_stalls: replay.windows(runtime.stalls().lanes()),
            signals: signals(&stats),
            involuntary_switches: switches.so_far(),
            note: self.note(&stats),
            ..RunOutcome::default()
        };
        // What is still under way is told to end, and sees it at its next heartbeat.
        runtime.drain(Duration::ZERO);
        drop(runtime);
        let samples = replay.take_samples();
        let demoted = (self.0 == PolicyKind::TwoQueue).then(|| preempted_by_class(run, &samples));
        Ok(RunOutcome { samples, demoted, batch_cpu_ns: batch.cpu_ns(run), ..outcome })
    }
}

impl Revenant {
    fn start(&self, run: &Run<'_>, replay: &Arc<Replay>) -> Result<Runtime, RunError> {
        let setup = |reason: String| RunError::Setup { system: self.name(), reason };
        let policy = self.0.build(&PolicyOptions::default()).map_err(|e| setup(e.to_string()))?;
        let workers: CpuSet = run.site.workers.iter().copied().collect();
        let generator = Generator {
            pacer: Pacer::new(run.plan),
            plan: Arc::clone(run.plan),
            handler: handler(run),
            samples: unsent(run.plan),
            replay: Arc::clone(replay),
        };
        let mut builder = Runtime::builder()
            .policy(policy)
            .ingress(generator)
            .dispatcher_cpu(run.site.generator)
            .worker_cpus(workers)
            .tasks_max(TASKS_MAX)
            .name(self.name());
        for class in run.mix.classes() {
            builder = builder.class(&class.name, Class::default().in_flight_max(TASKS_MAX));
        }
        let built = builder.class(Batch::CLASS, Class::batch()).build();
        built.map_err(|error| setup(error.to_string()))
    }

    fn note(&self, stats: &Stats) -> Option<String> {
        let rejected: u64 = stats.classes.iter().map(|c| c.counts.rejected_overloaded).sum();
        let fallbacks = stats.threads.fallbacks;
        let notes = [
            (rejected > 0).then(|| format!("{rejected} requests found {TASKS_MAX} under way")),
            (fallbacks > 0).then(|| format!("the kernel took over {fallbacks} times")),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// What a request does: the same work as on every system, with safepoints if the run wants them.
fn handler(run: &Run<'_>) -> Arc<Handler> {
    let (plan, work) = (Arc::clone(run.plan), run.work.clone());
    let has_safepoints = !run.extras.no_safepoints;
    Arc::new(move |context: &Context<'_>, token: u64| {
        // The token of a request is its index in the plan, which has fewer than 2^32.
        perform(&work, &plan, token as u32, has_safepoints, context);
    })
}

fn perform(
    work: &RequestWork,
    plan: &Plan,
    request: u32,
    has_safepoints: bool,
    context: &Context<'_>,
) {
    let planned = &plan.requests()[request as usize];
    let mut checkpoints: u32 = 0;
    work.perform(request, planned, || {
        checkpoints += 1;
        if checkpoints.is_multiple_of(CHECKPOINTS_PER_BEAT) {
            context.beat();
            if context.is_cancelled() {
                std::panic::resume_unwind(Box::new("given up"));
            }
        }
        if has_safepoints {
            context.safepoint();
        }
    });
}

fn unsent(plan: &Plan) -> Vec<Sample> {
    let sample = |planned: &revenant_loadgen::Planned| Sample {
        class: planned.class,
        intended_ns: planned.intended_ns,
        sent_ns: UNFINISHED_NS,
        started_ns: UNFINISHED_NS,
        done_ns: UNFINISHED_NS,
        service_ns: planned.service_ns,
        preempted: 0,
    };
    plan.requests().iter().map(sample).collect()
}

/// What the dispatcher's thread and the one that waits for it share.
#[derive(Debug, Default)]
struct Replay {
    /// When the plan starts; 0 before that is known.
    start_ns: AtomicU64,
    done: AtomicU64,
    /// Nothing that happens from here on counts.
    is_over: AtomicBool,
    samples: Mutex<Vec<Sample>>,
}

impl Replay {
    fn since_start_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns.load(Ordering::Acquire))
    }

    fn windows<'m>(&self, meters: impl IntoIterator<Item = &'m StallMeter>) -> Vec<Window> {
        let windows = meters.into_iter().flat_map(StallMeter::windows);
        windows
            .map(|window| Window {
                start_ns: self.since_start_ns(window.start_ns),
                end_ns: self.since_start_ns(window.end_ns),
            })
            .filter(|window| window.end_ns > 0)
            .collect()
    }

    fn take_samples(&self) -> Vec<Sample> {
        std::mem::take(&mut self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The plan as an ingress.
struct Generator {
    pacer: Pacer,
    plan: Arc<Plan>,
    handler: Arc<Handler>,
    samples: Vec<Sample>,
    replay: Arc<Replay>,
}

impl Ingress for Generator {
    fn poll(&mut self, now_ns: u64, admission: &Admission) {
        let start_ns = self.replay.start_ns.load(Ordering::Acquire);
        if start_ns == 0 || now_ns < start_ns {
            return;
        }
        while let Some(request) = self.pacer.due(now_ns - start_ns) {
            let sample = &mut self.samples[request as usize];
            sample.sent_ns = now_ns - start_ns;
            let offer = Offer {
                class: ClassId(sample.class),
                arrived_ns: start_ns + sample.intended_ns,
                work: Work::Shared(Arc::clone(&self.handler), u64::from(request)),
            };
            // Counted by the runtime; the sample stays unfinished.
            let _rejected_if_error = admission.admit(now_ns, offer);
        }
    }

    fn completed(&mut self, completion: &Completion) {
        let of_plan = self.samples.get_mut(completion.token as usize).filter(|sample| {
            sample.class == completion.hints.class.0 && sample.sent_ns != UNFINISHED_NS
        });
        let Some(sample) = of_plan else { return };
        if self.replay.is_over.load(Ordering::Relaxed) {
            return;
        }
        sample.started_ns = self.replay.since_start_ns(completion.started_ns);
        sample.done_ns = self.replay.since_start_ns(completion.done_ns);
        sample.preempted = completion.preemptions;
        self.replay.done.fetch_add(1, Ordering::Relaxed);
    }

    fn next_ns(&self, _now_ns: u64) -> Option<u64> {
        let is_over = self.pacer.finished() || self.plan.requests().is_empty();
        is_over.then_some(u64::MAX)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let mut samples = self.replay.samples.lock().unwrap_or_else(PoisonError::into_inner);
        *samples = std::mem::take(&mut self.samples);
    }
}

/// Returns when all requests are done, their time is up, or the user wants to stop.
fn wait_for_the_end(run: &Run<'_>, replay: &Replay) {
    let limit_ns =
        run.plan.spec().duration_ns + drain_ns(run.plan, run.site.workers.len()) + STRAGGLERS_NS;
    let all = run.plan.requests().len() as u64;
    while replay.done.load(Ordering::Relaxed) < all
        && replay.since_start_ns(monotonic_ns()) < limit_ns
        && !run.stop.load(Ordering::Relaxed)
    {
        let is_under_way = replay.since_start_ns(monotonic_ns()) < run.plan.spec().duration_ns;
        std::thread::sleep(if is_under_way { LOOK } else { LOOK_AT_THE_END });
    }
}

fn signals(stats: &Stats) -> Signals {
    Signals {
        sent: stats.threads.signals_sent,
        stale: stats.threads.signals_stale,
        resent: stats.threads.signals_resent,
    }
}

/// In the two-queue policy a request that was preempted was demoted.
fn preempted_by_class(run: &Run<'_>, samples: &[Sample]) -> Vec<u64> {
    let of_class = |class: usize| {
        let preempted = |s: &&Sample| usize::from(s.class) == class && s.preempted > 0;
        samples.iter().filter(preempted).count() as u64
    };
    (0..run.mix.classes().len()).map(of_class).collect()
}
