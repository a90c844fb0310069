//! Clients that want too much, or too little, and what others notice of it: nothing.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use revenant_wire::native::{Op, RequestHeader, Status, encode_request};

use crate::fixture::{Client, Server, allow_descriptors, ping, spin, wait_until};

crate::on_both!(
    a_reader_that_never_reads_is_cut,
    replies_beyond_the_bound_cut_their_reader,
    those_who_hold_most_are_cut_when_all_hold_too_much,
    a_sender_that_never_finishes_is_cut,
    a_thousand_silent_clients_are_cut,
    ten_thousand_half_open_clients_cost_little_and_are_cut,
    one_client_too_many_is_told_so,
    a_frame_that_is_too_large_is_refused_before_it_comes,
    what_is_no_request_ends_its_connection_only,
    a_broken_native_frame_gets_an_error_and_the_end,
    too_many_requests_of_a_class_are_refused,
    an_expired_request_is_not_run,
    clients_that_vanish_leave_nothing_behind,
);

/// Somebody else, who must notice nothing.
fn assert_unharmed(server: &Server, other: &mut Client) {
    other.ask("PING\r\nSPIN 10\r\n", "+PONG\r\n+OK\r\n");
    server.client().ask("PING\r\n", "+PONG\r\n");
}

/// Asks for more than the kernel's buffers hold, and reads nothing.
fn ask_without_reading(client: &mut Client) {
    let value = "x".repeat(60_000);
    client.ask(&format!("SET v {value}\r\n"), "+OK\r\n");
    client.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    // The server stops listening in the middle of it, or cuts the connection.
    let _unsent = client.stream.write_all("GET v\r\n".repeat(2_000).as_bytes());
}

fn a_reader_that_never_reads_is_cut(io: &str) {
    let server = Server::start(io, &["--stall-timeout", "300ms"]);
    let (mut reader, mut other) = (server.client(), server.client());
    ask_without_reading(&mut reader);
    assert_unharmed(&server, &mut other);
    wait_until("it is cut", || server.ended("slow_reader") == 1.0);
    assert_unharmed(&server, &mut other);
}

fn replies_beyond_the_bound_cut_their_reader(io: &str) {
    // On one worker CPU and first come, first served: replies come when all requests are under way.
    let cpu = last_cpu();
    let flags = ["--output-max", "1MiB", "--inline", "false", "--policy", "fifo"];
    let server = Server::start(io, &[&flags[..], &["--worker-cpus", &cpu]].concat());
    let (mut reader, mut other) = (server.client(), server.client());
    let request = |op: Op, id| RequestHeader { op: op as u8, id, ..RequestHeader::default() };
    reader.send_native(&request(Op::Set, 0), &[b'x'; 60_000]);
    assert_eq!(reader.receive_native().0.status, Status::Ok);
    reader.send_native(&spin(1_001, 3_000_000), b"");
    let mut gets = Vec::new();
    for id in 1..=1_000 {
        encode_request(&request(Op::Get, id), b"", b"", &mut gets);
    }
    reader.send(gets);
    wait_until("all are under way", || server.metric("in_flight{class=\"get\"}") == 1_000.0);
    wait_until("it is cut", || server.ended("output_overflow") == 1.0);
    assert_unharmed(&server, &mut other);
}

fn those_who_hold_most_are_cut_when_all_hold_too_much(io: &str) {
    let server = Server::start(io, &["--buffers-max", "1MiB", "--clients-max", "100"]);
    let mut small = server.client();
    small.send("*2\r\n$4\r\nECHO\r\n$9\r\nhalf");
    let mut large: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut large {
        // Cut in the middle of it, perhaps.
        let _unsent = client.stream.write_all(b"*2\r\n$4\r\nECHO\r\n$500000\r\n");
        let _unsent = client.stream.write_all(&[b'x'; 400_000]);
    }
    wait_until("some are cut", || server.ended("buffers_full") >= 1.0);
    wait_until("there is room again", || server.metric("buffered_bytes") < f64::from(1 << 20));
    small.ask(" done\r\n", "$9\r\nhalf done\r\n");
    drop(large);
    wait_until("nothing is held", || server.metric("buffered_bytes") == 0.0);
    assert_unharmed(&server, &mut small);
}

fn a_sender_that_never_finishes_is_cut(io: &str) {
    let server = Server::start(io, &["--frame-timeout", "200ms"]);
    let (mut sender, mut other) = (server.client(), server.client());
    sender.send("*1\r\n$4\r\nPI");
    assert_unharmed(&server, &mut other);
    assert_eq!(sender.rest(), "");
    assert_eq!(server.ended("slow_sender"), 1.0);
    assert_unharmed(&server, &mut other);
}

fn a_thousand_silent_clients_are_cut(io: &str) {
    let server = Server::start(io, &["--idle-timeout", "1s"]);
    let clients: Vec<_> = (0..1_000).map(|_| server.client()).collect();
    wait_until("all were taken in", || server.metric("clients_accepted_total") == 1_000.0);
    wait_until("all are cut", || server.ended("idle") == 1_000.0);
    drop(clients);
    server.client().ask("PING\r\n", "+PONG\r\n");
}

