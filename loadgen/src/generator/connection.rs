//! One connection that never blocks: bytes out, bytes in, and who waits for which reply.

use std::io;

use mio::{Registry, Token};

use super::socket::Socket;
use super::waiting::{Pending, Waiting};
use crate::dialect::{Decoder, DialectError, Protocol, Reply};
use crate::link::Link;

/// Most bytes that wait for a server that does not read; beyond, requests are dropped.
const OUTBOUND_MAX: usize = 4 << 20;

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Everything there was.
    All,
    /// There may be more.
    Some,
    /// A datagram that answers nothing under way: it comes late or twice. There may be more.
    Stray,
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
    pub(super) fn new(link: Link, protocol: Protocol) -> io::Result<Self> {
        Ok(Self {
            socket: Socket::new(link)?,
            decoder: Decoder::new(protocol),
            waiting: Waiting::new(protocol),
            inbound: Vec::new(),
            inbound_from: 0,
            outbound: Vec::new(),
            outbound_from: 0,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register(registry, token)
    }

    pub(super) fn register_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.register_again(registry, token)
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
            match self.socket.send(&self.outbound[self.outbound_from..]) {
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
        match self.socket.receive(buffer) {
            Ok(count) if self.socket.is_datagram() => Ok(self.sift(&buffer[..count])),
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

    /// Takes a datagram in if it is the reply to a request under way, and nothing else. On a stream such
    /// a reply would be the end of it; the next datagram is as good as any.
    fn sift(&mut self, datagram: &[u8]) -> Arrived {
        let reply = self.decoder.next(datagram).ok().flatten();
        let whole = reply.filter(|reply| reply.len == datagram.len());
        if whole.is_none_or(|reply| !self.waiting.has(reply.id)) {
            return Arrived::Stray;
        }
        self.inbound.extend_from_slice(datagram);
        Arrived::Some
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use mio::event::Event;
    use mio::{Events, Poll};
    use revenant_wire::native::{
        ReplyHeader, RequestHeader, Status, decode_request, encode_request,
    };

    use super::*;
    use crate::datagram;

    /// Far longer than anything takes on the busiest machine: only a hang meets it.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A connection over datagrams, and the server at its other end.
    fn datagrams() -> (Connection, UdpSocket) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let link = Link::Udp(datagram::connect(server.local_addr().unwrap()).unwrap());
        let connection = Connection::new(link, Protocol::Native).unwrap();
        let Socket::Udp(socket) = &connection.socket else { panic!("it is of datagrams") };
        server.connect(socket.local_addr().unwrap()).unwrap();
        (connection, server)
    }

    fn push(connection: &mut Connection) {
        connection.push(Pending { class: 0, intended_ns: 0, sent_ns: 0 }, |id, out| {
            encode_request(&RequestHeader { id, ..RequestHeader::default() }, b"k", b"", out);
        });
    }

    /// The id in the next datagram, which holds one request and nothing else.
    fn heard(server: &UdpSocket) -> u64 {
        let mut buffer = [0; 1024];
        let len = server.recv(&mut buffer).unwrap();
        let frame = decode_request(&buffer, buffer.len()).unwrap().unwrap();
        assert_eq!(frame.len(), len);
        frame.header.id
    }

    fn reply(id: u64) -> [u8; 32] {
        let status = Status::Ok;
        ReplyHeader { status, retry_after_us: 0, id, number: 0, body_len: 0 }.encode()
    }

    /// Waits for one datagram.
    fn read(connection: &mut Connection) -> Arrived {
        loop {
            match connection.read(&mut [0; 1024]).unwrap() {
                Arrived::All => std::hint::spin_loop(),
                arrived => return arrived,
            }
        }
    }

    #[test]
    fn each_request_is_a_datagram_of_its_own() {
        let (mut connection, server) = datagrams();
        (0..3).for_each(|_| push(&mut connection));
        connection.flush().unwrap();
        let ids: Vec<u64> = (0..3).map(|_| heard(&server)).collect();
        for id in ids {
            server.send(&reply(id)).unwrap();
            assert_eq!(read(&mut connection), Arrived::Some);
            assert!(matches!(connection.next_reply(), Ok(Some((Some(_), _)))));
            assert!(matches!(connection.next_reply(), Ok(None)));
        }
    }

    #[test]
    fn datagrams_that_answer_nothing_are_strays_and_harm_no_other() {
        let (mut connection, server) = datagrams();
        push(&mut connection);
        connection.flush().unwrap();
        let id = heard(&server);
        let two = [reply(id), reply(id)].concat();
        for stray in [&b""[..], b"HTTP/1.1", &reply(id)[..31], &reply(id + 1), &two] {
            server.send(stray).unwrap();
            assert_eq!(read(&mut connection), Arrived::Stray, "{stray:?}");
            assert!(matches!(connection.next_reply(), Ok(None)));
        }
        server.send(&reply(id)).unwrap();
        assert_eq!(read(&mut connection), Arrived::Some);
        assert!(matches!(connection.next_reply(), Ok(Some((Some(_), _)))));
        push(&mut connection);
        server.send(&reply(id)).unwrap();
        assert_eq!(read(&mut connection), Arrived::Stray, "it came twice");
    }

    #[test]
    fn nobody_at_the_other_end_is_an_error() {
        let (mut connection, server) = datagrams();
        drop(server);
        push(&mut connection);
        connection.flush().unwrap();
        let error = loop {
            match connection.read(&mut [0; 1024]) {
                Ok(_) => std::hint::spin_loop(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_is_left_to_read_is_told_once_more() {
        let (mut connection, server) = datagrams();
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
        connection.register(poll.registry(), Token(0)).unwrap();
        (0..2).for_each(|_| assert_eq!(server.send(b"stray").unwrap(), 5));
        while !events.iter().any(Event::is_readable) {
            poll.poll(&mut events, Some(PATIENCE)).unwrap();
        }
        assert_eq!(connection.read(&mut [0; 1024]).unwrap(), Arrived::Stray);
        connection.register_again(poll.registry(), Token(0)).unwrap();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.iter().any(Event::is_readable));
    }
}
