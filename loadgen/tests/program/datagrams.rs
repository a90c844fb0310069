//! Runs over UDP, where requests and replies may be lost, come twice, or late.

use std::net::UdpSocket;

use super::server::{Manner, Server};
use super::{command, drive, run, text};

/// So few requests that a socket of 208 KiB holds them all, and patience that outlasts any stall of the
/// machine: nothing is lost unless the server loses it.
const LOSSLESS: &str = "--protocol native --rate 150 --duration 1s --drain 60s";

#[test]
fn what_datagrams_cannot_do_is_bad_input() {
    let cases = [
        ("--rate 5k", "add --protocol native"),
        ("--protocol resp", "add --protocol native"),
        ("--protocol native --value-size 65460", "--value-size up to 65459"),
        ("--protocol native --drain 0", "--drain"),
        ("--protocol native --mix l=100:LLEN", "--protocol resp"),
    ];
    let server = Server::start_datagrams(Manner::Answers);
    for (options, expected) in cases {
        let output = run(&format!("{} {options}", server.address()));
        let err = text(&output.stderr);
        assert!(!output.status.success() && err.lines().count() == 1, "{options}: {err}");
        assert!(err.contains(expected), "{options}: {err}");
    }
    let line = format!("{} --protocol native", server.address());
    let output = command(&line).env("REVENANT_PASSWORD", "secret").output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("unset REVENANT_PASSWORD"), "{}", text(&output.stderr));
    assert_eq!(server.count("GET"), 0, "nothing was sent");
}

#[test]
fn nobody_at_the_port_is_asked_after() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let free = socket.local_addr().expect("a socket has an address");
    drop(socket);
    for load in ["", "--load"] {
        let output = run(&format!("udp://{free} --protocol native --duration 100ms {load}"));
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("is the server running, and does it listen there on udp?"), "{err}");
    }
}

#[test]
fn datagrams_carry_a_whole_run() {
    let server = Server::start_datagrams(Manner::Answers);
    let options = format!("{LOSSLESS} --mix get=60:GET,set=30:SET,spin=10:10us --keys 1k --load");
    let (document, _, shown) = drive(&server, &options, "datagrams");
    assert_eq!(document.load.target, server.address());
    let all = document.runs[0].class("all").expect("all");
    assert!(all.requests > 80 && all.counts.answered == all.requests, "{shown}");
    assert_eq!((document.runs[0].connections_lost, document.runs[0].stray_replies), (0, 0));
    assert!(server.count("SET") > 1_000, "every key was written");
}

#[test]
fn lost_replies_are_unanswered_and_keys_are_written_all_the_same() {
    let server = Server::start_datagrams(Manner::Swallows { every: 10 });
    let options = "--protocol native --keys 500 --load --rate 1k --duration 500ms --drain 200ms";
    let (document, code, shown) = drive(&server, options, "datagrams-lost");
    let all = document.runs[0].class("all").expect("all");
    assert!(all.counts.unanswered > 20 && all.counts.answered > 0, "{shown}");
    assert_eq!(all.counts.failed(), all.counts.unanswered, "{shown}");
    assert_eq!(code, Some(3), "a tenth is missing: {shown}");
    assert!(server.count("SET") > 500, "what had no reply was written again");
}

#[test]
fn replies_that_come_twice_are_counted_and_harm_nothing() {
    let server = Server::start_datagrams(Manner::Repeats);
    let options = format!("{LOSSLESS} --connections 2");
    let (document, _, shown) = drive(&server, &options, "datagrams-twice");
    let run = &document.runs[0];
    let all = run.class("all").expect("all");
    assert_eq!(all.counts.answered, all.requests, "{shown}");
    // Of each connection the last may come when the run is over.
    assert!(run.stray_replies >= all.requests - 2, "{}: {shown}", run.stray_replies);
    assert!(shown.contains("datagrams that answer nothing"), "{shown}");
}

#[test]
fn a_closed_loop_goes_on_without_what_is_lost() {
    let server = Server::start_datagrams(Manner::Swallows { every: 10 });
    let options = "--protocol native --closed --depth 2 --connections 1 --drain 50ms --duration 2s";
    let (document, _, shown) = drive(&server, options, "datagrams-closed");
    let counts = document.runs[0].class("all").expect("all").counts;
    // A loop that waits for ever loses no more than its depth.
    assert!(counts.unanswered > 2, "{shown}");
}

#[test]
fn a_port_that_closes_ends_the_run() {
    let server = Server::start_datagrams(Manner::HangsUpAt { request: 100 });
    let options = "--protocol native --rate 1k --duration 60s";
    let (document, code, shown) = drive(&server, options, "datagrams-closed-port");
    let run = &document.runs[0];
    assert_eq!((run.connections_lost, code), (16, Some(3)), "{shown}");
    assert!(run.interrupted && shown.contains("the server ended every connection"), "{shown}");
}
