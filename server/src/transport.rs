//! The seam between sockets and everything behind them: connections come in, bytes come in, buffers
//! go out, nothing blocks. Two implementations: [`crate::ring`] and [`crate::epoll`].

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A connection's socket, from its acceptance until [`Transport::close`]. Used again afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u32);

impl Key {
    /// The key as an index into tables of connections.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happened since the last look.
#[derive(Debug)]
pub enum Event<'a> {
    /// A client came. Nothing is received from it before [`Transport::receive`].
    Accepted {
        /// Its socket.
        key: Key,
        /// Where it came in, by place in [`Doors::listeners`].
        listener: usize,
    },
    /// A client could not be taken in: the process or the machine has no descriptors or memory left.
    /// Nobody is, where it knocked, before [`Transport::retry_accepting`].
    AcceptFailed(io::Error),
    /// Bytes came.
    Received {
        /// From whom.
        key: Key,
        /// As many as there were; the rest of a request may come later.
        bytes: &'a [u8],
    },
    /// Nothing more will come: the peer closed its side, or the connection broke.
    Ended {
        /// Whose.
        key: Key,
    },
    /// A buffer has been sent as a whole.
    Sent {
        /// Over which socket.
        key: Key,
        /// The buffer, to be used again.
        buffer: Vec<u8>,
    },
    /// A buffer can no longer be sent: the peer is gone.
    Unsendable {
        /// Over which socket.
        key: Key,
    },
    /// A datagram socket may have something.
    Readable {
        /// Which, by place in [`Doors::ports`].
        port: usize,
    },
}

/// Where clients come in.
#[derive(Debug, Default)]
pub struct Doors {
    /// Sockets that listen for connections. They do not block.
    pub listeners: Vec<OwnedFd>,
    /// Datagram sockets. They do not block.
    pub ports: Vec<UdpSocket>,
}

/// Moves bytes between sockets and the server. Used by one thread, the first that polls it.
pub trait Transport: Send {
    /// Begins what was asked for since the last call and tells what has happened. Never blocks.
    ///
    /// # Errors
    /// The kernel's, if the transport as a whole no longer works.
    fn poll(&mut self, event: impl FnMut(Event<'_>)) -> io::Result<()>;

    /// Begins what was asked for, without looking for events.
    ///
    /// # Errors
    /// As for [`Self::poll`].
    fn flush(&mut self) -> io::Result<()>;

    /// Receives from a connection, or no longer does, so that its peer has to wait.
    fn receive(&mut self, key: Key, is_wanted: bool);

    /// Sends a buffer. One at a time a connection: the next after [`Event::Sent`].
    fn send(&mut self, key: Key, buffer: Vec<u8>);

    /// Closes a connection. No event names its key from now on, until it is somebody else's.
    fn close(&mut self, key: Key);

    /// Accepts again where it last failed.
    fn retry_accepting(&mut self);

    /// Accepts nobody from now on.
    fn stop_accepting(&mut self);

    /// The doors it was made with.
    fn doors(&self) -> &Doors;

    /// An eventfd that ends [`Self::sleep`].
    ///
    /// # Errors
    /// The process has no descriptors left.
    fn bell(&self) -> io::Result<File>;

    /// Sleeps until there is something to poll for, the bell rings, or `time` has passed.
    ///
    /// # Errors
    /// As for [`Self::poll`].
    fn sleep(&mut self, time: Duration) -> io::Result<()>;
}
