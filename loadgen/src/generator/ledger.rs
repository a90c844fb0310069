//! What a run leaves: requests as they end, sends as they happen, and the generator's own stalls.

use super::waiting::Pending;
use crate::job::Job;
use crate::tally::{ClassTally, Outcome, Span, Stamps, all_of};
use crate::validity::{self, Check, Thinning};

/// A turn of the loop that takes longer is a stall: the bound of all stall meters here.
const STALL_NS: u64 = 200_000;

/// What one generator measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Requests by class.
    pub classes: Vec<ClassTally>,
    /// Checks of the times of sending.
    pub arrival_checks: Vec<Check>,
    /// What else happened.
    pub incidents: Incidents,
}

/// What else happened in a run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Incidents {
    /// Requests that were sent on a connection on which another waited: in protocols that answer
    /// in order, they waited for it.
    pub queued: u64,
    /// Turns of the generator above 200 us.
    pub stalls: u64,
    /// The longest of them.
    pub stall_max_ns: u64,
    /// Connections that the server ended.
    pub connections_lost: u32,
    /// Datagrams that answered no request under way: replies that came late or twice, or none.
    pub stray_replies: u64,
    /// Words of the first error.
    pub first_error: Option<String>,
    /// Whether the run was ended before its time.
    pub interrupted: bool,
}

impl Incidents {
    /// Takes in those of another generator of the same run.
    pub fn merge(&mut self, other: Self) {
        self.queued += other.queued;
        self.stalls += other.stalls;
        self.stall_max_ns = self.stall_max_ns.max(other.stall_max_ns);
        self.connections_lost += other.connections_lost;
        self.stray_replies += other.stray_replies;
        self.first_error = self.first_error.take().or(other.first_error);
        self.interrupted |= other.interrupted;
    }
}

impl Measured {
    /// All classes together.
    ///
    /// # Panics
    /// Without classes, which no traffic is.
    #[must_use]
    pub fn all(&self) -> ClassTally {
        all_of(&self.classes, self.classes[0].span)
    }
}

/// Books of a run under way.
#[derive(Debug)]
pub(super) struct Ledger {
    span: Span,
    classes: Vec<ClassTally>,
    thinning: Thinning,
    pub(super) incidents: Incidents,
    last_turn_ns: Option<u64>,
}

impl Ledger {
    pub(super) fn new(job: &Job, expected: usize) -> Self {
        let span = job.span();
        let classes = job.traffic.mix().classes().len();
        Self {
            span,
            classes: vec![ClassTally::new(span); classes],
            thinning: Thinning::new(expected, job.seed),
            incidents: Incidents::default(),
            last_turn_ns: None,
        }
    }

    /// The loop came round.
    pub(super) fn turn(&mut self, now_ns: u64) {
        let last_ns = self.last_turn_ns.replace(now_ns).unwrap_or(now_ns);
        let gap_ns = now_ns - last_ns;
        if gap_ns > STALL_NS && self.span.contains(now_ns) {
            self.incidents.stalls += 1;
            self.incidents.stall_max_ns = self.incidents.stall_max_ns.max(gap_ns);
        }
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, pending: &Pending) {
        if self.span.contains(pending.intended_ns) {
            self.thinning.sent(pending.sent_ns);
        }
    }

    /// A request is sent behind others.
    pub(super) fn queued(&mut self, pending: &Pending) {
        self.incidents.queued += u64::from(self.span.contains(pending.intended_ns));
    }

    /// A request ended.
    pub(super) fn ended(&mut self, pending: &Pending, outcome: Outcome, now_ns: u64) {
        let stamps =
            Stamps { intended_ns: pending.intended_ns, sent_ns: pending.sent_ns, done_ns: now_ns };
        self.classes[usize::from(pending.class)].add(stamps, outcome);
    }

    /// The first error that the server names is kept.
    pub(super) fn error(&mut self, words: &[u8]) {
        const WORDS_MAX: usize = 200;
        if self.incidents.first_error.is_none() {
            let words = &words[..words.len().min(WORDS_MAX)];
            self.incidents.first_error = Some(String::from_utf8_lossy(words).into_owned());
        }
    }

    /// Closes the books. A run that was interrupted at `interrupted_ns` is what came before.
    pub(super) fn close(mut self, job: &Job, interrupted_ns: Option<u64>) -> Measured {
        if let Some(end_ns) = interrupted_ns.filter(|now_ns| *now_ns < self.span.end_ns) {
            self.incidents.interrupted = true;
            let end_ns = end_ns.max(self.span.start_ns);
            for class in &mut self.classes {
                class.span.end_ns = end_ns;
            }
        }
        let arrival_checks = validity::arrival_checks(job.pace, &self.thinning);
        Measured { classes: self.classes, arrival_checks, incidents: self.incidents }
    }
}
