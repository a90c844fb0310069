//! What must hold for any requests. The fuzzer and the tests run the same.

use std::cell::Cell;

use revenant_server::command::{Command, Place};
use revenant_server::keyspace::Keyspace;
use revenant_server::reply::Reply;
use revenant_server::request::Request;
use revenant_server::service::Service;
use revenant_server::session::Session;
use revenant_server::store::MemoryStore;
use revenant_server::turn::Turn;
use revenant_wire::resp::{Limits, decode_reply, decode_request};

/// A turn that ends after some safepoints, so that nothing takes long.
struct Impatient(Cell<u32>);

impl Turn for Impatient {
    fn safepoint(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }

    fn is_cancelled(&self) -> bool {
        self.0.get() == 0
    }

    fn without_preemption(&self, section: &mut dyn FnMut()) {
        section();
    }
}

/// Every request gets one whole reply, within the bound; only SHUTDOWN gets none.
pub(crate) fn command(bytes: &[u8]) {
    let mut service = Service::new(Keyspace::new(Box::new(MemoryStore::default())));
    (service.value_max, service.reply_max) = (10_000, 20_000);
    let (mut session, mut request) = (Session::new(1, true), Request::default());
    let (mut begin, mut arguments) = (0, Vec::new());
    let limits = Limits::within(100_000);
    while let Ok(Some(end)) = decode_request(&bytes[begin..], &limits, &mut arguments) {
        request.read_resp(&bytes[begin..begin + end], &mut arguments);
        begin += end;
        if request.argument_count() == 0 {
            continue;
        }
        let mut out = Vec::new();
        answer(&service, &mut session, &request, &mut Reply::to(&request, &mut out));
        let is_shutdown = session.wants_shutdown && out.is_empty();
        if !is_shutdown {
            let reply = decode_reply(&out, &limits).expect("a reply is well-formed");
            let (_, end) = reply.expect("a reply is whole");
            assert_eq!(end, out.len(), "one reply for one request");
        }
    }
}

fn answer(service: &Service, session: &mut Session, request: &Request, reply: &mut Reply<'_>) {
    match Command::find(request, session, service) {
        Ok(command) if command.place(request) == Place::Session => {
            command.run_session(request, service, session, reply);
        }
        Ok(command) => {
            let _ = command.class(request);
            command.run(request, service, &Impatient(Cell::new(1_000)), reply);
        }
        Err(failure) => reply.failure(&failure),
    }
}
