//! All the dispatcher knows: connections, jobs, windows, counters.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use revenant::backend::threads::{Completion, Ending as TaskEnding, Handler};
use revenant::ingress::Admission;

use super::budget::Budget;
use super::drain::{Drain, Notice};
use super::patrol::Patrol;
use crate::command::CommandClass;
use crate::connection::{Allowance, Connection, Ending};
use crate::counters::Counters;
use crate::failure::Failure;
use crate::job::{Errand, Job, Jobs, Origin};
use crate::overload::{Over, Window};
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;
use crate::session::Session;
use crate::transport::{Event, Key};
use crate::worker;

/// Buffers kept for the next replies. More are under way only in a turn that served more clients.
const SPARES_MAX: usize = 128;

/// Memory that a buffer may keep while it waits.
const SPARE_BYTES: usize = 64 << 10;

/// What the dispatcher is told at start-up.
#[derive(Debug)]
pub struct Settings {
    /// Connections at a time.
    pub clients_max: usize,
    /// Requests on workers at a time.
    pub jobs_max: usize,
    /// What a connection may use.
    pub allowance: Allowance,
    /// Bytes in the buffers of all connections.
    pub buffers_max: usize,
    /// Commands on a point are executed here if the store is quick.
    pub is_inline: bool,
    /// How long the network is polled after the last event before it is slept on.
    pub spin_ns: u64,
    /// Whether it does so while workers have requests: not on their CPU.
    pub spins_beside_jobs: bool,
    /// How long a shutdown waits for requests under way.
    pub drain_ns: u64,
    /// By class: how long its requests may wait, and how many may be under way.
    pub windows: [(u64, usize); CommandClass::ALL.len()],
}

/// See the module.
pub struct Desk {
    pub(super) settings: Settings,
    pub(super) service: Arc<Service>,
    pub(super) counters: Arc<Counters>,
    pub(super) handler: Arc<Handler>,
    pub(super) jobs: Jobs,
    pub(super) windows: [Window; CommandClass::ALL.len()],
    /// By key.
    pub(super) connections: Vec<Option<Box<Connection>>>,
    /// Those that something happened to in this turn, each once.
    pub(super) dirty: Vec<Key>,
    /// Ports that may have datagrams.
    pub(super) ready_ports: Vec<usize>,
    pub(super) now_ns: u64,
    pub(super) active_ns: u64,
    pub(super) patrol: Patrol,
    pub(super) drain: Drain,
    budget: Budget,
    /// The request being read; exchanged with a job's when it goes to a worker.
    pub(super) request: Request,
    /// The decoder's memory for requests that come as a whole.
    pub(super) arguments: Vec<Range<usize>>,
    /// A reply that leaves as a datagram.
    pub(super) datagram: Vec<u8>,
    spares: Vec<Vec<u8>>,
    sessions: u64,
    notices: Sender<Notice>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Desk {
    /// An empty one.
    pub fn new(
        mut settings: Settings,
        service: Arc<Service>,
        counters: Arc<Counters>,
        (drain, notices): (Drain, Sender<Notice>),
    ) -> Self {
        settings.is_inline &= service.keyspace.store().is_quick();
        let jobs = Jobs::new(settings.jobs_max);
        let desk = Self {
            handler: worker::handler(jobs.places(), Arc::clone(&service)),
            windows: settings.windows.map(|(target_ns, max)| Window::new(target_ns, max)),
            jobs,
            service,
            counters,
            connections: Vec::new(),
            dirty: Vec::new(),
            ready_ports: Vec::new(),
            now_ns: 0,
            active_ns: 0,
            patrol: Patrol::default(),
            drain,
            budget: Budget::new(settings.buffers_max, settings.clients_max),
            request: Request::default(),
            arguments: Vec::new(),
            datagram: Vec::new(),
            spares: Vec::new(),
            sessions: 0,
            notices,
            settings,
        };
        desk.show_windows();
        desk
    }

    pub(super) fn connection(&mut self, key: Key) -> Option<&mut Connection> {
        self.connections.get_mut(key.index())?.as_deref_mut()
    }

    /// Puts a connection on this turn's list.
    pub(super) fn mark(&mut self, key: Key) {
        let Some(connection) = self.connection(key) else { return };
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(key);
        }
    }

    /// Tells the main thread.
    pub(super) fn notify(&self, notice: Notice) {
        // Nobody listens any more only when the process is about to end.
        let _ended = self.notices.send(notice);
    }

