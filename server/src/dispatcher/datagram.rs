//! Native frames over UDP: one request a datagram, one datagram a reply, no connection in between.

use std::io;
use std::net::SocketAddr;

use revenant::ingress::Admission;
use revenant_wire::Protocol;

use super::Dispatcher;
use super::desk::Desk;
use super::intake::limits;
use crate::command::{Command, Place};
use crate::counters::Stage;
use crate::door;
use crate::failure::Failure;
use crate::frame;
use crate::job::{Job, Origin};
use crate::reply::Reply;
use crate::session::Session;
use crate::transport::Transport;
use crate::turn::Uninterrupted;

/// The largest datagram there is.
const DATAGRAM_MAX: usize = 65_507;

/// Datagrams taken from a port in one turn, so that connections have their turn too.
const DATAGRAMS_PER_TURN: usize = 64;

impl<T: Transport> Dispatcher<T> {
    /// Takes what the ports have.
    pub(super) fn take_datagrams(&mut self, admission: &Admission) {
        if self.desk.ready_ports.is_empty() {
            return;
        }
        let mut bytes = [0; DATAGRAM_MAX];
        for port in std::mem::take(&mut self.desk.ready_ports) {
            if self.take_from(port, &mut bytes, admission) {
                self.desk.ready_ports.push(port);
            }
        }
    }

    /// Takes what a port has. Returns whether it may have more.
    fn take_from(&mut self, port: usize, bytes: &mut [u8], admission: &Admission) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.transport.doors().ports[port].recv_from(bytes) {
                Ok((length, address)) => {
                    if self.desk.datagram(&bytes[..length], (port, address), admission) {
                        self.reply_by_datagram(port, address);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // An earlier reply found nobody: the next datagram is somebody else's.
                Err(_) => {}
            }
        }
        true
    }

    /// Asks the kernel what never reached the server.
    pub(super) fn count_dropped_datagrams(&self) {
        let ports = &self.transport.doors().ports;
        let dropped = ports.iter().map(|port| door::dropped(port).unwrap_or(0)).sum();
        self.desk.counters.datagrams_dropped.set(dropped);
    }

    /// Sends the reply that was left in the desk. A datagram may be lost anywhere, here too.
    pub(super) fn reply_by_datagram(&mut self, port: usize, address: SocketAddr) {
        if self.transport.doors().ports[port].send_to(&self.desk.datagram, address).is_err() {
            self.desk.counters.datagrams_lost.add(1);
        }
    }
}

impl Desk {
    /// Takes a datagram. Returns whether there is a reply at once.
    fn datagram(
        &mut self,
        bytes: &[u8],
        (port, address): (usize, SocketAddr),
        admission: &Admission,
    ) -> bool {
        self.counters.datagrams_in.add(1);
        self.active_ns = self.now_ns;
        let limits = limits(true, self.settings.allowance.frame_max);
        let mut arguments = std::mem::take(&mut self.arguments);
        let native = (Protocol::Native, bytes);
        let read = frame::read(native, &limits, &mut arguments, &mut self.request);
        self.arguments = arguments;
        let meaning = match read {
            Ok(Some(frame)) if frame.length == bytes.len() => frame.meaning,
            _ => {
                self.counters.datagrams_bad.add(1);
                return false;
            }
        };
        let outcome = match meaning {
            Ok(()) => self.begin_datagram((port, address), admission),
            Err(unknown) => Err(Failure::UnknownOp(unknown)),
        };
        match outcome {
            Ok(is_done) => is_done,
            Err(failure) => {
                self.answer(|_, reply| reply.failure(&failure));
                true
            }
        }
    }

    /// Begins the request that was just read. Returns whether it is done.
    fn begin_datagram(
        &mut self,
        (port, address): (usize, SocketAddr),
        admission: &Admission,
    ) -> Result<bool, Failure> {
        // Whoever may send datagrams may do everything: a port with a password is refused at start.
        let mut session = Session::new(0, true);
        let command = Command::find(&self.request, &session, &self.service)?;
        if self.drain.has_begun() {
            return Err(Failure::ShuttingDown);
        }
        match command.place(&self.request) {
            Place::Session => {
                self.counters.requests[Stage::Session as usize].add(1);
                self.answer(|desk, reply| {
                    command.run_session(&desk.request, &desk.service, &mut session, reply);
                });
            }
            Place::Point if self.settings.is_inline => {
                self.counters.requests[Stage::Inline as usize].add(1);
                self.answer(|desk, reply| {
                    command.run(&desk.request, &desk.service, &Uninterrupted, reply);
                });
            }
            Place::Point | Place::Worker => {
                self.admit(Origin::Datagram(port, address), command, admission)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a job's reply.
    pub(super) fn answer_from(&mut self, place: u32) {
        let mut job = self.jobs.job(place);
        if job.reply.len() > DATAGRAM_MAX {
            let failure = Failure::ReplyTooLarge { reply_max: DATAGRAM_MAX };
            let Job { request, reply, .. } = &mut *job;
            reply.clear();
            Reply::to(request, reply).failure(&failure);
        }
        self.datagram.clear();
        self.datagram.extend_from_slice(&job.reply);
    }

    /// Writes the reply to the request that was just read; one that no datagram can carry becomes a
    /// failure that says so.
    fn answer(&mut self, write: impl FnOnce(&Self, &mut Reply<'_>)) {
        let mut out = std::mem::take(&mut self.datagram);
        out.clear();
        write(self, &mut Reply::to(&self.request, &mut out));
        if out.len() > DATAGRAM_MAX {
            out.clear();
            let failure = Failure::ReplyTooLarge { reply_max: DATAGRAM_MAX };
            Reply::to(&self.request, &mut out).failure(&failure);
        }
        self.datagram = out;
    }
}
