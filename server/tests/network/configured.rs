//! What is chosen at start-up.

use std::process::Output;

use crate::fixture::{Server, program};

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_prints_the_configuration_as_it_comes_out() {
    let output = run(&["--check", "--clients-max", "7"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(printed.contains("clients-max = 7") && printed.contains("[class.get]"), "{printed}");
}

#[test]
fn check_tells_everything_that_is_wrong() {
    let output = run(&["--check", "--clients-max", "0", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.contains("clients-max") && told.contains("password"), "{told}");
}

#[test]
fn an_open_server_without_a_password_does_not_start() {
    let output = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("set a password"));
}

#[test]
fn a_file_is_read_and_its_faults_have_a_place() {
    let path = std::env::temp_dir().join(format!("revenant-config-{}", std::process::id()));
    let shown = path.display().to_string();
    std::fs::write(&path, "spin = '1ms'\nclients-max = 9\n").unwrap();
    let output = run(&["--check", "--config", &shown, "--clients-max", "8"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("spin = \"1ms\"") && printed.contains("clients-max = 8"));
    std::fs::write(&path, "spin = '1ms'\nclient-max = 9\n").unwrap();
    let told = stderr(&run(&["--check", "--config", &shown]));
    assert!(told.contains("client-max") && told.contains("line 2"), "{told}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_address_in_use_is_named() {
    let server = Server::start("auto", &[]);
    let output = run(&["--listen", &server.address]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains(&server.address) && told.contains("in use"), "{told}");
}

#[test]
fn a_password_is_asked_for() {
    let server = Server::start("auto", &["--password", "secret"]);
    let mut client = server.client();
    client.ask("GET a\r\n", "-NOAUTH Authentication required.\r\n");
    client.send("AUTH wrong\r\n");
    client.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    client.ask("AUTH secret\r\nGET a\r\n", "+OK\r\n$-1\r\n");
    let mut hoarder = server.client();
    hoarder.send("*100\r\n");
    assert!(hoarder.rest().contains("unauthenticated multibulk length"));
}

#[test]
fn every_policy_serves() {
    for policy in ["two-queue", "shinjuku", "fifo", "fifo-percpu"] {
        let server = Server::start("auto", &["--policy", policy]);
        server.client().ask("SPIN 10\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    }
}
