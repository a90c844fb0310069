//! From bytes to requests, and from requests to whoever executes them.

use revenant::backend::threads::Work;
use revenant::hint::ClassId;
use revenant::ingress::{Admission, Offer};
use revenant_wire::native::{self, UnknownOp};
use revenant_wire::resp::Limits;
use std::sync::Arc;
use std::time::Duration;

use super::desk::Desk;
use super::drain::Notice;
use crate::command::{Command, CommandClass, Place};
use crate::connection::Ending;
use crate::counters::{Refusal, Stage};
use crate::failure::Failure;
use crate::frame;
use crate::job::{Errand, Origin};
use crate::request::Request;
use crate::transport::Key;
use crate::turn::Uninterrupted;

impl Desk {
    /// Bytes came over a connection.
    pub(super) fn received(&mut self, key: Key, bytes: &[u8], admission: &Admission) {
        self.counters.bytes_in.add(bytes.len() as u64);
        let now_ns = self.now_ns;
        let Some(connection) = self.connection(key) else { return };
        connection.note_input(now_ns);
        if connection.inbox.is_empty() {
            // Most requests come as a whole, and are read where they lie.
            let used = self.begin_all(key, bytes, admission);
            if let Some(connection) = self.connection(key) {
                connection.inbox.append(&bytes[used..]);
            }
        } else {
            connection.inbox.append(bytes);
            self.begin_waiting(key, admission);
        }
        self.mark(key);
    }

    /// Begins requests that wait in a connection's inbox.
    pub(super) fn begin_waiting(&mut self, key: Key, admission: &Admission) {
        let allowance = self.settings.allowance;
        let Some(connection) = self.connection(key) else { return };
        if connection.inbox.is_empty() || !connection.may_begin(&allowance) {
            return;
        }
        let mut inbox = std::mem::take(&mut connection.inbox);
        let arguments = std::mem::take(&mut inbox.arguments);
        connection.inbox.arguments = arguments;
        let used = self.begin_all(key, inbox.bytes(), admission);
        inbox.consume(used);
        if let Some(connection) = self.connection(key) {
            inbox.arguments = std::mem::take(&mut connection.inbox.arguments);
            inbox.tidy();
            connection.inbox = inbox;
        }
    }

    /// Begins as many of the requests in `bytes` as may begin. Returns how many bytes they were.
    fn begin_all(&mut self, key: Key, bytes: &[u8], admission: &Admission) -> usize {
        let (now_ns, allowance) = (self.now_ns, self.settings.allowance);
        let Some(connection) = self.connection(key) else { return bytes.len() };
        let mut arguments = std::mem::take(&mut connection.inbox.arguments);
        if arguments.capacity() == 0 {
            arguments = std::mem::take(&mut self.arguments);
        }
        let (mut used, mut is_incomplete) = (0, false);
        while used < bytes.len() {
            let Some(connection) = self.connections[key.index()].as_deref_mut() else { break };
            if !connection.may_begin(&allowance) {
                break;
            }
            let protocol = connection.protocol(bytes[used]);
            let limits = limits(connection.session.is_authenticated, allowance.frame_max);
            let rest = &bytes[used..];
            match frame::read((protocol, rest), &limits, &mut arguments, &mut self.request) {
                Ok(Some(frame)) => {
                    used += frame.length;
                    connection.note_frame_end();
                    self.begin(key, frame.meaning, admission);
                }
                Ok(None) => {
                    is_incomplete = true;
                    break;
                }
                Err(failure) => {
                    frame::pretend((protocol, 0), &mut self.request);
                    self.reply(key, |_, reply| reply.failure(&failure));
                    self.end(key, Ending::ProtocolError);
                    used = bytes.len();
                }
            }
        }
        if let Some(connection) = self.connection(key) {
            connection.note_frame(is_incomplete, now_ns);
            if is_incomplete && !arguments.is_empty() {
                connection.inbox.arguments = arguments;
                return used;
            }
        }
        arguments.clear();
        self.arguments = arguments;
        used
    }

    fn end(&mut self, key: Key, ending: Ending) {
        if let Some(connection) = self.connection(key) {
            connection.finish(ending);
        }
    }

