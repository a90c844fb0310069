//! Small servers that answer in either protocol, and misbehave as they are told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use revenant_wire::Protocol;
use revenant_wire::native::{self, Op, ReplyHeader, Status};
use revenant_wire::resp::{Limits, decode_request, encode_error, encode_simple};

/// How a server behaves. Requests are counted over all connections, from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Every request at once.
    Answers,
    /// None.
    Refuses(&'static str),
    /// Sleeps once.
    StallsOnce { after: u64, for_ms: u64 },
    /// Says nothing to some, once the connections stand.
    Swallows { every: u64 },
    /// Answers with an error from some request on.
    FailsFrom { request: u64 },
    /// Closes each connection that sends a request after so many; of datagrams, the port.
    HangsUpAt { request: u64 },
    /// Sends every reply twice, over datagrams.
    Repeats,
}

/// A server on a port of its own. Its threads end with their connections, the first with the test.
pub(crate) struct Server {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Manner,
    requests: AtomicU64,
    commands: Mutex<BTreeMap<String, u64>>,
}

/// What becomes of a request.
enum Answer {
    Ok,
    Error(&'static str),
    Nothing,
    HangUp,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Shared::new(manner);
        let server = Self { address: address.to_string(), shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.expect("a connection"), Arc::clone(&shared));
                thread::spawn(move || serve(stream, &shared));
            }
        });
        server
    }

    /// One that takes datagrams.
    pub(crate) fn start_datagrams(manner: Manner) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = format!("udp://{}", socket.local_addr().expect("a socket has an address"));
        let shared = Shared::new(manner);
        let server = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || serve_datagrams(&socket, &shared));
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A port that was free a moment ago.
    pub(crate) fn address_of_nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("a listener has an address")
    }

    /// How often a command came.
    pub(crate) fn count(&self, command: &str) -> u64 {
        self.shared.commands.lock().expect("no panic").get(command).copied().unwrap_or(0)
    }
}

impl Shared {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, requests: AtomicU64::new(0), commands: Mutex::default() })
    }

    #[expect(clippy::disallowed_methods, reason = "a server that stalls is what is wanted")]
    fn answer(&self, command: String) -> Answer {
        *self.commands.lock().expect("no panic").entry(command).or_default() += 1;
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        match self.manner {
            Manner::Refuses(words) => Answer::Error(words),
            Manner::StallsOnce { after, for_ms } if request == after => {
                thread::sleep(Duration::from_millis(for_ms));
                Answer::Ok
            }
            Manner::Swallows { every } if request > 20 && request.is_multiple_of(every) => {
                Answer::Nothing
            }
            Manner::FailsFrom { request: from } if request >= from => Answer::Error("ERR no more"),
            Manner::HangsUpAt { request: from } if request >= from => Answer::HangUp,
            _ => Answer::Ok,
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).expect("a TCP socket");
    let (mut inbound, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => inbound.extend_from_slice(&buffer[..count]),
        }
        let mut out = Vec::new();
        let served = match Protocol::of_first_byte(inbound[0]) {
            Protocol::Resp => serve_resp(&mut inbound, &mut out, shared),
            Protocol::Native => serve_native(&mut inbound, &mut out, shared),
        };
        if stream.write_all(&out).is_err() || served.is_none() {
            return;
        }
    }
}

/// Answers datagrams, until it hangs up.
fn serve_datagrams(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 65_536];
    let copies = if matches!(shared.manner, Manner::Repeats) { 2 } else { 1 };
    loop {
        let (len, client) = socket.recv_from(&mut buffer).expect("it is not connected");
        let (mut request, mut reply) = (buffer[..len].to_vec(), Vec::new());
        if serve_native(&mut request, &mut reply, shared).is_none() {
            return;
        }
        assert!(request.is_empty(), "a datagram is one whole frame");
        for _ in 0..copies * usize::from(!reply.is_empty()) {
            // The run may have ended meanwhile, and its port be closed.
            let _ = socket.send_to(&reply, client);
        }
    }
}

/// Answers the requests that have arrived; `None` to hang up.
fn serve_resp(inbound: &mut Vec<u8>, out: &mut Vec<u8>, shared: &Shared) -> Option<()> {
    let mut arguments = Vec::new();
    while let Some(end) = decode_request(inbound, &Limits::within(1 << 20), &mut arguments).ok()? {
        let command = String::from_utf8_lossy(&inbound[arguments[0].clone()]).into_owned();
        match shared.answer(command) {
            Answer::Ok => encode_simple("OK", out),
            Answer::Error(words) => encode_error(words, out),
            Answer::Nothing => {}
            Answer::HangUp => return None,
        }
        inbound.drain(..end);
        arguments.clear();
    }
    Some(())
}

/// The same for frames, those that arrived together in reverse.
fn serve_native(inbound: &mut Vec<u8>, out: &mut Vec<u8>, shared: &Shared) -> Option<()> {
    let mut replies = Vec::new();
    while let Some(frame) = native::decode_request(inbound, 1 << 20).ok()? {
        let op = Op::try_from(frame.header.op).ok()?;
        let status = match shared.answer(format!("{op:?}").to_uppercase()) {
            Answer::Ok => Some(Status::Ok),
            Answer::Error(_) => Some(Status::Failed),
            Answer::Nothing => None,
            Answer::HangUp => return None,
        };
        if let Some(status) = status {
            let id = frame.header.id;
            let reply = ReplyHeader { status, retry_after_us: 0, id, number: 0, body_len: 0 };
            replies.push(reply.encode());
        }
        inbound.drain(..frame.len());
    }
    replies.iter().rev().for_each(|reply| out.extend_from_slice(reply));
    Some(())
}

/// An address that serves metrics: a counter of how often it was asked.
pub(crate) fn rising_counter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for looks in 1.. {
            let (mut stream, _) = listener.accept().expect("a connection");
            let read = stream.read(&mut [0; 1024]).expect("a request");
            assert!(read > 0, "the request is sent before its answer is waited for");
            let text = format!("HTTP/1.1 200 OK\r\n\r\nlooks_total {looks}\n");
            stream.write_all(text.as_bytes()).expect("it waits for the answer");
        }
    });
    address
}
