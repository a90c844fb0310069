//! The agent: one turn of drain, decide, commit, take outcomes.

use crate::backend::Backend;
use crate::enclave::{Applied, Enclave};
use crate::message::MessageKind;
use crate::offer::Offers;
use crate::policy::{Policy, deliver};
use crate::task::TaskState;
use crate::transaction::{Batch, Outcome};

/// Messages read in one turn at most, so that a storm of them cannot keep the agent from deciding.
/// Halving it would split the bursts of 64-message channels; doubling it delays the first decision
/// of a busy turn by about 10 us.
const MESSAGES_PER_TURN: usize = 256;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Messages read.
    pub messages: usize,
    /// Transactions committed.
    pub committed: usize,
    /// Transactions that failed.
    pub failed: usize,
    /// When the policy wants a turn even if no message arrives.
    pub wake_at_ns: Option<u64>,
}

/// Counters of an agent's life, named after reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentCounters {
    /// Turns taken.
    pub turns: u64,
    /// Messages that moved the image.
    pub messages: u64,
    /// Messages older than the image, as after a rescan.
    pub messages_old: u64,
    /// Messages about tasks the image did not know.
    pub messages_unknown: u64,
    /// Messages that showed that earlier ones were lost.
    pub messages_gap: u64,
    /// Times the image was rebuilt from status words.
    pub rescans: u64,
    /// Transactions by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
}

/// Runs a policy over a backend.
#[derive(Debug)]
pub struct Agent<P> {
    policy: P,
    enclave: Enclave,
    batch: Batch,
    offers: Offers,
    counters: AgentCounters,
}

impl<P: Policy> Agent<P> {
    /// An agent for `enclave`. The policy hears of its CPUs now, of its tasks by messages.
    pub fn new(mut policy: P, enclave: Enclave) -> Self {
        policy.attach(&enclave);
        // One transaction a CPU and turn is all a policy can mean.
        let batch = Batch::with_capacity(enclave.cpus().len().max(1));
        let offers = Offers::with_capacity(enclave.cpus().len());
        Self { policy, enclave, batch, offers, counters: AgentCounters::default() }
    }

    /// The image of the enclave.
    pub fn enclave(&self) -> &Enclave {
        &self.enclave
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// What happened so far.
    pub fn counters(&self) -> &AgentCounters {
        &self.counters
    }

    /// One turn at `now_ns`.
    pub fn turn<B: Backend>(&mut self, now_ns: u64, backend: &mut B) -> Turn {
        self.counters.turns += 1;
        let seq_read = backend.agent_seq();
        let gaps_before = self.counters.messages_gap;
        let messages = self.drain(now_ns, backend);
        // A gap is a loss the backend did not own up to; the image is as wrong either way.
        if backend.take_overflow() || self.counters.messages_gap > gaps_before {
            self.rescan(now_ns, backend);
        }
        self.batch.clear();
        let wake_at_ns = self.policy.schedule(now_ns, &self.enclave, &mut self.batch);
        let (mut committed, mut failed) = (0, 0);
        if !self.batch.is_empty() {
            backend.commit(now_ns, seq_read, &mut self.batch);
            (committed, failed) = self.take_outcomes(now_ns);
        }
        if backend.wants_offers() {
            self.offers.clear();
            self.policy.offer(&self.enclave, &mut self.offers);
            backend.offer(self.offers.as_slice());
        }
        Turn { messages, committed, failed, wake_at_ns }
    }

    fn drain<B: Backend>(&mut self, now_ns: u64, backend: &mut B) -> usize {
        for count in 0..MESSAGES_PER_TURN {
            let Some(message) = backend.next_message() else {
                return count;
            };
            // A dead task's record is gone once the message is taken in; its policy still wants it.
            let before = self.enclave.task(message.task).copied();
            let hints = match message.kind {
                // A woken thread may have another request, of another class.
                MessageKind::TaskNew
                | MessageKind::TaskWakeup
                | MessageKind::TaskPriorityChanged => backend.hints(message.task),
                _ => Default::default(),
            };
            match self.enclave.apply(&message, hints) {
                Applied::Fresh => self.counters.messages += 1,
                Applied::Gap => self.counters.messages_gap += 1,
                Applied::Old => {
                    self.counters.messages_old += 1;
                    continue;
                }
                Applied::Unknown => {
                    self.counters.messages_unknown += 1;
                    continue;
                }
            }
            let is_end = matches!(message.kind, MessageKind::TaskDead | MessageKind::TaskDeparted);
            let mut task = if is_end { before } else { self.enclave.task(message.task).copied() };
            if let (true, Some(task)) = (is_end, &mut task) {
                task.runtime_ns = message.runtime_ns;
            }
            let task = task.filter(|_| message.kind.is_about_task());
            deliver(&mut self.policy, now_ns, &message, task.as_ref(), &self.enclave);
        }
        MESSAGES_PER_TURN
    }

    /// Rebuilds the image from status words: after lost messages, or when taking over an enclave.
    pub fn rescan<B: Backend>(&mut self, now_ns: u64, backend: &mut B) {
        self.counters.rescans += 1;
        self.enclave.forget();
        let enclave = &mut self.enclave;
        backend.rescan(&mut |id, status, hints| enclave.discover(id, &status, hints, now_ns));
        self.policy.attach(&self.enclave);
        for task in self.enclave.tasks().filter(|task| task.state == TaskState::Queued) {
            self.policy.task_new(now_ns, task);
        }
    }

    fn take_outcomes(&mut self, now_ns: u64) -> (usize, usize) {
        let (mut committed, mut failed) = (0, 0);
        for transaction in self.batch.transactions() {
            let outcome = transaction.outcome.expect("a backend fills in every outcome");
            self.counters.outcomes[outcome as usize] += 1;
            if outcome == Outcome::Committed {
                committed += 1;
                self.enclave.latch(transaction);
                continue;
            }
            failed += 1;
            if let Some(task) = self.enclave.queued(transaction.task) {
                self.policy.commit_failed(now_ns, task, transaction);
            }
        }
        (committed, failed)
    }
}

#[cfg(test)]
mod tests;
