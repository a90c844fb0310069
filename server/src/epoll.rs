//! Sockets through epoll, where io_uring is forbidden: one call to learn who has something, one more
//! for each that has.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use slab::Slab;

use crate::transport::{Doors, Event, Key, Transport};

/// Sockets looked at in one turn, so that the agent has its turn too.
const EVENTS_PER_TURN: usize = 128;

/// Clients taken in from one listener in one turn.
const CLIENTS_PER_TURN: usize = 32;

/// Bytes taken from one socket in one turn.
const RECEIVE_BYTES: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub struct Epoll {
    epoll: OwnedFd,
    sockets: Slab<Socket>,
    doors: Doors,
    bell: OwnedFd,
    /// Who has something, from the last wait until the turn that looks at it.
    ready: Vec<(Source, EventFlags)>,
    received: Box<[u8]>,
    /// What became of sends, until the next turn. At most one a socket.
    sent: Vec<(Key, Option<Vec<u8>>)>,
    is_accepting: bool,
    /// Listeners that had no descriptor or memory for a client.
    starved: Vec<usize>,
}

#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    wants_input: bool,
    /// Interest as the kernel knows it.
    interest: EventFlags,
    sending: Option<Sending>,
}

/// A buffer on its way out, and how far it is.
#[derive(Debug)]
struct Sending {
    buffer: Vec<u8>,
    sent: usize,
}

/// What a readiness event belongs to: doors and bell count down from the top of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Socket(Key),
    Listener(usize),
    Port(usize),
    Bell,
}

impl Source {
    const fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Socket(key) => key.0 as u64,
            Self::Listener(listener) => 1 << 32 | listener as u64,
            Self::Port(port) => 2 << 32 | port as u64,
            Self::Bell => 3 << 32,
        })
    }

    fn of(data: EventData) -> Self {
        let bits = data.u64();
        match bits >> 32 {
            0 => Self::Socket(Key(bits as u32)),
            1 => Self::Listener(bits as u32 as usize),
            2 => Self::Port(bits as u32 as usize),
            _ => Self::Bell,
        }
    }
}

