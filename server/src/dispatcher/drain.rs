//! Going down: no new clients, no new requests, an answer for every request that is under way, and
//! then the end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Dispatcher;
use super::desk::Desk;
use crate::connection::Connection;
use crate::connection::Ending;
use crate::counters::Refusal;
use crate::failure::Failure;
use crate::frame;
use crate::job::Origin;
use crate::transport::{Key, Transport};
use revenant_wire::Protocol;

/// What the dispatcher tells the main thread, or a signal does.
#[derive(Debug)]
pub enum Notice {
    /// Somebody wants the server to end.
    Asked(&'static str),
    /// All is answered, or the time is over.
    Drained {
        /// Requests that were under way when the time was over, and told so.
        unfinished: usize,
    },
    /// The network as a whole does not work any more.
    NetworkFailed(io::Error),
    /// The dispatcher is gone without having drained: a fault of ours.
    Died,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Requests under way have until then.
    Draining(u64),
    /// What is written is sent, until then.
    Flushing(u64),
    Done,
}

/// How long clients have to take their last replies, once there is nothing more to do.
const FLUSH_NS: u64 = 200_000_000;

/// Time between two looks at the clock while nothing happens.
const STEP_NS: u64 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct Drain {
    wanted: Arc<AtomicBool>,
    phase: Phase,
    unfinished: usize,
}

impl Drain {
    /// Begins as soon as `wanted` is set and the bell has rung.
    pub fn new(wanted: Arc<AtomicBool>) -> Self {
        Self { wanted, phase: Phase::Serving, unfinished: 0 }
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether new requests are turned away.
    pub(super) fn has_begun(&self) -> bool {
        self.phase != Phase::Serving
    }
}

impl<T: Transport> Dispatcher<T> {
    /// A step towards the end, if that is wanted.
    pub(super) fn drain(&mut self) {
        let now_ns = self.desk.now_ns;
        match self.desk.drain.phase {
            Phase::Serving if self.desk.drain.wanted.load(Ordering::Relaxed) => {
                self.transport.stop_accepting();
                let until_ns = now_ns.saturating_add(self.desk.settings.drain_ns);
                self.desk.drain.phase = Phase::Draining(until_ns);
            }
            Phase::Draining(until_ns) => {
                let is_over = now_ns >= until_ns;
                if is_over {
                    self.give_up();
                }
                if is_over || self.desk.jobs.is_empty() {
                    self.desk.end_all(|connection| connection.finish(Ending::Shutdown));
                    self.desk.drain.phase = Phase::Flushing(now_ns.saturating_add(FLUSH_NS));
                }
            }
            Phase::Flushing(until_ns) => {
                let is_over = now_ns >= until_ns;
                if is_over {
                    self.desk.end_all(|connection| connection.cut(Ending::Shutdown));
                }
                if is_over || self.desk.counters.clients.get() == 0 {
                    self.desk.drain.phase = Phase::Done;
                    let unfinished = self.desk.drain.unfinished;
                    self.desk.notify(Notice::Drained { unfinished });
                }
            }
            Phase::Serving | Phase::Done => {}
        }
    }

    /// Tells whoever still waits that it is in vain.
    fn give_up(&mut self) {
        let places: Vec<u32> = self.desk.jobs.under_way().collect();
        for place in places {
            let Some(errand) = self.desk.jobs.errand_mut(place) else { continue };
            let origin = std::mem::replace(&mut errand.origin, Origin::Nobody);
            let (class, id) = (errand.class, errand.id);
            self.desk.drain.unfinished += 1;
            self.desk.counters.refuse(class, Refusal::ShuttingDown);
            if let Origin::Connection(key, _) = origin {
                self.desk.excuse(key, (place, id));
            }
        }
    }
}

impl Desk {
    /// Does the same to every connection.
    fn end_all(&mut self, end: impl Fn(&mut Connection)) {
        for index in 0..self.connections.len() {
            let key = Key(index as u32);
            if let Some(connection) = self.connection(key) {
                end(connection);
                self.mark(key);
            }
        }
    }

    /// Replies to a request that is in a worker's hands that it will not be waited for.
    fn excuse(&mut self, key: Key, (place, id): (u32, Option<u64>)) {
        let protocol = if id.is_some() { Protocol::Native } else { Protocol::Resp };
        frame::pretend((protocol, id.unwrap_or(0)), &mut self.request);
        self.reply(key, |_, reply| reply.failure(&Failure::ShuttingDown));
        if let Some(connection) = self.connection(key) {
            connection.jobs.retain(|job| *job != place);
        }
    }

    /// When the next step towards the end is due, if it has begun.
    pub(super) fn next_drain_ns(&self, now_ns: u64) -> Option<u64> {
        matches!(self.drain.phase, Phase::Draining(_) | Phase::Flushing(_))
            .then(|| now_ns.saturating_add(STEP_NS))
    }
}
