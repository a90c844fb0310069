//! Native frames over UDP: one request a datagram, one reply a datagram. Any of them may be lost, come
//! twice, or late.

use std::io;
use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use revenant_wire::native::{self, HEADER_LEN};
use thiserror::Error;

use crate::dialect::Protocol;
use crate::job::Job;
use crate::keys::KEY_BYTES;

/// What addresses begin with at which datagrams are taken.
pub(crate) const SCHEME: &str = "udp://";

/// The largest datagram there is: 65 535 bytes less the headers of IPv4 and UDP.
const DATAGRAM_MAX: usize = 65_507;

/// The longest value that fits into one, behind a header and a key.
const VALUE_MAX: u32 = (DATAGRAM_MAX - HEADER_LEN - KEY_BYTES) as u32;

/// A job that datagrams cannot do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DatagramError {
    /// Nothing in RESP says which request a reply answers.
    #[error("{SCHEME} carries native frames only: add --protocol native, or drop {SCHEME}")]
    Protocol,
    /// A password would have to be in every datagram.
    #[error(
        "{SCHEME} has no connection that could be given a password: unset REVENANT_PASSWORD, or \
         drop {SCHEME}"
    )]
    Password,
    /// A value is too long.
    #[error(
        "values of {len} bytes do not fit a datagram: give --value-size up to {VALUE_MAX}, or drop \
         {SCHEME}"
    )]
    Value {
        /// Length of the longest.
        len: u32,
    },
    /// Every reply would be late.
    #[error("over {SCHEME} a reply is waited for as long as --drain says: give more than 0")]
    Patience,
}

/// Whether an address is one at which datagrams are taken.
pub(crate) fn is_named_by(target: &str) -> bool {
    target.starts_with(SCHEME)
}

/// Whether datagrams can do a job.
pub(crate) fn check(job: &Job) -> Result<(), DatagramError> {
    if job.protocol != Protocol::Native {
        return Err(DatagramError::Protocol);
    }
    if job.password.is_some() {
        return Err(DatagramError::Password);
    }
    if job.values.max > VALUE_MAX {
        return Err(DatagramError::Value { len: job.values.max });
    }
    if job.drain_ns == 0 {
        return Err(DatagramError::Patience);
    }
    Ok(())
}

/// A port that hears this server alone, and learns when nobody is there.
pub(crate) fn connect(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket)
}

/// The first of several requests: what the next datagram carries.
pub(crate) fn first(requests: &[u8]) -> &[u8] {
    split(requests).next().map_or(requests, |(_, request)| request)
}

/// Each of several requests, and its id.
pub(crate) fn split(mut requests: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    iter::from_fn(move || {
        let frame = native::decode_request(requests, usize::MAX).ok()??;
        let (request, rest) = requests.split_at(frame.len());
        requests = rest;
        Some((frame.header.id, request))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{self, ValueSize};

    #[test]
    fn requests_are_told_apart() {
        let mut bytes = Vec::new();
        for (id, value) in [(7, &b""[..]), (8, b"abc")] {
            let header = native::RequestHeader { id, ..native::RequestHeader::default() };
            native::encode_request(&header, b"key", value, &mut bytes);
        }
        let lens: Vec<_> = split(&bytes).map(|(id, request)| (id, request.len())).collect();
        assert_eq!(lens, [(7, HEADER_LEN + 3), (8, HEADER_LEN + 6)]);
        assert_eq!(first(&bytes), &bytes[..HEADER_LEN + 3]);
    }

    #[test]
    fn the_longest_value_fills_a_datagram() {
        let mut bytes = Vec::new();
        let value = vec![0; VALUE_MAX as usize];
        let key = crate::keys::key_name(0);
        native::encode_request(&native::RequestHeader::default(), &key, &value, &mut bytes);
        assert_eq!(bytes.len(), DATAGRAM_MAX);
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = connect(server.local_addr().unwrap()).unwrap();
        assert_eq!(client.send(first(&bytes)).unwrap(), DATAGRAM_MAX);
    }

    #[test]
    fn what_datagrams_cannot_do_says_what_to_do() {
        type Spoil = fn(&mut Job);
        let cases: [(&str, Spoil); 4] = [
            ("--protocol native", |job| job.protocol = Protocol::Resp),
            ("REVENANT_PASSWORD", |job| job.password = Some("secret".to_owned())),
            ("up to 65459", |job| job.values = ValueSize { min: 0, max: VALUE_MAX + 1 }),
            ("--drain", |job| job.drain_ns = 0),
        ];
        let good = Job { protocol: Protocol::Native, ..job::example() };
        assert_eq!(check(&good), Ok(()));
        for (named, spoil) in cases {
            let mut job = good.clone();
            spoil(&mut job);
            let error = check(&job).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("secret"), "{error}");
        }
    }
}
