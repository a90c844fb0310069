//! Requests and the replies to them. On a stream all replies come; of datagrams some are lost, so
//! requests are sent again until each has its reply.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::{Session, SessionError};
use crate::clock::Clock;
use crate::datagram;
use crate::dialect::DialectError;
use crate::tally::Outcome;

/// How long one reply may take: long requests of a mix take milliseconds, a full server seconds.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long replies are waited for before their requests are sent again; twice as long each time, so
/// that a busy server is not asked ever more. All attempts together take as long as one reply may.
const FIRST_WAIT: Duration = Duration::from_millis(40);
const ATTEMPTS: u32 = 8;

/// Requests under way at once, and their values' bytes: on a stream enough to hide a network's round
/// trip, little enough for any server's buffers.
const STREAM_FLIGHT: (usize, usize) = (500, 1 << 20);
/// The same for datagrams. A socket holds 208 KiB by default, and small datagrams count there with
/// 768 bytes and more.
const DATAGRAM_FLIGHT: (usize, usize) = (64, 1 << 16);

/// Bytes read at once: no datagram is longer.
const READ_BYTES: usize = 64 * 1024;

/// A reply.
struct Heard {
    id: Option<u64>,
    /// The server's words, if it is an error.
    error: Option<String>,
}

impl Session {
    /// Most requests with values of such a length to be asked at once.
    pub(super) fn flight(&self, value_len: usize) -> usize {
        let is_datagram = self.endpoint.is_datagram();
        let (count, bytes) = if is_datagram { DATAGRAM_FLIGHT } else { STREAM_FLIGHT };
        (bytes / value_len.max(1)).clamp(1, count)
    }

    /// Asks so many requests, and waits for all replies. Returns the server's words for the first
    /// that failed. Datagrams may ask some of them twice, and tell replies apart by id.
    pub(super) fn ask(
        &mut self,
        requests: &[u8],
        count: usize,
    ) -> Result<Option<String>, SessionError> {
        if self.endpoint.is_datagram() {
            return self.ask_until_answered(requests);
        }
        self.wait_at_most(REPLY_TIMEOUT)?;
        self.send(requests)?;
        for _ in 0..count {
            let heard = self.next_of_stream()?;
            if heard.error.is_some() {
                return Ok(heard.error);
            }
        }
        Ok(None)
    }

    fn ask_until_answered(&mut self, requests: &[u8]) -> Result<Option<String>, SessionError> {
        let mut missing: Vec<(u64, &[u8])> = datagram::split(requests).collect();
        for attempt in 0..ATTEMPTS {
            for (_, request) in &missing {
                self.send(request)?;
            }
            let (since, wait) = (Clock::start(), FIRST_WAIT * 2_u32.pow(attempt));
            while let Some(heard) = self.next_datagram(since, wait)? {
                let place = missing.iter().position(|(id, _)| Some(*id) == heard.id);
                // What nobody waits for answers an attempt before.
                let Some(place) = place else { continue };
                missing.swap_remove(place);
                if heard.error.is_some() || missing.is_empty() {
                    return Ok(heard.error);
                }
            }
        }
        Err(self.broken(io::ErrorKind::TimedOut.into()))
    }

