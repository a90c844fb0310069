//! How servers end.

use std::net::TcpStream;

use crate::fixture::{Server, spin, wait_until};

crate::on_both!(
    what_is_under_way_is_finished_before_the_end,
    requests_that_come_too_late_are_told_why,
    what_takes_too_long_is_told_why,
    the_shutdown_command_ends_the_server,
    an_idle_server_ends_at_once,
);

fn what_is_under_way_is_finished_before_the_end(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send("SPIN 300000\r\n");
    wait_until("it runs", || server.metric("in_flight{class=\"spin\"}") == 1.0);
    server.terminate();
    client.expect("+OK\r\n");
    assert_eq!(client.rest(), "");
    assert_eq!(server.wait().code(), Some(0));
}

fn requests_that_come_too_late_are_told_why(io: &str) {
    let server = Server::start(io, &[]);
    let (mut busy, mut late) = (server.client(), server.client());
    late.ask("PING\r\n", "+PONG\r\n");
    busy.send("SPIN 1000000\r\n");
    wait_until("it runs", || server.metric("in_flight{class=\"spin\"}") == 1.0);
    server.terminate();
    wait_until("nobody is let in", || {
        TcpStream::connect(&server.address).is_err() || {
            // Until the signal has arrived, it is an ordinary server.
            late.send("PING\r\n");
            let mut line = [0; 5];
            std::io::Read::read_exact(&mut late.stream, &mut line).unwrap();
            let is_refused = &line == b"-SHUT";
            let mut end = vec![0; if is_refused { 43 } else { 2 }];
            std::io::Read::read_exact(&mut late.stream, &mut end).unwrap();
            is_refused
        }
    });
    busy.expect("+OK\r\n");
    assert_eq!(server.wait().code(), Some(0));
}

fn what_takes_too_long_is_told_why(io: &str) {
    let server = Server::start(io, &["--drain", "100ms"]);
    let (mut resp, mut native) = (server.client(), server.client());
    resp.send("SPIN 9000000\r\n");
    native.send_native(&spin(77, 9_000_000), b"");
    wait_until("they run", || server.metric("in_flight{class=\"spin\"}") == 2.0);
    server.terminate();
    assert!(resp.rest().starts_with("-SHUTTINGDOWN "));
    let (reply, _) = native.receive_native();
    assert_eq!((reply.id, reply.status), (77, revenant_wire::native::Status::ShuttingDown));
    assert_eq!(server.wait().code(), Some(0));
}

fn the_shutdown_command_ends_the_server(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send("SHUTDOWN\r\n");
    client.rest();
    assert_eq!(server.wait().code(), Some(0));
}

fn an_idle_server_ends_at_once(io: &str) {
    let server = Server::start(io, &["--drain", "1h"]);
    let mut client = server.client();
    client.ask("PING\r\n", "+PONG\r\n");
    server.terminate();
    assert_eq!(client.rest(), "");
    assert_eq!(server.wait().code(), Some(0));
}
