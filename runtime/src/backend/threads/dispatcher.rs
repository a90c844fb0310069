//! The dispatcher: the thread that spins for the whole enclave. ghOSt's global agent, with the
//! requests' way in on the same thread.
//!
//! One turn: take requests in, look at the CPUs, let the agent drain, decide and commit, pass on
//! what ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::clock::now_ns;
use super::shared::{Mode, count};
use super::{Threads, watchdog};
use crate::agent::{Agent, Turn};
use crate::ingress::{Admission, Ingress};
use crate::policy::Policy;
use crate::stats::{StageRecorder, Stages};

/// The longest sleep: also how often a dispatcher that sleeps shows that it lives, ten times within
/// the watchdog's patience.
const SLEEP_MAX_NS: u64 = 10_000_000;

/// A dispatcher that shares its CPU looks at least this often while somebody was asked to make way.
const CRAMPED_LOOK_NS: u64 = 50_000;

/// Runs an agent over this backend.
#[derive(Debug)]
pub(crate) struct Dispatcher<P, I> {
    pub(crate) agent: Agent<P>,
    pub(crate) threads: Threads,
    pub(crate) ingress: I,
    pub(crate) admission: Arc<Admission>,
    pub(crate) recorder: StageRecorder,
    /// Workers share this CPU: spinning while there are tasks would take it from them.
    pub(crate) is_cramped: bool,
    /// So do others, who always want it.
    pub(crate) must_sleep: bool,
    pub(crate) spin_ns: u64,
}

impl<P: Policy, I: Ingress> Dispatcher<P, I> {
    /// The body of the dispatcher's thread: turns until the runtime stops. A policy or ingress that
    /// panics ends it early; the kernel then schedules what was accepted.
    pub(crate) fn main(mut self) {
        let shared = Arc::clone(self.threads.shared());
        let ended = catch_unwind(AssertUnwindSafe(|| self.turns()));
        if ended.is_err() {
            count(&shared.counters.agent_panics);
            watchdog::orphan(&shared);
            watchdog::relieve(&shared);
        }
    }

    fn turns(&mut self) {
        let mut idle_since_ns = None;
        let shared = Arc::clone(self.threads.shared());
        loop {
            let now_ns = now_ns();
            shared.stalls.dispatcher.beat(now_ns);
            if shared.is_stopping() {
                self.threads.stop();
                if self.threads.is_stopped() || shared.mode() == Mode::Orphaned {
                    return;
                }
            } else if shared.mode() == Mode::Orphaned {
                self.recover(now_ns);
            }
            let turn = self.turn(now_ns);
            let is_idle = self.is_idle(turn);
            idle_since_ns = idle_since_ns.filter(|_| is_idle).or(is_idle.then_some(now_ns));
            if let Some(since_ns) = idle_since_ns {
                self.maybe_sleep(now_ns, since_ns, turn);
            }
        }
    }

    fn turn(&mut self, now_ns: u64) -> Turn {
        self.ingress.poll(now_ns, &self.admission);
        self.threads.poll(now_ns);
        let turn = self.agent.turn(now_ns, &mut self.threads);
        while let Some(completion) = self.threads.next_completion() {
            self.recorder.record(&completion);
            self.ingress.completed(&completion);
        }
        let (agent, threads) = (&self.agent, &mut self.threads);
        self.recorder.exchange(|stages: &mut Stages| {
            stages.agent = *agent.counters();
            stages.policy = agent.policy().counters();
            stages.ring_overflows = threads.overflows();
            for times in threads.switch_times() {
                stages.switch_times.add(times);
                times.clear();
            }
        });
        turn
    }

    /// The watchdog took this thread for stuck. Takes the enclave back: what runs goes on, what
    /// waits is scheduled again, what was freed meanwhile is called back as it shows up.
    fn recover(&mut self, now_ns: u64) {
        let shared = Arc::clone(self.threads.shared());
        shared.set_mode(Mode::Attached);
        count(&shared.counters.recoveries);
        self.agent.rescan(now_ns, &mut self.threads);
    }

    fn is_idle(&self, turn: Turn) -> bool {
        let did_nothing = turn.messages == 0 && turn.committed == 0 && self.threads.is_quiet();
        let may_sleep_beside_tasks = self.must_sleep || self.is_cramped;
        did_nothing && (may_sleep_beside_tasks || !self.has_tasks())
    }

    fn has_tasks(&self) -> bool {
        self.agent.enclave().tasks_live() > 0
    }

    /// Sleeps if there has been nothing to do for a while.
    fn maybe_sleep(&mut self, now_ns: u64, idle_since_ns: u64, turn: Turn) {
        let may_spin = !self.must_sleep && !self.has_tasks();
        if may_spin && now_ns - idle_since_ns < self.spin_ns {
            return;
        }
        let Some(wake_ns) = self.ingress.next_ns(now_ns) else { return };
        let shared = Arc::clone(self.threads.shared());
        let look_ns = if self.threads.is_waiting() { CRAMPED_LOOK_NS } else { SLEEP_MAX_NS };
        let until_ns =
            wake_ns.min(turn.wake_at_ns.unwrap_or(u64::MAX)).min(now_ns.saturating_add(look_ns));
        let time = Duration::from_nanos(until_ns.saturating_sub(now_ns));
        let (threads, recorder) = (&self.threads, &self.recorder);
        shared.dispatcher_bell.sleep(time, &mut self.ingress, || {
            threads.is_quiet() && !shared.is_stopping() && !recorder.is_wanted()
        });
        shared.stalls.dispatcher.restart(self::now_ns());
    }
}