impl Epoll {
    /// Sets it up.
    ///
    /// # Errors
    /// The kernel's, if it refuses a descriptor.
    pub fn new(doors: Doors) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, Source::Bell.data(), EventFlags::IN)?;
        for (index, listener) in doors.listeners.iter().enumerate() {
            epoll::add(&epoll, listener, Source::Listener(index).data(), EventFlags::IN)?;
        }
        for (index, port) in doors.ports.iter().enumerate() {
            epoll::add(&epoll, port, Source::Port(index).data(), EventFlags::IN)?;
        }
        Ok(Self {
            epoll,
            sockets: Slab::new(),
            doors,
            bell,
            ready: Vec::with_capacity(EVENTS_PER_TURN),
            received: vec![0; RECEIVE_BYTES].into(),
            sent: Vec::new(),
            is_accepting: true,
            starved: Vec::new(),
        })
    }

    fn wait(&mut self, time: Duration) -> io::Result<()> {
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
        let mut room = [const { MaybeUninit::uninit() }; EVENTS_PER_TURN];
        match epoll::wait(&self.epoll, &mut room, Some(&time)) {
            Ok((events, _)) => {
                let ready = events.iter().map(|event| (Source::of(event.data), event.flags));
                self.ready.extend(ready);
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self, listener: usize, event: &mut impl FnMut(Event<'_>)) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        for _ in 0..CLIENTS_PER_TURN {
            if !self.is_accepting {
                return;
            }
            match rustix::net::accept_with(&self.doors.listeners[listener], flags) {
                Ok(fd) => match self.insert(fd) {
                    Ok(key) => event(Event::Accepted { key, listener }),
                    Err(error) => return self.starve(listener, error, event),
                },
                Err(Errno::AGAIN) => return,
                Err(error) => return self.starve(listener, error.into(), event),
            }
        }
    }

    /// Leaves a listener alone for a while: the kernel would say for ever that somebody knocks.
    fn starve(&mut self, listener: usize, error: io::Error, event: &mut impl FnMut(Event<'_>)) {
        let _gone = epoll::delete(&self.epoll, &self.doors.listeners[listener]);
        self.starved.push(listener);
        event(Event::AcceptFailed(error));
    }

    fn insert(&mut self, fd: OwnedFd) -> io::Result<Key> {
        let entry = self.sockets.vacant_entry();
        let key = Key(entry.key() as u32);
        let interest = EventFlags::empty();
        epoll::add(&self.epoll, &fd, Source::Socket(key).data(), interest)?;
        entry.insert(Socket { fd, wants_input: false, interest, sending: None });
        Ok(key)
    }

    /// Tells the kernel what a socket waits for, if that has changed.
    fn update_interest(&mut self, key: Key) {
        let socket = &mut self.sockets[key.index()];
        let mut interest = EventFlags::empty();
        interest.set(EventFlags::IN, socket.wants_input);
        interest.set(EventFlags::OUT, socket.sending.is_some());
        if interest != socket.interest {
            socket.interest = interest;
            // It fails for want of kernel memory only; the idle and stall timeouts then end it.
            let _timeouts_end_it =
                epoll::modify(&self.epoll, &socket.fd, Source::Socket(key).data(), interest);
        }
    }

    fn look_at(&mut self, key: Key, flags: EventFlags, event: &mut impl FnMut(Event<'_>)) {
        let is_broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if flags.contains(EventFlags::OUT) || is_broken {
            self.push_out(key);
        }
        let socket = &self.sockets[key.index()];
        if !socket.wants_input && is_broken {
            // Nothing goes in or out any more, and the kernel would say so for ever.
            return event(Event::Unsendable { key });
        }
        if !socket.wants_input || !(flags.contains(EventFlags::IN) || is_broken) {
            return;
        }
        match rustix::net::recv(&socket.fd, &mut *self.received, RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.end_input(key, event),
            Ok((length, _)) => event(Event::Received { key, bytes: &self.received[..length] }),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_broken) => self.end_input(key, event),
        }
    }

    fn end_input(&mut self, key: Key, event: &mut impl FnMut(Event<'_>)) {
        self.sockets[key.index()].wants_input = false;
        self.update_interest(key);
        event(Event::Ended { key });
    }

    /// Sends as much as the socket takes now.
    fn push_out(&mut self, key: Key) {
        let socket = &mut self.sockets[key.index()];
        let Some(sending) = &mut socket.sending else { return };
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let outcome = loop {
            match rustix::net::send(socket.fd.as_fd(), &sending.buffer[sending.sent..], flags) {
                Ok(length) => sending.sent += length,
                Err(Errno::AGAIN) => break None,
                Err(Errno::INTR) => {}
                Err(_gone) => break Some(None),
            }
            if sending.sent == sending.buffer.len() {
                break Some(Some(std::mem::take(&mut sending.buffer)));
            }
        };
        if let Some(outcome) = outcome {
            socket.sending = None;
            self.sent.push((key, outcome));
        }
        self.update_interest(key);
    }
}

impl Transport for Epoll {
    fn poll(&mut self, mut event: impl FnMut(Event<'_>)) -> io::Result<()> {
        for (key, buffer) in self.sent.drain(..) {
            event(match buffer {
                Some(buffer) => Event::Sent { key, buffer },
                None => Event::Unsendable { key },
            });
        }
        if self.ready.is_empty() {
            self.wait(Duration::ZERO)?;
        }
        for index in 0..self.ready.len() {
            let (source, flags) = self.ready[index];
            match source {
                Source::Socket(key) => self.look_at(key, flags, &mut event),
                Source::Listener(listener) => self.accept(listener, &mut event),
                Source::Port(port) => event(Event::Readable { port }),
                Source::Bell => {
                    let _silenced = rustix::io::read(&self.bell, &mut [0; 8]);
                }
            }
        }
        self.ready.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is put off.
        Ok(())
    }

    fn receive(&mut self, key: Key, is_wanted: bool) {
        self.sockets[key.index()].wants_input = is_wanted;
        self.update_interest(key);
    }

    fn send(&mut self, key: Key, buffer: Vec<u8>) {
        let socket = &mut self.sockets[key.index()];
        debug_assert!(socket.sending.is_none(), "one buffer at a time");
        socket.sending = Some(Sending { buffer, sent: 0 });
        self.push_out(key);
    }

    fn close(&mut self, key: Key) {
        // Closing the descriptor takes it out of the epoll set: nobody has a copy.
        self.sockets.remove(key.index());
        self.sent.retain(|(sent, _)| *sent != key);
        self.ready.retain(|(source, _)| *source != Source::Socket(key));
    }

    fn retry_accepting(&mut self) {
        while let Some(listener) = self.starved.pop() {
            let (fd, data) = (&self.doors.listeners[listener], Source::Listener(listener).data());
            if epoll::add(&self.epoll, fd, data, EventFlags::IN).is_err() {
                return self.starved.push(listener);
            }
        }
    }

    fn stop_accepting(&mut self) {
        self.is_accepting = false;
        self.starved.clear();
        for listener in &self.doors.listeners {
            let _gone = epoll::delete(&self.epoll, listener);
        }
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    fn bell(&self) -> io::Result<File> {
        Ok(self.bell.try_clone()?.into())
    }

    fn sleep(&mut self, time: Duration) -> io::Result<()> {
        if self.sent.is_empty() && self.ready.is_empty() { self.wait(time) } else { Ok(()) }
    }
}