    /// Begins the request that was just read.
    fn begin(&mut self, key: Key, meaning: Result<(), UnknownOp>, admission: &Admission) {
        if self.request.argument_count() == 0 && meaning.is_ok() {
            return;
        }
        let Some(connection) = self.connections[key.index()].as_deref_mut() else { return };
        let found = match meaning {
            Ok(()) => Command::find(&self.request, &connection.session, &self.service),
            Err(unknown) => Err(Failure::UnknownOp(unknown)),
        };
        let command = match found {
            Ok(command) if !self.drain.has_begun() => command,
            Ok(command) => {
                self.counters.refuse(command.class(&self.request), Refusal::ShuttingDown);
                return self.reply(key, |_, reply| reply.failure(&Failure::ShuttingDown));
            }
            Err(failure) => return self.reply(key, |_, reply| reply.failure(&failure)),
        };
        match command.place(&self.request) {
            Place::Session => self.run_session(key, command),
            Place::Point if self.settings.is_inline => self.run_inline(key, command),
            Place::Point | Place::Worker => {
                let origin = Origin::Connection(key, connection.session.id);
                match self.admit(origin, command, admission) {
                    Ok(place) => {
                        if let Some(connection) = self.connection(key) {
                            connection.jobs.push(place);
                        }
                    }
                    Err(failure) => self.reply(key, |_, reply| reply.failure(&failure)),
                }
            }
        }
    }

    fn run_session(&mut self, key: Key, command: &Command) {
        self.counters.requests[Stage::Session as usize].add(1);
        let Some(connection) = self.connection(key) else { return };
        let mut session = std::mem::take(&mut connection.session);
        self.reply(key, |desk, reply| {
            command.run_session(&desk.request, &desk.service, &mut session, reply);
        });
        if session.wants_shutdown {
            self.notify(Notice::Asked("the SHUTDOWN command"));
        }
        let wants_close = session.wants_close;
        if let Some(connection) = self.connection(key) {
            connection.session = session;
            if wants_close {
                connection.finish(Ending::Quit);
            }
        }
    }

    fn run_inline(&mut self, key: Key, command: &Command) {
        self.counters.requests[Stage::Inline as usize].add(1);
        self.reply(key, |desk, reply| {
            command.run(&desk.request, &desk.service, &Uninterrupted, reply);
        });
    }

    /// Hands the request that was just read to a worker.
    pub(super) fn admit(
        &mut self,
        origin: Origin,
        command: &'static Command,
        admission: &Admission,
    ) -> Result<u32, Failure> {
        let class = class(&self.request, command);
        let refuse = |failure: Failure, refusal| {
            self.counters.refuse(class, refusal);
            Err(failure)
        };
        if let Err(full) = self.windows[class.index()].enter() {
            let retry_after = Duration::from_nanos(full.retry_after_ns);
            return refuse(Failure::Overloaded { retry_after }, Refusal::Overloaded);
        }
        let deadline_ns = deadline_ns(&self.request, self.now_ns);
        let id = self.request.native().map(|header| header.id);
        let errand = Errand { origin, class, id, task: None };
        let Some(place) = self.jobs.put(errand, command, &mut self.request) else {
            self.windows[class.index()].undo();
            let retry_after = Duration::from_millis(1);
            return refuse(Failure::Overloaded { retry_after }, Refusal::Overloaded);
        };
        let offer = Offer {
            class: ClassId(class.index() as u16),
            arrived_ns: self.now_ns,
            work: Work::Shared(Arc::clone(&self.handler), u64::from(place)),
        };
        match admission.admit_until(self.now_ns, offer, deadline_ns) {
            Ok(task) => {
                self.counters.requests[Stage::Worker as usize].add(1);
                if let Some(errand) = self.jobs.errand_mut(place) {
                    errand.task = Some(task);
                }
                Ok(place)
            }
            Err(rejected) => {
                std::mem::swap(&mut self.request, &mut self.jobs.job(place).request);
                self.jobs.free(place);
                self.windows[class.index()].undo();
                let failure = Failure::from(rejected);
                let refusal = match failure {
                    Failure::Expired => Refusal::Expired,
                    Failure::ShuttingDown => Refusal::ShuttingDown,
                    _ => Refusal::Overloaded,
                };
                self.counters.refuse(class, refusal);
                Err(failure)
            }
        }
    }
}

/// How large a request may be.
pub(super) fn limits(is_authenticated: bool, frame_max: usize) -> Limits {
    if is_authenticated { Limits::within(frame_max) } else { Limits::unauthenticated() }
}

/// The class a native client asks for, else the command's.
fn class(request: &Request, command: &Command) -> CommandClass {
    let asked = request.native().and_then(|header| header.class.checked_sub(1));
    let asked = asked.and_then(|number| CommandClass::ALL.get(usize::from(number)));
    asked.copied().unwrap_or_else(|| command.class(request))
}

/// The deadline a native client gives.
fn deadline_ns(request: &Request, now_ns: u64) -> Option<u64> {
    let header: &native::RequestHeader = request.native()?;
    let deadline_us = u64::from(header.deadline_us);
    (deadline_us > 0).then(|| now_ns.saturating_add(deadline_us * 1_000))
}
