//! Servers and the processes that talk to them; all ended with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything takes on the busiest machine: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with its test.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A server on a loopback port.
pub(crate) struct Server {
    pub(crate) port: String,
    _process: Process,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_at("0", flags)
    }

    pub(crate) fn start_at(port: &str, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_revenant-server"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(flags)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let process = Process(child);
        let port = line.trim_end().strip_prefix("listening on 127.0.0.1:");
        let port = port.unwrap_or_else(|| panic!("it said `{line}`")).to_owned();
        Self { port, _process: process }
    }

    /// What redis-cli prints on its behalf.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let all = [&["-p", &self.port], arguments].concat();
        said("redis-cli", &all)
    }
}

/// What a program prints; it must succeed.
pub(crate) fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    text(program, &output.unwrap_or_else(|error| panic!("{program}: {error}")))
}

/// The same for a program that is told something.
pub(crate) fn said_to(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    text(program, &child.wait_with_output().unwrap())
}

fn text(program: &str, output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}\n{out}\n{error}", output.status);
    out
}

/// Debian's interpreter, which has Debian's modules: the first on the PATH may be another.
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let program =
        if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    said(program, &[&["-c", script], arguments].concat())
}

/// Ports that were free a moment ago, for those who must be told theirs.
pub(crate) fn free_ports<const N: usize>() -> [String; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string())
}

/// Starts a program that listens on a port.
pub(crate) fn listening(program: &str, arguments: &[&str], port: &str) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")));
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(Instant::now() < until, "{program} does not listen on port {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
    process
}
