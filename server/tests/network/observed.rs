//! What a server tells about itself.

use std::io::{Read, Seek};

use crate::fixture::{Server, program};

#[test]
fn metrics_count_what_happened() {
    let server = Server::start("auto", &[]);
    server.client().ask("SET a 1\r\nPING\r\nSPIN 10\r\n", "+OK\r\n+PONG\r\n+OK\r\n");
    for place in ["inline", "session", "worker"] {
        assert_eq!(server.metric(&format!("requests_total{{where=\"{place}\"}}")), 1.0);
    }
    let done = "worker_requests_total{class=\"spin\",fate=\"completed\"}";
    assert_eq!(server.metric(done), 1.0);
    assert_eq!(server.metric("received_bytes_total"), 24.0);
}

#[test]
fn traces_tell_of_every_command() {
    let mut stderr = tempfile::tempfile().unwrap();
    let mut command = program();
    command.env("RUST_LOG", "revenant_server=trace").stderr(stderr.try_clone().unwrap());
    let server = Server::start_from(command, "auto", &[]);
    server.client().ask("SET a 1\r\nPING\r\nSPIN 10\r\n", "+OK\r\n+PONG\r\n+OK\r\n");
    let mut told = String::new();
    stderr.rewind().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    for name in ["set", "ping", "spin"] {
        let span = format!("command{{name=\"{name}\"}}");
        let line = told.lines().find(|line| line.contains(&span));
        let line = line.unwrap_or_else(|| panic!("no {name} in {told}"));
        assert!(line.contains("close") && line.contains("time.busy"), "{line}");
    }
}

#[test]
fn top_shows_a_server_once_or_says_that_there_is_none() {
    let server = Server::start("auto", &[]);
    server.client().ask("PING\r\n", "+PONG\r\n");
    let top = |flags: &[&str]| {
        let metrics = ["top", "--once", "--metrics", server.metrics_address()];
        program().args(metrics).args(flags).output().unwrap()
    };
    let table = String::from_utf8(top(&[]).stdout).unwrap();
    assert!(table.contains("session 1 ") && table.contains("scan"), "{table}");
    let json = String::from_utf8(top(&["--json"]).stdout).unwrap();
    assert!(json.starts_with('{') && json.contains("\"clients_accepted_total\":1"), "{json}");
    let nobody = program().args(["top", "--once", "--metrics", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("--metrics"));
}

#[test]
fn info_has_what_tools_look_for() {
    let server = Server::start("auto", &[]);
    let mut client = server.client();
    client.send("INFO\r\nQUIT\r\n");
    let info = client.rest();
    assert!(info.contains("connected_clients:1") && info.contains("role:master"), "{info}");
}
