//! Statistics: counters named after reasons, and a histogram for each stage of a request's life.
//!
//! The dispatcher records into a set of histograms of its own. A reader asks for them, gets the
//! whole set in exchange for an empty one, and adds it to its sum: the dispatcher neither locks nor
//! allocates.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use hdrhistogram::Histogram;

use crate::agent::AgentCounters;
use crate::backend::threads::{ClassCounts, Completion, SwitchTimes};
use crate::policy::PolicyCounters;
use crate::sync::{AtomicBool, Ordering};

/// Longest time told apart, 100 s; longer ones count as that.
const TIME_MAX_NS: u64 = 100_000_000_000;

/// The stages of a class's requests, in nanoseconds unless said otherwise.
#[derive(Clone, Debug)]
pub struct ClassStages {
    /// From arrival to the first instruction.
    pub queued: Histogram<u64>,
    /// On a CPU, all stints together.
    pub on_cpu: Histogram<u64>,
    /// From arrival to the end.
    pub total: Histogram<u64>,
    /// Preemptions a request (a count).
    pub preemptions: Histogram<u64>,
}

impl Default for ClassStages {
    fn default() -> Self {
        let times = || Histogram::new_with_bounds(1, TIME_MAX_NS, 2).expect("accepted bounds");
        Self {
            queued: times(),
            on_cpu: times(),
            total: times(),
            preemptions: Histogram::new_with_bounds(1, 1 << 20, 2).expect("accepted bounds"),
        }
    }
}

impl ClassStages {
    fn record(&mut self, completion: &Completion) {
        let since_arrival = |ns: u64| ns.saturating_sub(completion.arrived_ns);
        self.queued.saturating_record(since_arrival(completion.started_ns));
        self.on_cpu.saturating_record(completion.runtime_ns);
        self.total.saturating_record(since_arrival(completion.done_ns));
        self.preemptions.saturating_record(u64::from(completion.preemptions));
    }

    fn add(&mut self, other: &Self) {
        self.queued += &other.queued;
        self.on_cpu += &other.on_cpu;
        self.total += &other.total;
        self.preemptions += &other.preemptions;
    }

    fn clear(&mut self) {
        self.queued.reset();
        self.on_cpu.reset();
        self.total.reset();
        self.preemptions.reset();
    }
}

/// What the dispatcher knows.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    /// By class number.
    pub classes: Vec<ClassStages>,
    /// Times from a preempting decision to the next task's first instruction.
    pub switch_times: SwitchTimes,
    /// The agent's counters.
    pub agent: AgentCounters,
    /// The policy's counters.
    pub policy: PolicyCounters,
    /// Message rings that overflowed and were recovered by a rescan.
    pub ring_overflows: u64,
}

impl Stages {
    fn new(classes: usize) -> Self {
        Self { classes: vec![ClassStages::default(); classes], ..Self::default() }
    }

    /// Adds what happened since: histograms add up, counters are totals already.
    fn advance(&mut self, since: &Self) {
        for (class, since) in self.classes.iter_mut().zip(&since.classes) {
            class.add(since);
        }
        self.switch_times.add(&since.switch_times);
        self.agent = since.agent;
        self.policy = since.policy;
        self.ring_overflows = since.ring_overflows;
    }

    fn clear(&mut self) {
        self.classes.iter_mut().for_each(ClassStages::clear);
        self.switch_times.clear();
    }
}

#[derive(Debug)]
struct Exchange {
    is_wanted: AtomicBool,
    full: ArrayQueue<Box<Stages>>,
    empty: ArrayQueue<Box<Stages>>,
}

/// The dispatcher's end.
#[derive(Debug)]
pub(crate) struct StageRecorder {
    stages: Box<Stages>,
    exchange: Arc<Exchange>,
}

/// The readers' end. One reader at a time.
#[derive(Debug)]
pub(crate) struct StageReader {
    sum: Stages,
    exchange: Arc<Exchange>,
}

/// Both ends for `classes` classes.
pub(crate) fn stages(classes: usize) -> (StageRecorder, StageReader) {
    let exchange = Arc::new(Exchange {
        is_wanted: AtomicBool::new(false),
        full: ArrayQueue::new(1),
        empty: ArrayQueue::new(1),
    });
    exchange.empty.push(Box::new(Stages::new(classes))).expect("there is room for one");
    let recorder =
        StageRecorder { stages: Box::new(Stages::new(classes)), exchange: Arc::clone(&exchange) };
    (recorder, StageReader { sum: Stages::new(classes), exchange })
}

