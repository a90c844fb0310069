//! A socket that never blocks, of any kind.

use std::io::{self, Read, Write};

use mio::net::{TcpStream, UdpSocket, UnixStream};
use mio::{Interest, Registry, Token};

use crate::datagram;
use crate::link::Link;

/// Streams, and a port for datagrams.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Udp(UdpSocket),
}

impl Socket {
    /// Takes over a connection that blocked so far.
    pub(super) fn new(link: Link) -> io::Result<Self> {
        Ok(match link {
            Link::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Self::Tcp(TcpStream::from_std(stream))
            }
            Link::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Self::Unix(UnixStream::from_std(stream))
            }
            Link::Udp(socket) => {
                socket.set_nonblocking(true)?;
                Self::Udp(UdpSocket::from_std(socket))
            }
        })
    }

    /// Has its readiness told, at its edges.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, both),
            Self::Unix(stream) => registry.register(stream, token, both),
            Self::Udp(socket) => registry.register(socket, token, both),
        }
    }

    /// Has its readiness told once more, though the edge is past.
    pub(super) fn register_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.reregister(stream, token, both),
            Self::Unix(stream) => registry.reregister(stream, token, both),
            Self::Udp(socket) => registry.reregister(socket, token, both),
        }
    }

    /// Whether what it carries may be lost, come twice, or late.
    pub(super) fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Sends the beginning of `requests`, as much as the kernel takes; in a datagram, the first of them.
    pub(super) fn send(&mut self, requests: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(requests),
            Self::Unix(stream) => stream.write(requests),
            Self::Udp(socket) => socket.send(datagram::first(requests)),
        }
    }

    /// Reads what has arrived; of datagrams, the first.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Udp(socket) => socket.recv(buffer),
        }
    }
}
