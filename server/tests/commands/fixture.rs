//! A service and a session to talk to.

use std::cell::Cell;

use revenant_server::command::{Command, Place};
use revenant_server::keyspace::Keyspace;
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_server::service::Service;
use revenant_server::session::Session;
use revenant_server::store::MemoryStore;
use revenant_server::turn::Turn;
use revenant_wire::resp::{Limits, decode_request};

/// A client of a server in memory, with a clock that stands still.
pub(crate) struct Client {
    pub(crate) service: Service,
    pub(crate) session: Session,
    pub(crate) turn: TestTurn,
}

/// A turn whose time and patience the test sets.
pub(crate) struct TestTurn {
    pub(crate) unix_ms: Cell<u64>,
    /// Safepoints until the request is cancelled.
    pub(crate) safepoints_left: Cell<u64>,
}

impl Turn for TestTurn {
    fn safepoint(&self) {
        self.safepoints_left.set(self.safepoints_left.get().saturating_sub(1));
    }

    fn is_cancelled(&self) -> bool {
        self.safepoints_left.get() == 0
    }

    fn without_preemption(&self, section: &mut dyn FnMut()) {
        section();
    }

    fn unix_ms(&self) -> u64 {
        self.unix_ms.get()
    }
}

/// An inline request.
pub(crate) fn request(line: &str) -> Request {
    let (line, mut arguments) = (format!("{line}\n"), Vec::new());
    let limits = Limits::within(1 << 20);
    let end = decode_request(line.as_bytes(), &limits, &mut arguments).unwrap().unwrap();
    let mut request = Request::default();
    request.read_resp(&line.as_bytes()[..end], &mut arguments);
    request
}

impl Client {
    pub(crate) fn new() -> Self {
        let service = Service::new(Keyspace::new(Box::new(MemoryStore::default())));
        let turn = TestTurn { unix_ms: Cell::new(1_000_000), safepoints_left: Cell::new(u64::MAX) };
        Self { service, session: Session::new(1, true), turn }
    }

    /// Asks with an inline request; the reply as it would be sent, with `|` for ends of lines.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        let request = request(line);
        let mut out = Vec::new();
        self.answer(&request, &mut Reply::to(&request, &mut out));
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    pub(crate) fn answer(&mut self, request: &Request, reply: &mut Reply<'_>) {
        let (service, session) = (&self.service, &mut self.session);
        match Command::find(request, session, service) {
            Ok(command) if command.place(request) == Place::Session => {
                command.run_session(request, service, session, reply);
            }
            Ok(command) => command.run(request, service, &self.turn, reply),
            Err(failure) => reply.failure(&failure),
        }
    }

    /// Asks each, and expects the reply beside it.
    pub(crate) fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (line, reply) in dialogue {
            assert_eq!(self.ask(line), *reply, "{line}");
        }
    }
}
