//! Rivals: the same store, commands and protocols, served as they are usually served. The kernel's
//! scheduler decides among their threads.
//!
//! They share what is not compared: a `Conversation` turns a connection's bytes into requests, and
//! the server's own code executes them.

mod conversation;
mod echo;
mod pool;
mod tasks;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;

use revenant_server::keyspace::Keyspace;
use revenant_server::service::Service;
use revenant_server::store::MemoryStore;

/// Threads of a pool: enough that each long request of a busy server has one of its own.
const POOL_THREADS: usize = 64;

/// How a rival serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Tokio's multi-threaded runtime: a task a connection, long requests where they are read.
    Tokio,
    /// The same, but long requests go to its pool of blocking threads, as its manual recommends.
    TokioBlocking,
    /// One thread reads all connections and hands each request to a pool of 64.
    Pool,
    /// No server: one thread spins and sends back what it reads.
    SpinningEcho,
}

impl Peer {
    /// All, as they are compared.
    pub const ALL: [Self; 4] = [Self::Tokio, Self::TokioBlocking, Self::Pool, Self::SpinningEcho];

    /// What command lines and reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::TokioBlocking => "tokio-blocking",
            Self::Pool => "thread-pool",
            Self::SpinningEcho => "spinning-echo",
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let names: Vec<&str> = Self::ALL.iter().map(|peer| peer.name()).collect();
        let found = Self::ALL.into_iter().find(|peer| peer.name() == name);
        found.ok_or_else(|| format!("there is no peer `{name}`; there are: {}", names.join(", ")))
    }
}

/// Serves connections to `address` until the process ends. Tells `ready` where it listens.
///
/// # Errors
/// The address cannot be had, or the system refuses threads.
pub fn serve(peer: Peer, address: SocketAddr, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let service = Service::new(Keyspace::new(Box::new(MemoryStore::default())));
    ready(listener.local_addr()?);
    match peer {
        Peer::Tokio => tasks::serve(listener, Arc::new(service), tasks::LongRequests::InPlace),
        Peer::TokioBlocking => {
            tasks::serve(listener, Arc::new(service), tasks::LongRequests::OnBlockingThreads)
        }
        Peer::Pool => pool::serve(listener, Arc::new(service), POOL_THREADS),
        Peer::SpinningEcho => echo::serve(&listener),
    }
}
