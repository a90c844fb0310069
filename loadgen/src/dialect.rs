//! Requests as bytes and replies as outcomes, in either protocol.

use std::fmt;

use revenant_wire::native::{self, Op, RequestHeader, Status};
use revenant_wire::resp::{Limits, ReplyEnd, encode_array, encode_bulk};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::operation::{Operation, Template};
use crate::tally::Outcome;
use crate::traffic::Traffic;

/// Largest reply taken: a range of the most keys there may be, of small values.
const REPLY_MAX: usize = 256 << 20;

/// What the connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// RESP2: replies come in the order of their requests.
    Resp,
    /// Native frames: replies name their requests and come in any order.
    Native,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resp => "resp",
            Self::Native => "native",
        })
    }
}

/// Something the protocol has no way to say, or a server that does not speak it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DialectError {
    /// The native protocol has no such operation.
    #[error(
        "class `{class}`: the native protocol has GET, SET, RANGE, SPIN in whole microseconds and \
         PING; use --protocol resp for other commands"
    )]
    NoOp {
        /// The class that asks for it.
        class: String,
    },
    /// What came is no reply.
    #[error("the server does not speak this protocol ({reason}): choose --protocol resp or native")]
    NoReply {
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes requests.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    requests: Vec<Request>,
    value: Vec<u8>,
    /// Memory of [`Template::fill`].
    words: (Vec<u8>, Vec<usize>),
}

/// What is fixed in the requests of a class.
#[derive(Clone, Debug)]
enum Request {
    Resp(Template),
    Native { header: RequestHeader, has_key: bool, has_value: bool },
}

/// What differs between requests of a class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// Named in the reply of protocols that do.
    pub(crate) id: u64,
    /// The key.
    pub(crate) key: &'a [u8],
    /// Length of the value.
    pub(crate) value_len: usize,
}

impl Encoder {
    /// For the classes of `traffic`, with values of up to `value_max` bytes. Native frames carry the
    /// index of their class if `carries_class`.
    ///
    /// # Errors
    /// When the protocol cannot say what a class asks for.
    pub(crate) fn new(
        protocol: Protocol,
        traffic: &Traffic,
        value_max: usize,
        class: ClassField,
    ) -> Result<Self, DialectError> {
        let classes = traffic.operations().iter().zip(traffic.mix().classes()).enumerate();
        let requests = classes.map(|(index, (operation, known))| match protocol {
            Protocol::Resp => Ok(Request::Resp(operation.template())),
            Protocol::Native => {
                let field = match class {
                    ClassField::Server => 0,
                    // CLASSES_MAX is far below 255.
                    ClassField::Index => index as u8 + 1,
                };
                let error = || DialectError::NoOp { class: known.name.clone() };
                native_request(operation, field).ok_or_else(error)
            }
        });
        Ok(Self {
            requests: requests.collect::<Result<_, _>>()?,
            value: (b'a'..=b'z').cycle().take(value_max).collect(),
            words: (Vec::new(), Vec::new()),
        })
    }

    /// Appends a request of a class.
    pub(crate) fn encode(&mut self, class: usize, parts: Parts<'_>, out: &mut Vec<u8>) {
        let value = &self.value[..parts.value_len];
        match &self.requests[class] {
            Request::Resp(template) => {
                let (bytes, ends) = &mut self.words;
                template.fill(parts.key, value, bytes, ends);
                encode_array(ends.len(), out);
                let mut from = 0;
                for &end in ends.iter() {
                    encode_bulk(&bytes[from..end], out);
                    from = end;
                }
            }
            Request::Native { header, has_key, has_value } => {
                let header = RequestHeader { id: parts.id, ..*header };
                let key = if *has_key { parts.key } else { b"" };
                native::encode_request(&header, key, if *has_value { value } else { b"" }, out);
            }
        }
    }
}

/// What stands in the class field of native frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassField {
    /// 0: the server knows the class by the operation.
    Server,
    /// The number of the class in the traffic, from 1.
    Index,
}

fn native_request(operation: &Operation, class: u8) -> Option<Request> {
    let ping = "PING".parse().ok();
    let (op, number, has_key, has_value) = match operation {
        Operation::Get => (Op::Get, 0, true, false),
        Operation::Set => (Op::Set, 0, true, true),
        Operation::Range { keys } => (Op::Range, i64::from(*keys), true, false),
        Operation::Spin { service_ns } if service_ns % 1_000 == 0 => {
            (Op::Spin, i64::try_from(service_ns / 1_000).ok()?, false, false)
        }
        command if ping.as_ref() == Some(command) => (Op::Ping, 0, false, false),
        _ => return None,
    };
    let header = RequestHeader { op: op as u8, class, number, ..RequestHeader::default() };
    Some(Request::Native { header, has_key, has_value })
}

/// Reads replies of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    protocol: Protocol,
    end: ReplyEnd,
    limits: Limits,
}

/// One reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'b> {
    /// Bytes of it.
    pub(crate) len: usize,
    /// The request it answers, in protocols that say so.
    pub(crate) id: Option<u64>,
    /// How the request ended.
    pub(crate) outcome: Outcome,
    /// What the server says is wrong, of errors and rejections.
    pub(crate) error: Option<&'b [u8]>,
}