impl StageRecorder {
    pub(crate) fn record(&mut self, completion: &Completion) {
        if let Some(class) = self.stages.classes.get_mut(completion.hints.class.index()) {
            class.record(completion);
        }
    }

    /// Whether a reader waits.
    pub(crate) fn is_wanted(&self) -> bool {
        self.exchange.is_wanted.load(Ordering::Relaxed)
    }

    /// Hands the set over if a reader waits, after `complete` has put in what is kept elsewhere.
    pub(crate) fn exchange(&mut self, complete: impl FnOnce(&mut Stages)) {
        if !self.is_wanted() {
            return;
        }
        let Some(empty) = self.exchange.empty.pop() else { return };
        complete(&mut self.stages);
        let full = std::mem::replace(&mut self.stages, empty);
        self.exchange.is_wanted.store(false, Ordering::Relaxed);
        self.exchange.full.push(full).expect("one set is under way at a time");
    }
}

impl StageReader {
    /// Asks the dispatcher for news. Returns whether it must be told to look.
    pub(crate) fn ask(&self) {
        self.exchange.is_wanted.store(true, Ordering::Relaxed);
    }

    /// Adds the news to the sum; `false`: none yet.
    pub(crate) fn take(&mut self) -> bool {
        let Some(mut full) = self.exchange.full.pop() else { return false };
        self.sum.advance(&full);
        full.clear();
        self.exchange.empty.push(full).expect("one set is under way at a time");
        true
    }

    pub(crate) fn sum(&self) -> &Stages {
        &self.sum
    }
}

/// Counters of the threads backend, named after reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadCounters {
    /// Preemptions at a safepoint.
    pub preempted_by_safepoint: u64,
    /// Preemptions in a signal handler.
    pub preempted_by_signal: u64,
    /// CPUs taken from a task that was blocked in the kernel.
    pub usurped_while_blocked: u64,
    /// Signals sent because no safepoint came in time.
    pub signals_sent: u64,
    /// Signals sent again because the first went unanswered.
    pub signals_resent: u64,
    /// Signals that found nothing to do.
    pub signals_stale: u64,
    /// Preemptions put off by a `no_preempt` section.
    pub preemptions_deferred: u64,
    /// Latched tasks that could not run and were queued again.
    pub latches_failed: u64,
    /// Workers moved to another CPU.
    pub migrations: u64,
    /// Times the kernel took over because the dispatcher was stuck or dead.
    pub fallbacks: u64,
    /// Times the dispatcher took the enclave back.
    pub recoveries: u64,
    /// Panics of the policy or the ingress.
    pub agent_panics: u64,
    /// Requests that went on under the kernel's scheduler.
    pub released_to_kernel: u64,
}

/// Everything a runtime tells about itself.
#[derive(Clone, Debug)]
pub struct Stats {
    /// By class: name, counts, stages.
    pub classes: Vec<ClassStats>,
    /// The agent's turns, messages and transaction outcomes.
    pub agent: AgentCounters,
    /// The policy's decisions.
    pub policy: PolicyCounters,
    /// Preemptions, signals, fallbacks.
    pub threads: ThreadCounters,
    /// Times from a preempting decision to the next task's first instruction.
    pub switch_times: SwitchTimes,
    /// Message rings that overflowed and were recovered.
    pub ring_overflows: u64,
    /// No agent schedules at the moment: the kernel does.
    pub is_orphaned: bool,
    /// Dispatcher and workers share one CPU.
    pub is_degraded: bool,
}

/// One class's statistics.
#[derive(Clone, Debug)]
pub struct ClassStats {
    /// Its name.
    pub name: String,
    /// Requests by fate.
    pub counts: ClassCounts,
    /// Their stages. Requests that ran while no agent scheduled are in the counts only.
    pub stages: ClassStages,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_arrives_once() {
        let (mut recorder, mut reader) = stages(1);
        let completion = Completion { done_ns: 500, started_ns: 100, ..Completion::default() };
        for round in 1..=3 {
            recorder.record(&completion);
            recorder.exchange(|_| unreachable!("nobody asked"));
            reader.ask();
            recorder.exchange(|stages| stages.ring_overflows = round);
            assert!(reader.take());
            assert!(!reader.take());
            assert_eq!(reader.sum().classes[0].total.len(), round);
            assert_eq!(reader.sum().ring_overflows, round);
        }
    }
}
