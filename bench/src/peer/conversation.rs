//! A connection's bytes as requests, and requests as replies; no I/O.

use std::ops::Range;

use revenant_server::command::{Command, Place};
use revenant_server::failure::Failure;
use revenant_server::frame;
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_server::service::Service;
use revenant_server::session::Session;
use revenant_server::turn::Uninterrupted;
use revenant_wire::Protocol;
use revenant_wire::resp::Limits;

/// The largest request, as the server has it.
const FRAME_MAX: usize = 64 << 20;

/// What a client said so far and is not yet answered.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The first byte tells.
    protocol: Option<Protocol>,
    input: Vec<u8>,
    used: usize,
    arguments: Vec<Range<usize>>,
    request: Request,
    session: Session,
    is_over: bool,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing, until more bytes come.
    Wait,
    /// A request to be executed.
    Ask(Errand),
    /// Nothing ever: the replies written so far are the last.
    End,
}

/// A request to be executed on whatever thread.
#[derive(Debug)]
pub(super) struct Errand {
    request: Request,
    command: &'static Command,
}

impl Errand {
    /// Whether it may take longer than handing it to another thread.
    pub(super) fn is_long(&self) -> bool {
        self.command.place(&self.request) == Place::Worker
    }

    /// Executes it and writes the reply behind `out`.
    pub(super) fn run(&self, service: &Service, out: &mut Vec<u8>) {
        let mut reply = Reply::to(&self.request, out);
        self.command.run(&self.request, service, &Uninterrupted, &mut reply);
    }
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self {
            protocol: None,
            input: Vec::new(),
            used: 0,
            arguments: Vec::new(),
            request: Request::default(),
            session: Session::new(0, true),
            is_over: false,
        }
    }

    /// Whether replies may come in any order.
    pub(super) fn is_concurrent(&self) -> bool {
        self.protocol == Some(Protocol::Native)
    }

    /// Bytes came.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
        let first = self.input.first();
        self.protocol = self.protocol.or(first.map(|byte| Protocol::of_first_byte(*byte)));
    }

    /// The next request that is to be executed. What belongs to the session is answered into `out`
    /// on the way.
    pub(super) fn next(&mut self, service: &Service, out: &mut Vec<u8>) -> Step {
        while !self.is_over {
            let Some(protocol) = self.protocol else { return Step::Wait };
            let rest = (protocol, &self.input[self.used..]);
            let limits = Limits::within(FRAME_MAX);
            let read = frame::read(rest, &limits, &mut self.arguments, &mut self.request);
            let frame = match read {
                Ok(None) => return Step::Wait,
                Ok(Some(frame)) => frame,
                Err(failure) => {
                    self.is_over = true;
                    self.fail(&failure, out);
                    break;
                }
            };
            self.used += frame.length;
            let found = match frame.meaning {
                Ok(()) if self.request.argument_count() == 0 => continue,
                Ok(()) => Command::find(&self.request, &self.session, service),
                Err(unknown) => Err(unknown.into()),
            };
            match found {
                Ok(command) if command.place(&self.request) == Place::Session => {
                    let mut reply = Reply::to(&self.request, out);
                    command.run_session(&self.request, service, &mut self.session, &mut reply);
                    self.is_over = self.session.wants_close;
                }
                Ok(command) => {
                    let request = std::mem::take(&mut self.request);
                    return Step::Ask(Errand { request, command });
                }
                Err(failure) => self.fail(&failure, out),
            }
        }
        Step::End
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        Reply::to(&self.request, out).failure(failure);
    }
}

#[cfg(test)]
mod tests {
    use revenant_server::keyspace::Keyspace;
    use revenant_server::store::MemoryStore;

    use super::*;

    fn answers(pieces: &[&[u8]]) -> String {
        let service = Service::new(Keyspace::new(Box::new(MemoryStore::default())));
        let (mut conversation, mut out) = (Conversation::new(), Vec::new());
        for piece in pieces {
            conversation.receive(piece);
            while let Step::Ask(errand) = conversation.next(&service, &mut out) {
                errand.run(&service, &mut out);
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn requests_are_answered_however_they_are_cut() {
        let input = b"PING\r\nSET k 1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nk\r\nGET k\r\n";
        let whole = answers(&[input]);
        assert_eq!(whole, "+PONG\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(answers(&bytes), whole);
    }

    #[test]
    fn what_is_no_request_is_the_end() {
        let answers = answers(&[b"PING\r\n*1\r\n!\r\nPING\r\n"]);
        assert!(answers.starts_with("+PONG\r\n-ERR"), "{answers}");
        assert_eq!(answers.matches("PONG").count(), 1);
    }
}
