//! A server process, and clients of it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use revenant_wire::native::{
    HEADER_LEN, Op, ReplyHeader, RequestHeader, decode_reply, encode_request,
};

/// Far longer than anything takes on the busiest machine: only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; killed at the end of its test.
pub(crate) struct Server {
    child: Child,
    /// The address of its first door.
    pub(crate) address: String,
    metrics: String,
    _stdout: BufReader<ChildStdout>,
}

pub(crate) fn program() -> Command {
    // In a guest, which has no folder of cargo's, it lies beside the test.
    let beside = std::env::current_exe().ok().map(|test| test.with_file_name("revenant-server"));
    let beside = beside.filter(|program| program.exists());
    let path = beside.unwrap_or_else(|| env!("CARGO_BIN_EXE_revenant-server").into());
    let mut command = Command::new(path);
    command.env("RUST_LOG", "warn");
    command
}

impl Server {
    /// One that listens on a free port.
    pub(crate) fn start(io: &str, flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", io, flags)
    }

    pub(crate) fn start_at(address: &str, io: &str, flags: &[&str]) -> Self {
        Self::launch(program(), (address, io), flags)
    }

    /// One of a program in surroundings of its own.
    pub(crate) fn start_from(program: Command, io: &str, flags: &[&str]) -> Self {
        Self::launch(program, ("127.0.0.1:0", io), flags)
    }

    fn launch(mut program: Command, (address, io): (&str, &str), flags: &[&str]) -> Self {
        let mut child = program
            .args(["--listen", address, "--io", io, "--metrics", "127.0.0.1:0"])
            // Servers of other tests want the CPUs too.
            .args(["--spin", "50us"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line_after = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let rest = line.trim_end().strip_prefix(prefix);
            rest.unwrap_or_else(|| panic!("`{prefix}` expected, got `{line}`")).to_owned()
        };
        let address = line_after("listening on ");
        let metrics = line_after("metrics on http://");
        let metrics = metrics.trim_end_matches("/metrics").to_owned();
        Self { child, address, metrics, _stdout: stdout }
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

    pub(crate) fn metrics_address(&self) -> &str {
        &self.metrics
    }

    pub(crate) fn page(&self) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// A metric's value now.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.page();
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("revenant_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    /// Connections that ended for this reason.
    pub(crate) fn ended(&self, why: &str) -> f64 {
        self.metric(&format!("connections_ended_total{{why=\"{why}\"}}"))
    }

    /// What it has in memory.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    /// What its descriptors lead to.
    pub(crate) fn descriptors(&self) -> Vec<String> {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.map(|link| link.display().to_string()).collect()
    }

    pub(crate) fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Stops it where it is.
    pub(crate) fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        let process = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the child is ours and has not been waited for, so its number is still its own.
        unsafe { libc::kill(process, signal) };
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        wait_until("the server has ended", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Lets this process have so many descriptors, as far as its hard limit goes.
pub(crate) fn allow_descriptors(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let room = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        room >= wanted,
        "needs {wanted} open files: raise the hard limit of {room} (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A TCP client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads exactly this.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        if let Err(error) = self.stream.read_exact(&mut bytes) {
            panic!("{error} instead of {expected:?}, after {:?}", String::from_utf8_lossy(&bytes));
        }
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str, expected: &str) {
        self.send(request);
        self.expect(expected);
    }

    /// Reads what comes until the server closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&bytes)),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn send_native(&mut self, header: &RequestHeader, value: &[u8]) {
        let mut bytes = Vec::new();
        encode_request(header, b"", value, &mut bytes);
        self.send(bytes);
    }

    pub(crate) fn receive_native(&mut self) -> (ReplyHeader, Vec<u8>) {
        let mut head = [0; HEADER_LEN];
        self.stream.read_exact(&mut head).unwrap();
        let body_len = u32::from_le_bytes(head[24..28].try_into().unwrap()) as usize;
        let mut frame = head.to_vec();
        frame.resize(HEADER_LEN + body_len, 0);
        self.stream.read_exact(&mut frame[HEADER_LEN..]).unwrap();
        let header = decode_reply(&frame, usize::MAX).unwrap().unwrap();
        (header, frame.split_off(HEADER_LEN))
    }
}

/// A native request for so much work.
pub(crate) fn spin(id: u64, work_us: i64) -> RequestHeader {
    RequestHeader { op: Op::Spin as u8, id, number: work_us, ..RequestHeader::default() }
}

pub(crate) fn ping(id: u64) -> RequestHeader {
    RequestHeader { op: Op::Ping as u8, id, ..RequestHeader::default() }
}
