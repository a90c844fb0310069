//! Where a server listens, and whether load may be sent there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::datagram;
use crate::link::Link;

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Over TCP.
    Tcp(SocketAddr),
    /// In datagrams over UDP.
    Udp(SocketAddr),
    /// Over a socket in the file system.
    Unix(PathBuf),
}

/// Whether load may leave this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine's own servers.
    Loopback,
    /// Any server.
    Anywhere,
}

/// Why there is no endpoint, or nobody at it.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The text is no address.
    #[error(
        "`{text}` is no address: write HOST:PORT, as in 127.0.0.1:6379, udp://HOST:PORT, or \
         unix:/path/of/socket"
    )]
    Shape {
        /// What was written.
        text: String,
    },
    /// The name is unknown.
    #[error("cannot resolve `{text}`: {source}; check the name, or write its number")]
    Unknown {
        /// What was written.
        text: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Load would leave this machine.
    #[error(
        "{endpoint} is not on this machine: load can take a server down; if it is yours to load, \
         add --allow-remote"
    )]
    Remote {
        /// The address.
        endpoint: Endpoint,
    },
    /// Nobody answers.
    #[error("cannot connect to {endpoint}: {source}; {}", cure(source.kind()))]
    Connect {
        /// The address.
        endpoint: Endpoint,
        /// What the kernel said.
        source: io::Error,
    },
}

fn cure(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "is the server running, and on this port?",
        io::ErrorKind::NotFound => "is the server running, and is this the path of its socket?",
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "does a firewall stand between, or is the server out of connections?"
        }
        io::ErrorKind::PermissionDenied => "may this user use the socket?",
        _ => "check the address, and the bound on open files (ulimit -n) for many connections",
    }
}

impl Endpoint {
    /// Reads `HOST:PORT`, `tcp://HOST:PORT`, `udp://HOST:PORT` or `unix:PATH`.
    ///
    /// # Errors
    /// When the text is no address, its name is unknown, or it is out of reach.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (kind, named): (fn(SocketAddr) -> Self, _) = match text.strip_prefix(datagram::SCHEME) {
            Some(named) => (Self::Udp, named),
            None => (Self::Tcp, text.strip_prefix("tcp://").unwrap_or(text)),
        };
        let port = named.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            return Err(EndpointError::Shape { text: text.to_owned() });
        }
        let unknown = |source| EndpointError::Unknown { text: text.to_owned(), source };
        let addresses = named.to_socket_addrs().map_err(unknown)?;
        // `localhost` has two addresses; servers listen on the old one unless told.
        let address = addresses.min_by_key(SocketAddr::is_ipv6);
        let address = address.ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))?;
        let endpoint = kind(address);
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(EndpointError::Remote { endpoint });
        }
        Ok(endpoint)
    }

    /// Whether requests and replies travel in datagrams.
    pub(crate) fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Connects; waits until that is done.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub fn connect(&self) -> Result<Link, EndpointError> {
        let connected = match self {
            Self::Tcp(address) => {
                TcpStream::connect_timeout(address, CONNECT_TIMEOUT).and_then(|stream| {
                    // A request waits for nobody's acknowledgement.
                    stream.set_nodelay(true)?;
                    Ok(Link::Tcp(stream))
                })
            }
            Self::Udp(address) => datagram::connect(*address).map(Link::Udp),
            Self::Unix(path) => UnixStream::connect(path).map(Link::Unix),
        };
        connected.map_err(|source| EndpointError::Connect { endpoint: self.clone(), source })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "{}{address}", datagram::SCHEME),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind() {
        let read = |text| Endpoint::parse(text, Reach::Loopback).unwrap();
        assert_eq!(read("127.0.0.1:6379").to_string(), "127.0.0.1:6379");
        assert_eq!(read("tcp://127.0.0.1:6379"), read("127.0.0.1:6379"));
        assert_eq!(read("udp://127.0.0.1:6379").to_string(), "udp://127.0.0.1:6379");
        assert_eq!(read("unix:/tmp/a.sock"), Endpoint::Unix("/tmp/a.sock".into()));
    }

    #[test]
    fn load_stays_on_this_machine_unless_told() {
        let error = Endpoint::parse("192.0.2.1:80", Reach::Loopback).unwrap_err().to_string();
        assert!(error.contains("--allow-remote"), "{error}");
        assert!(Endpoint::parse("udp://192.0.2.1:80", Reach::Loopback).is_err());
        assert!(Endpoint::parse("192.0.2.1:80", Reach::Anywhere).is_ok());
        assert!(Endpoint::parse("[::1]:80", Reach::Loopback).is_ok());
    }

    #[test]
    fn names_what_is_no_address() {
        for text in ["", "localhost", "127.0.0.1:", "127.0.0.1:99999", "6379", "udp://localhost"] {
            let error = Endpoint::parse(text, Reach::Anywhere).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn nobody_there_asks_whether_the_server_runs() {
        let path = std::env::temp_dir().join("revenant-nobody-listens.sock");
        let error = Endpoint::Unix(path).connect().unwrap_err().to_string();
        assert!(error.contains("is the server running"), "{error}");
    }
}