fn ten_thousand_half_open_clients_cost_little_and_are_cut(io: &str) {
    const HALF_OPEN: usize = 10_000;
    const MEMORY_MAX_KIB: u64 = 64 << 10;
    // One at a time: both would need more descriptors than many systems allow.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    allow_descriptors(HALF_OPEN as u64 + 4_000);
    let server = Server::start(io, &["--clients-max", "10100", "--frame-timeout", "3s"]);
    let mut other = server.client();
    assert_unharmed(&server, &mut other);
    let before_kib = server.memory_kib();
    let mut clients: Vec<_> = (0..HALF_OPEN).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.send("*1\r\n$4\r\nPI"));
    // And `other`, and the one that `assert_unharmed` was.
    let all = (HALF_OPEN + 2) as f64;
    wait_until("all were taken in", || server.metric("clients_accepted_total") == all);
    let added_kib = server.memory_kib().saturating_sub(before_kib);
    assert!(added_kib < MEMORY_MAX_KIB, "{added_kib} KiB more");
    assert_unharmed(&server, &mut other);
    wait_until("all are cut", || server.ended("slow_sender") == HALF_OPEN as f64);
    assert_unharmed(&server, &mut other);
}

fn one_client_too_many_is_told_so(io: &str) {
    let server = Server::start(io, &["--clients-max", "2"]);
    let (mut first, mut second) = (server.client(), server.client());
    first.ask("PING\r\n", "+PONG\r\n");
    second.ask("PING\r\n", "+PONG\r\n");
    assert_eq!(server.client().rest(), "-ERR max number of clients reached\r\n");
    assert_eq!(server.ended("refused"), 1.0);
    drop(first);
    wait_until("the place is free", || server.metric("clients") == 1.0);
    server.client().ask("PING\r\n", "+PONG\r\n");
}

fn a_frame_that_is_too_large_is_refused_before_it_comes(io: &str) {
    let server = Server::start(io, &["--frame-max", "64KiB"]);
    let (mut client, mut other) = (server.client(), server.client());
    client.send("*2\r\n$4\r\nECHO\r\n$100000\r\n");
    assert!(client.rest().starts_with("-ERR Protocol error"));
    assert_eq!(server.ended("protocol_error"), 1.0);
    assert_unharmed(&server, &mut other);
}

fn what_is_no_request_ends_its_connection_only(io: &str) {
    let server = Server::start(io, &[]);
    let mut other = server.client();
    for bad in ["*1\r\n+PING\r\n", "*x\r\n", "SET \"a\r\n", "*1\r\n$-5\r\n"] {
        let mut client = server.client();
        client.send(bad);
        let reply = client.rest();
        assert!(reply.starts_with("-ERR Protocol error"), "{bad:?}: {reply:?}");
        assert_unharmed(&server, &mut other);
    }
    assert_eq!(server.ended("protocol_error"), 4.0);
}

fn a_broken_native_frame_gets_an_error_and_the_end(io: &str) {
    let server = Server::start(io, &[]);
    let mut client = server.client();
    client.send_native(&ping(1), b"");
    assert_eq!(client.receive_native().0.id, 1);
    client.send([0xf5, 99]);
    assert_eq!(client.receive_native().0.status, Status::BadRequest);
    assert_eq!(client.rest(), "");
}

fn too_many_requests_of_a_class_are_refused(io: &str) {
    let server = Server::start(io, &["--class", "spin:in-flight=2"]);
    let mut client = server.client();
    for id in 1..=3 {
        client.send_native(&spin(id, 200_000), b"");
    }
    let (refused, text) = client.receive_native();
    assert_eq!((refused.id, refused.status), (3, Status::Overloaded));
    assert!(refused.retry_after_us > 0);
    assert!(text.starts_with(b"OVERLOADED retry-after-ms "));
    assert_eq!(client.receive_native().0.status, Status::Ok);
    assert_eq!(client.receive_native().0.status, Status::Ok);
    assert_eq!(server.metric("refused_total{class=\"spin\",why=\"overloaded\"}"), 1.0);
    client.send_native(&spin(4, 1), b"");
    assert_eq!(client.receive_native().0.status, Status::Ok, "places come back");
}

fn an_expired_request_is_not_run(io: &str) {
    // First come, first served, so that the second has to wait beyond its deadline.
    let cpu = last_cpu();
    let server = Server::start(io, &["--policy", "fifo", "--worker-cpus", &cpu]);
    let mut client = server.client();
    client.send_native(&spin(1, 300_000), b"");
    client.send_native(&RequestHeader { deadline_us: 1_000, ..spin(2, 9_000_000) }, b"");
    let replies = [client.receive_native().0, client.receive_native().0];
    let status = |id| replies.iter().find(|reply| reply.id == id).unwrap().status;
    assert_eq!((status(1), status(2)), (Status::Ok, Status::Expired));
}

/// One CPU of those this process may use.
fn last_cpu() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().rsplit(['-', ',']).next().unwrap().to_owned()
}

fn clients_that_vanish_leave_nothing_behind(io: &str) {
    let server = Server::start(io, &[]);
    let mut other = server.client();
    for id in 0..50 {
        let mut client = server.client();
        client.send_native(&spin(id, 2_000_000), b"");
    }
    wait_until("only one is left", || server.metric("clients") == 1.0);
    // Their work is told to end, instead of keeping the CPU for a hundred seconds.
    wait_until("nothing is under way", || server.metric("in_flight{class=\"spin\"}") == 0.0);
    assert_unharmed(&server, &mut other);
}