    fn next_of_stream(&mut self) -> Result<Heard, SessionError> {
        loop {
            if let Some(heard) = self.heard()? {
                return Ok(heard);
            }
            if self.receive().map_err(|source| self.broken(source))? == 0 {
                return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The next datagram; `None` if there is none until `wait` after `since`.
    fn next_datagram(
        &mut self,
        since: Clock,
        wait: Duration,
    ) -> Result<Option<Heard>, SessionError> {
        let left = wait.saturating_sub(Duration::from_nanos(since.now_ns()));
        if left.is_zero() {
            return Ok(None);
        }
        self.wait_at_most(left)?;
        self.inbound.clear();
        match self.receive() {
            Ok(len) => {
                let reason = || format!("a datagram of {len} bytes holds no whole reply");
                let heard = self.heard()?;
                Ok(Some(heard.ok_or_else(|| DialectError::NoReply { reason: reason() })?))
            }
            Err(error) if is_timeout(error.kind()) => Ok(None),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The reply at the beginning of what has arrived, once all of it has.
    fn heard(&mut self) -> Result<Option<Heard>, SessionError> {
        let Some(reply) = self.decoder.next(&self.inbound)? else { return Ok(None) };
        let words = || String::from_utf8_lossy(reply.error.unwrap_or_default()).into_owned();
        let error = (reply.outcome != Outcome::Answered).then(words);
        let (id, len) = (reply.id, reply.len);
        self.inbound.drain(..len);
        Ok(Some(Heard { id, error }))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.link.write_all(bytes).map_err(|source| self.broken(source))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        let len = self.link.read(&mut buffer)?;
        self.inbound.extend_from_slice(&buffer[..len]);
        Ok(len)
    }

    fn wait_at_most(&self, timeout: Duration) -> Result<(), SessionError> {
        self.link.set_timeout(timeout).map_err(|source| self.broken(source))
    }

    fn broken(&self, source: io::Error) -> SessionError {
        SessionError::Broken { endpoint: self.endpoint.clone(), source }
    }
}

pub(super) fn is_timeout(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{SocketAddr, UdpSocket};
    use std::thread;

    use revenant_wire::native::{ReplyHeader, Status, decode_request};

    use crate::dialect::Protocol;
    use crate::endpoint::{Endpoint, Reach};
    use crate::keys::{KeyDistribution, Keys};
    use crate::live::Live;
    use crate::session::Session;
    use crate::traffic::Traffic;

    /// A server of datagrams that replies to an id that it hears for the n-th time, from 1, as often as
    /// told. Returns how often it heard each, when it hears an empty datagram.
    fn serve(replies: fn(u64, u32) -> u32) -> (SocketAddr, thread::JoinHandle<BTreeMap<u64, u32>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut heard, mut buffer) = (BTreeMap::new(), [0; 1024]);
            loop {
                let (len, client) = socket.recv_from(&mut buffer).unwrap();
                if len == 0 {
                    return heard;
                }
                let id = decode_request(&buffer, len).unwrap().unwrap().header.id;
                let times: &mut u32 = heard.entry(id).or_default();
                *times += 1;
                let status = Status::Ok;
                let reply = ReplyHeader { status, retry_after_us: 0, id, number: 0, body_len: 0 };
                for _ in 0..replies(id, *times) {
                    socket.send_to(&reply.encode(), client).unwrap();
                }
            }
        });
        (address, server)
    }

    fn session(address: SocketAddr) -> Session {
        let endpoint = Endpoint::parse(&format!("udp://{address}"), Reach::Loopback).unwrap();
        Session::open(&endpoint, Protocol::Native, None).unwrap()
    }

    /// Fills 200 keys; how often the server heard each.
    fn filled(replies: fn(u64, u32) -> u32) -> BTreeMap<u64, u32> {
        let (address, server) = serve(replies);
        let keys = Keys { count: 200, distribution: KeyDistribution::Uniform };
        session(address).fill(keys, 8, &Live::default()).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"", address).unwrap();
        let heard = server.join().unwrap();
        assert!(heard.keys().copied().eq(0..200), "{heard:?}");
        heard
    }

    #[test]
    fn what_is_lost_is_asked_again_until_it_is_answered() {
        let heard = filled(|_, times| u32::from(times == 3));
        assert!(heard.values().all(|times| *times >= 3), "{heard:?}");
    }

    #[test]
    fn a_reply_that_comes_twice_answers_nobody_else() {
        let heard = filled(|id, times| if id % 2 == 0 { 2 } else { times / 2 });
        let mut lost = heard.iter().filter(|(id, _)| *id % 2 == 1);
        assert!(lost.all(|(_, times)| *times >= 2), "{heard:?}");
    }

    #[test]
    fn each_class_is_tried_though_replies_come_twice() {
        let (address, server) = serve(|_, _| 2);
        let traffic = Traffic::parse("a=50:GET,b=30:SET,c=20:PING").unwrap();
        session(address).try_each(&traffic, 8).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"", address).unwrap();
        assert!(server.join().unwrap().keys().copied().eq(0..3));
    }

    #[test]
    fn nobody_there_is_asked_whether_it_listens_on_udp() {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let traffic = Traffic::parse("a=100:PING").unwrap();
        let error = session(address).try_each(&traffic, 8).unwrap_err().to_string();
        assert!(error.contains(&format!("udp://{address}: ")), "{error}");
        assert!(error.contains("does it listen there on udp?"), "{error}");
    }

    #[test]
    fn what_answers_in_another_protocol_is_told() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n abc"[..], &[0xf5, 1, 0]] {
            let socket = socket.try_clone().unwrap();
            let server = thread::spawn(move || {
                let (_, client) = socket.recv_from(&mut [0; 1024]).unwrap();
                socket.send_to(answer, client).unwrap();
            });
            let traffic = Traffic::parse("a=100:PING").unwrap();
            let error = session(address).try_each(&traffic, 8).unwrap_err().to_string();
            assert!(error.contains("does not speak this protocol"), "{error}");
            server.join().unwrap();
        }
    }
}
