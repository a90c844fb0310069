//! Where clients come in: addresses, and the sockets bound to them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::net::sockopt;

/// Clients that wait to be accepted. Halved, a burst of a thousand new clients would see resets.
const BACKLOG: i32 = 1024;

/// What the kernel tells of a socket's memory: `SK_MEMINFO_VARS` of linux/sock_diag.h.
const MEMORY_WORDS: usize = 9;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `tcp://HOST:PORT`, or without the scheme.
    Tcp(SocketAddr),
    /// `udp://HOST:PORT`: native frames, one a datagram.
    Udp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address: write HOST:PORT with the host as a number (127.0.0.1:6379, [::1]:6379), \
     udp://HOST:PORT, or unix:PATH"
)]
pub struct NoAddress {
    text: String,
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let no_address = |_| NoAddress { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = !path.is_empty();
            return is_path.then(|| Self::Unix(path.into())).ok_or_else(|| no_address(()));
        }
        if let Some(address) = text.strip_prefix("udp://") {
            return address.parse().map(Self::Udp).map_err(|_| no_address(()));
        }
        let address = text.strip_prefix("tcp://").unwrap_or(text);
        address.parse().map(Self::Tcp).map_err(|_| no_address(()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) | Self::Udp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// A socket bound to an address.
#[derive(Debug)]
pub enum Bound {
    /// One that accepts connections.
    Listener(OwnedFd),
    /// One that takes datagrams.
    Port(UdpSocket),
}

/// Binds an address. Returns it as it came out: port 0 becomes the port that was free.
///
/// # Errors
/// The kernel's: the address is in use, or not this machine's.
pub fn bind(address: &Address) -> io::Result<(Bound, Address)> {
    match address {
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            rustix::net::listen(&listener, BACKLOG)?;
            // Connections inherit both: replies are not held back, vanished peers are noticed.
            sockopt::set_tcp_nodelay(&listener, true)?;
            sockopt::set_socket_keepalive(&listener, true)?;
            let address = Address::Tcp(listener.local_addr()?);
            Ok((Bound::Listener(listener.into()), address))
        }
        Address::Unix(path) => {
            remove_if_stale(path)?;
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            rustix::net::listen(&listener, BACKLOG)?;
            Ok((Bound::Listener(listener.into()), address.clone()))
        }
        Address::Udp(address) => {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = Address::Udp(socket.local_addr()?);
            Ok((Bound::Port(socket), address))
        }
    }
}

/// Datagrams that found `port`'s buffer full since it was bound, and are lost.
///
/// # Errors
/// The kernel's, where a sandbox forbids to ask.
pub fn dropped(port: &UdpSocket) -> io::Result<u64> {
    let mut memory = [0_u32; MEMORY_WORDS];
    let mut length = size_of_val(&memory) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `port` is borrowed, and `memory` has the length stated.
    let code = unsafe {
        libc::getsockopt(
            port.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            memory.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if code == 0 {
        Ok(memory[libc::SK_MEMINFO_DROPS as usize].into())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A socket file that a server left behind keeps its address; one that somebody answers on stays.
fn remove_if_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for (text, written) in [
            ("127.0.0.1:6379", "127.0.0.1:6379"),
            ("tcp://[::1]:1", "[::1]:1"),
            ("udp://0.0.0.0:9", "udp://0.0.0.0:9"),
            ("unix:/run/a b", "unix:/run/a b"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
        for text in ["", "6379", "localhost", "unix:", "udp://x", "127.0.0.1:99999"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn only_loopback_and_files_are_local() {
        for (text, is_local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/x", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
            ("udp://0.0.0.0:1", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_local(), is_local, "{text}");
        }
    }

    #[test]
    fn what_finds_the_buffer_full_is_counted() {
        let (Bound::Port(port), Address::Udp(address)) =
            bind(&"udp://127.0.0.1:0".parse().unwrap()).unwrap()
        else {
            panic!("this is no port");
        };
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = || sender.send_to(&[0; 1024], address).unwrap();
        let sent = (1_u64..100_000).find(|_| send() > 0 && dropped(&port).unwrap() > 0);
        let sent = sent.expect("no buffer holds them all");
        let mut received = 0;
        while port.recv_from(&mut [0; 1024]).is_ok() {
            received += 1;
        }
        // Of an empty buffer, too.
        let dropped = dropped(&port).unwrap();
        assert!(received > 0 && dropped > 0 && received + dropped <= sent);
    }

    #[test]
    fn a_socket_file_is_taken_over_only_if_nobody_answers() {
        let path = std::env::temp_dir().join(format!("revenant-door-{}", std::process::id()));
        let address = Address::Unix(path.clone());
        let first = bind(&address).unwrap();
        assert_eq!(bind(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let second = bind(&address).unwrap();
        drop(second);
        std::fs::remove_file(path).unwrap();
    }
}
