//! One connection that never blocks: bytes out, bytes in, and who waits for which reply.

use std::io::{self, Read, Write};

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::waiting::{Pending, Waiting};
use crate::dialect::{Decoder, DialectError, Protocol, Reply};
use crate::endpoint::Stream;

/// Most bytes that wait for a server that does not read; beyond, requests are dropped.
const OUTBOUND_MAX: usize = 4 << 20;

/// A socket of either kind.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Everything there was.
    All,
    /// There may be more.
    Some,
    /// The server closed the connection.
    End,
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    decoder: Decoder,
    pub(super) waiting: Waiting,
    inbound: Vec<u8>,
    /// Where the bytes begin that were not decoded yet.
    inbound_from: usize,
    outbound: Vec<u8>,
    /// Where the bytes begin that were not sent yet.
    outbound_from: usize,
}

impl Connection {
    /// Takes over a connection that blocked so far.
    pub(super) fn new(stream: Stream, protocol: Protocol) -> io::Result<Self> {
        let socket = match stream {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Socket::Tcp(TcpStream::from_std(stream))
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Socket::Unix(UnixStream::from_std(stream))
            }
        };
        Ok(Self {
            socket,
            decoder: Decoder::new(protocol),
            waiting: Waiting::new(protocol),
            inbound: Vec::new(),
            inbound_from: 0,
            outbound: Vec::new(),
            outbound_from: 0,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match &mut self.socket {
            Socket::Tcp(socket) => registry.register(socket, token, both),
            Socket::Unix(socket) => registry.register(socket, token, both),
        }
    }

    /// Whether a server that does not read has made it full.
    pub(super) fn is_full(&self) -> bool {
        self.outbound.len() - self.outbound_from > OUTBOUND_MAX
    }

    /// Adds a request; `encode` writes it with the id it is given. Does not send yet.
    pub(super) fn push(&mut self, pending: Pending, encode: impl FnOnce(u64, &mut Vec<u8>)) {
        let id = self.waiting.insert(pending);
        encode(id, &mut self.outbound);
    }

    /// Sends what the kernel takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.outbound_from < self.outbound.len() {
            let bytes = &self.outbound[self.outbound_from..];
            let sent = match &mut self.socket {
                Socket::Tcp(socket) => socket.write(bytes),
                Socket::Unix(socket) => socket.write(bytes),
            };
            match sent {
                Ok(count) => self.outbound_from += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outbound.clear();
        self.outbound_from = 0;
        Ok(())
    }

    /// Takes in what has arrived, at most a buffer full.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Arrived> {
        let read = match &mut self.socket {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        };
        match read {
            Ok(0) => Ok(Arrived::End),
            Ok(count) => {
                self.inbound.extend_from_slice(&buffer[..count]);
                // Readiness is told at its edge: less than asked for means that nothing is left.
                Ok(if count < buffer.len() { Arrived::All } else { Arrived::Some })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Arrived::All),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Arrived::Some),
            Err(error) => Err(error),
        }
    }

    /// The next reply that has arrived, and the request it answers.
    pub(super) fn next_reply(
        &mut self,
    ) -> Result<Option<(Option<Pending>, Reply<'_>)>, DialectError> {
        if self.inbound_from == self.inbound.len() {
            self.inbound.clear();
            self.inbound_from = 0;
            return Ok(None);
        }
        let from = self.inbound_from;
        let Some(reply) = self.decoder.next(&self.inbound[from..])? else { return Ok(None) };
        self.inbound_from = from + reply.len;
        Ok(Some((self.waiting.take(reply.id), reply)))
    }

    /// Moves an incomplete reply to the beginning, so that the buffer does not grow for ever.
    pub(super) fn compact(&mut self) {
        if self.inbound_from > 0 {
            self.inbound.drain(..self.inbound_from);
            self.inbound_from = 0;
        }
    }
}
