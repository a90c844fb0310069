//! The dispatcher of an embedded runtime on this backend: takes requests in, hands each to a worker
//! that waits, passes on what ended. Who runs when is the agent's business.

use std::sync::Arc;
use std::sync::atomic::Ordering as Plain;
use std::time::Duration;

use revenant_bpf::{Scheduler, abi};

use crate::agent::AgentCounters;
use crate::backend::kernel::now_ns;
use crate::backend::threads::Shared;
use crate::backend::threads::served::{self, Seat};
use crate::ingress::{Admission, Ingress};
use crate::stats::{StageRecorder, Stages};
use crate::transaction::Outcome;

/// The longest sleep: how late it is noticed that the agent is gone.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// Requests taken in before those that ended are passed on.
const REQUESTS_PER_TURN: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Dispatcher<I> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) seats: Arc<[Seat]>,
    pub(crate) enclave: (Arc<Scheduler>, u32),
    pub(crate) ingress: I,
    pub(crate) admission: Arc<Admission>,
    pub(crate) recorder: StageRecorder,
    /// Workers that wait, the last to come first: its caches are warm. Room for all.
    pub(crate) idle: Vec<u16>,
    /// Who runs each request, by its place in the table.
    pub(crate) workers: Vec<u16>,
}

impl<I: Ingress> Dispatcher<I> {
    /// The body of its thread.
    pub(crate) fn main(mut self) {
        loop {
            // Read first: what ended before the stop is then passed on below.
            let is_stopping = served::is_stopping(&self.shared);
            let now_ns = now_ns();
            self.note_agent();
            self.ingress.poll(now_ns, &self.admission);
            let completed = self.complete();
            let handed = self.hand_out();
            self.publish();
            if is_stopping {
                return;
            }
            if completed + handed == 0 {
                self.sleep(now_ns);
            }
        }
    }

    fn complete(&mut self) -> usize {
        let mut count = 0;
        while let Some(completion) = served::next_completion(&self.shared) {
            count += 1;
            self.idle.push(self.workers[completion.task.index as usize]);
            self.recorder.record(&completion);
            self.ingress.completed(&completion);
        }
        count
    }

    fn hand_out(&mut self) -> usize {
        for count in 0..REQUESTS_PER_TURN {
            // Beyond the workers there are, requests wait in their queue, in order.
            if self.idle.is_empty() {
                return count;
            }
            let Some(task) = served::next_submitted(&self.shared) else { return count };
            let worker = self.idle.pop().expect("looked at above");
            self.workers[task.index as usize] = worker;
            self.seats[usize::from(worker)].give(task);
        }
        REQUESTS_PER_TURN
    }

    fn record(&self) -> &abi::Enclave {
        &self.enclave.0.enclaves()[self.enclave.1 as usize]
    }

    fn note_agent(&self) {
        let is_attached = self.record().state.load(Plain::Relaxed) == abi::ENCLAVE_ATTACHED;
        served::note_agent(&self.shared, is_attached);
    }

    fn publish(&mut self) {
        let record = &self.enclave.0.enclaves()[self.enclave.1 as usize];
        self.recorder.exchange(|stages: &mut Stages| {
            let mut outcomes = [0; Outcome::ALL.len()];
            for (own, theirs) in outcomes.iter_mut().zip(&record.outcomes) {
                *own = theirs.load(Plain::Relaxed);
            }
            stages.agent = AgentCounters {
                turns: record.turns.load(Plain::Relaxed),
                messages: record.messages.load(Plain::Relaxed),
                outcomes,
                ..AgentCounters::default()
            };
        });
    }

    fn sleep(&mut self, now_ns: u64) {
        let Some(next_ns) = self.ingress.next_ns(now_ns) else { return std::hint::spin_loop() };
        let time = Duration::from_nanos(next_ns.saturating_sub(now_ns)).min(SLEEP_MAX);
        let recorder = &self.recorder;
        served::sleep(&self.shared, time, &mut self.ingress, || recorder.is_wanted());
    }
}