    /// Takes an event of the transport.
    pub(super) fn take(&mut self, event: Event<'_>, admission: &Admission) {
        self.active_ns = self.now_ns;
        match event {
            Event::Accepted { key, .. } => self.accepted(key),
            Event::AcceptFailed(error) => {
                // Tried again every millisecond: said once, counted each time.
                if self.counters.accept_failures.get() == 0 {
                    tracing::warn!(%error, "a client could not be accepted; it waits");
                }
                self.counters.accept_failures.add(1);
            }
            Event::Received { key, bytes } => self.received(key, bytes, admission),
            Event::Ended { key } => {
                self.with(key, Connection::end_input);
            }
            Event::Sent { key, buffer } => self.sent(key, buffer),
            Event::Unsendable { key } => {
                self.with(key, |connection, _| connection.cut(Ending::Broken));
            }
            Event::Readable { port } => self.ready_ports.push(port),
        }
    }

    /// Changes a connection, if it is still there, and puts it on the turn's list.
    fn with(&mut self, key: Key, change: impl FnOnce(&mut Connection, u64)) {
        let now_ns = self.now_ns;
        if let Some(connection) = self.connection(key) {
            change(connection, now_ns);
            self.mark(key);
        }
    }

    fn accepted(&mut self, key: Key) {
        self.sessions += 1;
        let session = Session::new(self.sessions, self.service.password.is_none());
        let mut connection = Box::new(Connection::new(session, self.now_ns));
        if self.counters.clients.get() >= self.settings.clients_max as u64 {
            connection.output.extend_from_slice(b"-ERR max number of clients reached\r\n");
            connection.finish(Ending::Refused);
        }
        if self.connections.len() <= key.index() {
            self.connections.resize_with(key.index() + 1, || None);
        }
        self.connections[key.index()] = Some(connection);
        self.counters.accepted.add(1);
        self.counters.clients.add(1);
        self.mark(key);
    }

    fn sent(&mut self, key: Key, mut buffer: Vec<u8>) {
        self.counters.bytes_out.add(buffer.len() as u64);
        buffer.clear();
        if self.spares.len() < SPARES_MAX && buffer.capacity() <= SPARE_BYTES {
            self.spares.push(buffer);
        }
        let now_ns = self.now_ns;
        let Some(connection) = self.connections.get_mut(key.index()).and_then(Option::as_deref_mut)
        else {
            return;
        };
        connection.sending_bytes = 0;
        connection.note_output(now_ns);
        let held_bytes = connection.held_bytes();
        self.budget.book(&mut connection.booked_bytes, held_bytes);
        // As most are: it spares every request a second look at its connection.
        if !connection.is_at_rest() {
            self.mark(key);
        }
    }

