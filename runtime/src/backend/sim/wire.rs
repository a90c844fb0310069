//! The wire between machine and agent: a bounded channel in virtual time.

use std::collections::VecDeque;

use crate::message::Message;
use crate::task::Seq;

/// Messages under way. Full, it loses them and says so, as [`crate::channel`] does.
#[derive(Debug)]
pub(super) struct Wire {
    messages: VecDeque<Message>,
    capacity: usize,
    delay_ns: u64,
    agent_seq: Seq,
    has_lost: bool,
    lost: u64,
    /// Digest of all messages ever posted.
    digest: u64,
}

impl Wire {
    pub(super) fn new(capacity: usize, delay_ns: u64) -> Self {
        Self {
            messages: VecDeque::with_capacity(capacity),
            capacity,
            delay_ns,
            agent_seq: Seq(0),
            has_lost: false,
            lost: 0,
            digest: 0,
        }
    }

    pub(super) fn post(&mut self, message: Message) {
        self.agent_seq = self.agent_seq.next();
        self.digest(u64::from(message.seq.0) << 32 | (message.kind as u64) << 16);
        self.digest(message.task.to_bits() ^ u64::from(message.cpu.0) << 16);
        self.digest(message.time_ns);
        if self.messages.len() == self.capacity {
            return self.lose();
        }
        self.messages.push_back(message);
    }

    /// A message that could not be posted.
    pub(super) fn lose(&mut self) {
        self.has_lost = true;
        self.lost += 1;
    }

    /// One multiplication a word: determinism is to be compared, not defended.
    fn digest(&mut self, word: u64) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.digest = (self.digest.rotate_left(5) ^ word).wrapping_mul(ODD);
    }

    /// When the oldest message can be read.
    pub(super) fn readable_ns(&self) -> Option<u64> {
        self.messages.front().map(|message| message.time_ns + self.delay_ns)
    }

    pub(super) fn next(&mut self, now_ns: u64) -> Option<Message> {
        if self.readable_ns()? > now_ns {
            return None;
        }
        self.messages.pop_front()
    }

    pub(super) fn has_lost(&self) -> bool {
        self.has_lost
    }

    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.has_lost)
    }

    pub(super) fn agent_seq(&self) -> Seq {
        self.agent_seq
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn trace_digest(&self) -> u64 {
        self.digest
    }
}
