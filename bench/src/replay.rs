//! One replay of a plan: what all systems on real threads share while they run it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use revenant::stall::StallMeter;
use revenant_loadgen::{Planned, Window};

use crate::affinity::Visit;
use crate::clock::{Clock, monotonic_ns};
use crate::heartbeat::Heartbeats;
use crate::pacer::{Pacer, drain_ns};
use crate::stamps::Stamps;
use crate::switches::InvoluntarySwitches;
use crate::system::{Run, RunError, RunOutcome};

/// Checkpoints, each about a microsecond, between two heartbeats of a request: reading the clock
/// costs 25 ns, at each checkpoint that would be 2.5 % of the work. A gap is seen 16 us late at most,
/// which is little of the 200 us that make a stall.
const CHECKPOINTS_PER_BEAT: u32 = 16;

/// What stragglers get beyond the time that the work left at the end of the plan takes at best.
/// Long against any latency worth reading, short against a person's patience.
const STRAGGLERS_NS: u64 = 1_000_000_000;

/// Clock, stamps and heartbeats of a run, and how far it is.
#[derive(Debug)]
pub struct Replay<'a> {
    /// What is replayed.
    pub run: &'a Run<'a>,
    /// Time since the start of the plan.
    pub clock: Clock,
    /// The stamps of its requests.
    pub stamps: Stamps,
    /// The heartbeats of its CPUs.
    pub heartbeats: Heartbeats,
    done: CachePadded<AtomicU64>,
    abandoned: AtomicBool,
    switches: InvoluntarySwitches,
}

/// What the CPU that takes up a request did until it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it was, or may have been, asleep.
    Idle,
    /// Other requests, or it was looking for this one.
    Busy,
}

/// Thrown through a request that is given up.
struct Abandoned;

/// Whoever the generator sends to.
pub trait Recipient {
    /// Takes a request that was just sent. Must not wait for it.
    fn take(&mut self, request: u32);

    /// Called whenever nothing is due.
    fn turn(&mut self) {}
}

impl<'a> Replay<'a> {
    /// Prepares a replay: takes and touches all memory it will need.
    #[must_use]
    pub fn new(run: &'a Run<'a>) -> Self {
        Self {
            run,
            clock: Clock::default(),
            stamps: Stamps::new(run.plan),
            heartbeats: Heartbeats::new(run.site),
            done: CachePadded::default(),
            abandoned: AtomicBool::new(false),
            switches: InvoluntarySwitches::begin(),
        }
    }

    /// Does one request on the calling thread, stamps and heartbeats included.
    pub fn serve(&self, request: u32, before: Before) {
        if self.abandoned() {
            return;
        }
        let planned = &self.run.plan.requests()[request as usize];
        let start_ns = monotonic_ns();
        self.stamps.started(request, self.clock.since_start_ns(start_ns));
        match before {
            Before::Busy => self.heartbeats.beat(start_ns),
            Before::Idle => {
                let waited_ns = self
                    .clock
                    .since_start_ns(start_ns)
                    .saturating_sub(self.stamps.sent_ns(request));
                self.heartbeats.wake(start_ns - waited_ns, start_ns);
            }
        }
        if self.perform(request, planned) {
            let done_ns = monotonic_ns();
            self.stamps.done(request, self.clock.since_start_ns(done_ns));
            self.heartbeats.beat(done_ns);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does the work; false when it was given up on the way.
    ///
    /// Hundreds of requests may be under way when the user stops a run. Their stacks are unwound at
    /// the next heartbeat, without the panic's message: the work itself has no way to be told.
    fn perform(&self, request: u32, planned: &Planned) -> bool {
        let mut checkpoints: u32 = 0;
        let work = || {
            self.run.work.perform(request, planned, || {
                checkpoints += 1;
                if checkpoints.is_multiple_of(CHECKPOINTS_PER_BEAT) {
                    if self.abandoned() {
                        resume_unwind(Box::new(Abandoned));
                    }
                    self.heartbeats.beat(monotonic_ns());
                    // An emulated machine runs one CPU at a time: the generator must get its turn.
                    std::hint::spin_loop();
                }
            });
        };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(()) => true,
            Err(thrown) if thrown.is::<Abandoned>() => false,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Requests done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether what is not done by now never will be.
    pub fn abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Starts the clock and sends the plan from the generator's CPU, each request at its intended
    /// time, then waits for the stragglers. When their time is up, or the user stops the run, what
    /// is not done by then never will be: those requests stay unfinished.
    ///
    /// # Errors
    /// When the calling thread may not move to the generator's CPU.
    pub fn generate(
        &self,
        system: &'static str,
        recipient: &mut impl Recipient,
    ) -> Result<(), RunError> {
        let cpu = self.run.site.generator;
        let _visit = Visit::to(cpu).map_err(|source| RunError::Kernel {
            system,
            action: format!("move the generator to CPU {cpu}"),
            source,
        })?;
        let plan = self.run.plan;
        let deadline_ns =
            plan.spec().duration_ns + drain_ns(plan, self.run.site.workers.len()) + STRAGGLERS_NS;
        let all = plan.requests().len() as u64;
        let mut pacer = Pacer::new(plan);
        self.clock.start();
        loop {
            let now_ns = monotonic_ns();
            self.heartbeats.beat_generator(now_ns);
            let now_ns = self.clock.since_start_ns(now_ns);
            if let Some(request) = pacer.due(now_ns) {
                self.stamps.sent(request, now_ns);
                recipient.take(request);
                continue;
            }
            if pacer.finished() && self.done() == all {
                return Ok(());
            }
            if now_ns > deadline_ns || self.run.stop.load(Ordering::Relaxed) {
                self.abandoned.store(true, Ordering::Relaxed);
                return Ok(());
            }
            recipient.turn();
            std::hint::spin_loop();
        }
    }

    /// What the run left. To be called when its threads are joined.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        RunOutcome {
            samples: self.stamps.samples(self.run.plan),
            span_ns: self.clock.now_ns(),
            dispatcher_stalls: self.windows([self.heartbeats.generator()]),
            worker_stalls: self.windows(self.heartbeats.workers()),
            involuntary_switches: self.switches.so_far(),
            ..RunOutcome::default()
        }
    }

    /// The stalls that reached into the run, by its clock.
    fn windows<'m>(&self, meters: impl IntoIterator<Item = &'m StallMeter>) -> Vec<Window> {
        let windows = meters.into_iter().flat_map(StallMeter::windows);
        windows
            .map(|window| Window {
                start_ns: self.clock.since_start_ns(window.start_ns),
                end_ns: self.clock.since_start_ns(window.end_ns),
            })
            .filter(|window| window.end_ns > 0)
            .collect()
    }
}