    /// Writes a reply to `request` behind a connection's output.
    pub(super) fn reply(&mut self, key: Key, write: impl FnOnce(&Self, &mut Reply<'_>)) {
        let Some(connection) = self.connection(key) else { return };
        let mut output = std::mem::take(&mut connection.output);
        if output.capacity() == 0 {
            output = self.spares.pop().unwrap_or_default();
        }
        write(self, &mut Reply::to(&self.request, &mut output));
        if let Some(connection) = self.connection(key) {
            connection.output = output;
        }
    }

    /// A job is over. Returns where to send its reply, left in `datagram`, if it came by one.
    pub(super) fn completed(&mut self, completion: &Completion) -> Option<(usize, SocketAddr)> {
        let place = completion.token as u32;
        let errand = *self.jobs.errand_mut(place)?;
        // What the server submits for itself has no place.
        if errand.task != Some(completion.task) {
            return None;
        }
        let since_ns = completion.done_ns.saturating_sub(completion.arrived_ns);
        let waited_ns = since_ns.saturating_sub(completion.runtime_ns);
        self.windows[errand.class.index()].leave(Over {
            now_ns: completion.done_ns,
            waited_ns,
            service_ns: completion.runtime_ns,
        });
        trace(&errand, completion);
        self.active_ns = self.active_ns.max(completion.done_ns);
        self.finish_reply(place, completion.ending);
        let by_datagram = match errand.origin {
            Origin::Connection(key, session) => {
                self.deliver(key, session, place);
                None
            }
            Origin::Datagram(port, address) => {
                self.answer_from(place);
                Some((port, address))
            }
            Origin::Nobody => None,
        };
        self.jobs.free(place);
        by_datagram
    }

    /// A job that was not done as asked has a reply that says so.
    fn finish_reply(&self, place: u32, ending: TaskEnding) {
        let failure = match ending {
            TaskEnding::Completed => return,
            TaskEnding::Panicked => Failure::Internal("the command panicked"),
            TaskEnding::Cancelled => Failure::ShuttingDown,
            TaskEnding::Expired => Failure::Expired,
        };
        let mut job = self.jobs.job(place);
        let Job { request, reply, .. } = &mut *job;
        reply.clear();
        Reply::to(request, reply).failure(&failure);
    }

    /// Hands a job's reply to its connection, unless that has gone.
    fn deliver(&mut self, key: Key, session: u64, place: u32) {
        let mut spare = None;
        let is_there = |c: &&mut Connection| c.session.id == session;
        let Some(connection) =
            self.connections.get_mut(key.index()).and_then(|c| c.as_deref_mut()).filter(is_there)
        else {
            self.counters.replies_lost.add(1);
            return;
        };
        connection.jobs.retain(|job| *job != place);
        let mut job = self.jobs.job(place);
        if connection.output.is_empty() {
            spare = Some(std::mem::replace(&mut connection.output, std::mem::take(&mut job.reply)));
        } else {
            connection.output.extend_from_slice(&job.reply);
        }
        if let Some(spare) = spare {
            job.reply = spare;
        }
        drop(job);
        self.mark(key);
    }

    /// Why a connection is over, if it is: by itself, or because all together hold too much.
    pub(super) fn ending(&mut self, key: Key) -> Option<Ending> {
        let connection = self.connections.get_mut(key.index())?.as_deref_mut()?;
        let held_bytes = connection.held_bytes();
        self.budget.book(&mut connection.booked_bytes, held_bytes);
        let exceeds = || self.budget.is_exceeded_by(held_bytes).then_some(Ending::BuffersFull);
        connection.ending(&self.settings.allowance).or_else(exceeds)
    }

    /// A connection has ended: nobody waits for its jobs any more.
    pub(super) fn forget(&mut self, key: Key, ending: Ending, admission: &Admission) {
        let Some(mut connection) = self.connections.get_mut(key.index()).and_then(Option::take)
        else {
            return;
        };
        self.budget.book(&mut connection.booked_bytes, 0);
        for place in &connection.jobs {
            let Some(errand) = self.jobs.errand_mut(*place) else { continue };
            errand.origin = Origin::Nobody;
            if let Some(task) = errand.task {
                admission.cancel(task);
            }
        }
        self.counters.endings[ending as usize].add(1);
        self.counters.clients.set(self.counters.clients.get() - 1);
        tracing::debug!(client = connection.session.id, why = ending.name(), "connection ended");
    }

    /// Shows readers how wide the windows are, and how full the buffers.
    pub(super) fn show_windows(&self) {
        self.counters.buffered_bytes.set(self.budget.held_bytes() as u64);
        for (index, window) in self.windows.iter().enumerate() {
            self.counters.window[index].set(window.size() as u64);
            self.counters.in_flight[index].set(window.in_flight() as u64);
        }
    }

    /// When the network wants to be looked at next.
    pub(super) fn next_ns(&self, now_ns: u64) -> Option<u64> {
        let may_spin = self.settings.spins_beside_jobs || self.jobs.is_empty();
        let was_active = now_ns.saturating_sub(self.active_ns) < self.settings.spin_ns;
        let has_news = !self.dirty.is_empty() || !self.ready_ports.is_empty();
        let is_busy = has_news || (may_spin && was_active);
        if is_busy { None } else { Some(self.next_drain_ns(now_ns).unwrap_or(u64::MAX)) }
    }
}

/// A worker's request, stage by stage, for those who ask with `RUST_LOG=revenant_server=trace`.
fn trace(errand: &Errand, completion: &Completion) {
    let since_arrival = |at_ns: u64| at_ns.saturating_sub(completion.arrived_ns);
    tracing::trace!(
        class = errand.class.name(),
        started_ns = since_arrival(completion.started_ns),
        done_ns = since_arrival(completion.done_ns),
        runtime_ns = completion.runtime_ns,
        preemptions = completion.preemptions,
        ending = ?completion.ending,
        "request"
    );
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !self.drain.is_done() {
            self.notify(Notice::Died);
        }
    }
}
