//! A service and a session to talk to.

use revenant_server::command::{Command, Place};
use revenant_server::keyspace::Keyspace;
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_server::service::Service;
use revenant_server::session::Session;
use revenant_server::store::MemoryStore;
use revenant_server::turn::Uninterrupted;
use revenant_wire::resp::{Limits, decode_request};

/// A client of a server in memory.
pub(crate) struct Client {
    pub(crate) service: Service,
    pub(crate) session: Session,
}

impl Client {
    pub(crate) fn new() -> Self {
        let service = Service::new(Keyspace::new(Box::new(MemoryStore::default())));
        Self { service, session: Session::new(1, true) }
    }

    /// Asks with an inline request; the reply as it would be sent, with `|` for ends of lines.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        let (line, mut arguments) = (format!("{line}\n"), Vec::new());
        let limits = Limits::within(1 << 20);
        let end = decode_request(line.as_bytes(), &limits, &mut arguments).unwrap().unwrap();
        let mut request = Request::default();
        request.read_resp(&line.as_bytes()[..end], &mut arguments);
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
            Ok(command) => command.run(request, service, &Uninterrupted, reply),
            Err(failure) => reply.failure(&failure),
        }
    }
}
