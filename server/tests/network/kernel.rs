//! Requests on threads that sched_ext schedules. These tests run in guests whose kernel has it: see
//! vm/suites.

use revenant_wire::native::{Op, RequestHeader, Status};

use crate::fixture::{Server, ping, spin, wait_until};

/// Few workers: a guest under emulation takes long to start hundreds.
fn start(flags: &[&str]) -> Server {
    Server::start("auto", &[&["--backend", "kernel", "--worker-cpus", "1-3"], flags].concat())
}

fn sched_ext() -> String {
    std::fs::read_to_string("/sys/kernel/sched_ext/state").unwrap().trim().to_owned()
}

#[test]
fn requests_are_served_by_threads_of_an_enclave() {
    let server = start(&[]);
    assert_eq!(sched_ext(), "enabled");
    let mut client = server.client();
    client.ask("SET a 1\r\nSPIN 10\r\nGET a\r\n", "+OK\r\n+OK\r\n$1\r\n1\r\n");
    client.ask("SCAN 0 COUNT 1\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    assert_eq!(server.metric("requests_total{where=\"worker\"}"), 2.0);
    server.terminate();
    assert!(server.wait().success());
    wait_until("the kernel has its threads again", || sched_ext() == "disabled");
}

#[test]
fn a_short_request_does_not_wait_for_long_ones() {
    // More long requests than CPUs, each so long that only preemption explains the order.
    let server = start(&["--inline", "false"]);
    let mut client = server.client();
    for id in 1..=6 {
        client.send_native(&spin(id, 3_000_000), b"");
    }
    client.send_native(&RequestHeader { op: Op::Get as u8, ..ping(7) }, b"");
    let (first, _) = client.receive_native();
    assert_eq!((first.id, first.status), (7, Status::Nil));
    for _ in 1..=6 {
        assert_eq!(client.receive_native().0.status, Status::Ok);
    }
}

#[test]
fn a_server_that_was_killed_can_be_started_again() {
    for _ in 0..3 {
        // Killed at the end of its turn: nobody ends its enclave, nor gives its CPUs back.
        let server = start(&[]);
        server.client().ask("SPIN 10\r\n", "+OK\r\n");
    }
}

#[test]
fn a_client_that_leaves_takes_its_requests_along() {
    let server = start(&[]);
    let mut leaver = server.client();
    // Together they would keep three CPUs for longer than the test has patience.
    for id in 0..30 {
        leaver.send_native(&spin(id, 9_000_000), b"");
    }
    wait_until("they run", || server.metric("in_flight{class=\"spin\"}") == 30.0);
    drop(leaver);
    wait_until("they are gone", || server.metric("in_flight{class=\"spin\"}") == 0.0);
    server.client().ask("PING\r\n", "+PONG\r\n");
}
