//! A plain thread pool: one thread reads all connections, the pool's threads execute requests and
//! write the replies themselves.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use revenant_server::service::Service;
use slab::Slab;

use super::conversation::{Conversation, Errand, Step};

/// Events taken at a time.
const EVENTS: usize = 256;

/// What one read takes in at most.
const READ_BYTES: usize = 16 * 1024;

const LISTENER: Token = Token(usize::MAX);

/// A connection, as reader and pool share it.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// Replies are whole: one thread writes at a time.
    out: Mutex<()>,
    /// Requests that wait for the one before them, which the pool has.
    waiting: Mutex<Option<VecDeque<Errand>>>,
}

/// A request for the pool.
#[derive(Debug)]
struct Order {
    connection: Arc<Connection>,
    errand: Errand,
    is_sequential: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    threads: usize,
) -> io::Result<()> {
    // Bounded by what the clients have under way.
    let (orders, queue) = unbounded();
    for index in 0..threads {
        let (service, queue) = (Arc::clone(&service), queue.clone());
        let name = format!("pool-{index}");
        thread::Builder::new().name(name).spawn(move || execute_all(&service, &queue))?;
    }
    Reader::new(listener, service, orders)?.read_all()
}

/// A thread of the pool.
fn execute_all(service: &Service, queue: &Receiver<Order>) {
    let mut reply = Vec::new();
    for Order { connection, mut errand, is_sequential } in queue {
        loop {
            reply.clear();
            errand.run(service, &mut reply);
            // The reader notices a connection that broke.
            let _broken = connection.send(&reply);
            if !is_sequential {
                break;
            }
            let mut waiting = lock(&connection.waiting);
            match waiting.as_mut().and_then(VecDeque::pop_front) {
                Some(next) => errand = next,
                None => {
                    *waiting = None;
                    break;
                }
            }
        }
    }
}

impl Connection {
    fn send(&self, reply: &[u8]) -> io::Result<()> {
        let _turn = lock(&self.out);
        let mut rest = reply;
        while !rest.is_empty() {
            match (&self.stream).write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.await_room()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn await_room(&self) -> io::Result<()> {
        let mut place =
            libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid place; the descriptor is the stream's, which lives as long as `self`.
        match unsafe { libc::poll(&raw mut place, 1, -1) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// The thread that reads.
struct Reader {
    poll: Poll,
    listener: TcpListener,
    service: Arc<Service>,
    orders: Sender<Order>,
    connections: Slab<(Arc<Connection>, Conversation)>,
}

impl Reader {
    fn new(
        listener: TcpListener,
        service: Arc<Service>,
        orders: Sender<Order>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let source = listener.as_raw_fd();
        poll.registry().register(&mut SourceFd(&source), LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, service, orders, connections: Slab::new() })
    }

    fn read_all(mut self) -> io::Result<()> {
        let (mut events, mut bytes) = (Events::with_capacity(EVENTS), vec![0; READ_BYTES]);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_all()?,
                    Token(key) => self.read(key, &mut bytes),
                }
            }
        }
    }

    fn accept_all(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let place = self.connections.vacant_entry();
            let source = stream.as_raw_fd();
            let token = Token(place.key());
            self.poll.registry().register(&mut SourceFd(&source), token, Interest::READABLE)?;
            let (out, waiting) = (Mutex::default(), Mutex::default());
            let connection = Arc::new(Connection { stream, out, waiting });
            place.insert((connection, Conversation::new()));
        }
    }

    /// Reads until there is no more: mio tells of each arrival once.
    fn read(&mut self, key: usize, bytes: &mut [u8]) {
        while let Some((connection, conversation)) = self.connections.get_mut(key) {
            let is_over = match (&connection.stream).read(bytes) {
                Ok(0) => true,
                Ok(count) => {
                    conversation.receive(&bytes[..count]);
                    hand_over((connection, conversation), &self.service, &self.orders)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => true,
            };
            if is_over {
                // What is under way keeps the stream open until it is answered.
                self.connections.remove(key);
            }
        }
    }
}

/// Gives the pool what was asked. Returns whether that was the last.
fn hand_over(
    (connection, conversation): (&Arc<Connection>, &mut Conversation),
    service: &Service,
    orders: &Sender<Order>,
) -> bool {
    let mut out = Vec::new();
    let is_over = loop {
        let errand = match conversation.next(service, &mut out) {
            Step::Wait => break false,
            Step::End => break true,
            Step::Ask(errand) => errand,
        };
        let is_sequential = !conversation.is_concurrent();
        let mut waiting = lock(&connection.waiting);
        if let (true, Some(waiting)) = (is_sequential, waiting.as_mut()) {
            waiting.push_back(errand);
            continue;
        }
        *waiting = is_sequential.then(VecDeque::new);
        let order = Order { connection: Arc::clone(connection), errand, is_sequential };
        // The pool's threads live as long as the process.
        let _served = orders.send(order);
    };
    let _broken = connection.send(&out);
    is_over
}