impl Decoder {
    /// At the beginning of a stream of replies.
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol, end: ReplyEnd::default(), limits: Limits::within(REPLY_MAX) }
    }

    /// The reply at the beginning of `bytes`; `None` until all of it has arrived. Until then, the
    /// bytes must come back with more behind them.
    ///
    /// # Errors
    /// When what came is no reply.
    pub(crate) fn next<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<Reply<'b>>, DialectError> {
        match self.protocol {
            Protocol::Resp => self.next_resp(bytes),
            Protocol::Native => next_native(bytes),
        }
    }

    fn next_resp<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<Reply<'b>>, DialectError> {
        let found = self.end.find(bytes, &self.limits);
        let Some(len) = found.map_err(no_reply)? else { return Ok(None) };
        let error = (bytes[0] == b'-').then(|| &bytes[1..len - 2]);
        let outcome = error.map_or(Outcome::Answered, |text| {
            let rejected =
                [&b"OVERLOADED"[..], b"EXPIRED"].iter().any(|code| text.starts_with(code));
            if rejected { Outcome::Rejected } else { Outcome::Error }
        });
        Ok(Some(Reply { len, id: None, outcome, error }))
    }
}

fn next_native(bytes: &[u8]) -> Result<Option<Reply<'_>>, DialectError> {
    let Some(header) = native::decode_reply(bytes, REPLY_MAX).map_err(no_reply)? else {
        return Ok(None);
    };
    let outcome = match header.status {
        Status::Overloaded | Status::Expired => Outcome::Rejected,
        status if status.is_error() => Outcome::Error,
        _ => Outcome::Answered,
    };
    let len = header.frame_len();
    let error = (outcome != Outcome::Answered).then(|| &bytes[native::HEADER_LEN..len]);
    Ok(Some(Reply { len, id: Some(header.id), outcome, error }))
}

fn no_reply(error: impl fmt::Display) -> DialectError {
    DialectError::NoReply { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(protocol: Protocol, traffic: &str) -> Vec<u8> {
        let traffic = Traffic::parse(traffic).unwrap();
        let mut encoder = Encoder::new(protocol, &traffic, 3, ClassField::Index).unwrap();
        let mut out = Vec::new();
        encoder.encode(0, Parts { id: 7, key: b"key:1", value_len: 3 }, &mut out);
        out
    }

    #[test]
    fn requests_are_what_the_protocol_makes_of_an_operation() {
        let set = b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$3\r\nabc\r\n";
        assert_eq!(encoded(Protocol::Resp, "s=100:SET"), set);
        assert_eq!(encoded(Protocol::Resp, "p=100:PING"), b"*1\r\n$4\r\nPING\r\n");
        let bytes = encoded(Protocol::Native, "r=100:RANGE 50");
        let frame = native::decode_request(&bytes, 1_000).unwrap().unwrap();
        assert_eq!((frame.header.op, frame.header.number), (Op::Range as u8, 50));
        assert_eq!((frame.header.id, frame.header.class, frame.key_len), (7, 1, 5));
    }

    #[test]
    fn what_frames_cannot_say_names_its_class() {
        for text in ["odd=100:SPIN 500ns", "odd=100:LPUSH q x", "odd=100:SCAN 5"] {
            let traffic = Traffic::parse(text).unwrap();
            let error =
                Encoder::new(Protocol::Native, &traffic, 1, ClassField::Server).unwrap_err();
            assert!(error.to_string().contains("`odd`"), "{error}");
        }
    }

    #[test]
    fn replies_are_told_apart() {
        let cases: [(&[u8], Outcome); 5] = [
            (b"+OK\r\n", Outcome::Answered),
            (b"$-1\r\n", Outcome::Answered),
            (b"*2\r\n$1\r\na\r\n:1\r\n", Outcome::Answered),
            (b"-ERR no\r\n", Outcome::Error),
            (b"-OVERLOADED retry-after-ms 5\r\n", Outcome::Rejected),
        ];
        for (bytes, outcome) in cases {
            let mut decoder = Decoder::new(Protocol::Resp);
            for cut in 0..bytes.len() {
                assert_eq!(decoder.next(&bytes[..cut]), Ok(None));
            }
            let reply = decoder.next(bytes).unwrap().unwrap();
            assert_eq!((reply.outcome, reply.len), (outcome, bytes.len()));
        }
        let mut decoder = Decoder::new(Protocol::Resp);
        assert_eq!(decoder.next(b"-ERR no\r\n+").unwrap().unwrap().error, Some(&b"ERR no"[..]));
    }

    #[test]
    fn native_replies_name_their_request() {
        let header = native::ReplyHeader {
            status: Status::Overloaded,
            retry_after_us: 9,
            id: 42,
            number: 0,
            body_len: 4,
        };
        let bytes = [&header.encode()[..], b"busy"].concat();
        let reply = Decoder::new(Protocol::Native).next(&bytes).unwrap().unwrap();
        assert_eq!((reply.id, reply.outcome), (Some(42), Outcome::Rejected));
        assert_eq!((reply.error, reply.len), (Some(&b"busy"[..]), bytes.len()));
    }

    #[test]
    fn the_wrong_protocol_is_told() {
        for protocol in [Protocol::Resp, Protocol::Native] {
            let error = Decoder::new(protocol).next(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
            assert!(error.to_string().contains("--protocol"), "{error}");
        }
    }
}
