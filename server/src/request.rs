//! A request as commands see it, whatever protocol it came by.

use std::ops::Range;

use revenant_wire::native::{Flags, Frame, HEADER_LEN, Op, RequestHeader, UnknownOp};
use revenant_wire::{Protocol, resp};

/// Memory that an idle request keeps for the next one.
const KEPT_BYTES: usize = 16 * 1024;

/// Arguments that an idle request keeps room for.
const KEPT_ARGUMENTS: usize = 256;

/// A request: its frame, and where in it the arguments lie. The first argument is the command's
/// name; native frames are put into the same form, so that a command is written once.
#[derive(Clone, Debug, Default)]
pub struct Request {
    frame: Vec<u8>,
    arguments: Vec<Range<usize>>,
    native: Option<RequestHeader>,
}

impl Request {
    /// Becomes a RESP request: `frame` is one whole frame, `arguments` what
    /// [`resp::decode_request`] found in it. Leaves `arguments` empty, ready for the next.
    pub fn read_resp(&mut self, frame: &[u8], arguments: &mut Vec<Range<usize>>) {
        self.clear();
        self.frame.extend_from_slice(frame);
        self.arguments.append(arguments);
        resp::unquote(&mut self.frame, &mut self.arguments);
    }

    /// Becomes a native request: `bytes` begin with the frame that was decoded as `frame`.
    ///
    /// # Errors
    /// Its op is unknown. The request then has no arguments, but its header, to reply to.
    pub fn read_native(&mut self, bytes: &[u8], frame: &Frame) -> Result<(), UnknownOp> {
        self.clear();
        self.native = Some(frame.header);
        let op = Op::try_from(frame.header.op)?;
        self.frame.extend_from_slice(&bytes[HEADER_LEN..frame.len()]);
        let (key, value) = (0..frame.key_len, frame.key_len..frame.key_len + frame.value_len);
        let number = frame.header.number;
        match op {
            Op::Ping => self.push("PING"),
            Op::Echo => self.push_with("ECHO", [value]),
            Op::Get => self.push_with("GET", [key]),
            Op::Set => {
                self.push_with("SET", [key, value]);
                self.push_set_options(&frame.header);
            }
            Op::Del => self.push_with("DEL", [key]),
            Op::Exists => self.push_with("EXISTS", [key]),
            Op::Incr => {
                self.push_with("INCRBY", [key]);
                self.push(&number.to_string());
            }
            Op::Append => self.push_with("APPEND", [key, value]),
            Op::Strlen => self.push_with("STRLEN", [key]),
            Op::Range => {
                self.push_with("RANGE", [key]);
                self.push(&number.to_string());
            }
            Op::Spin => {
                self.push("SPIN");
                self.push(&number.to_string());
            }
            Op::Dbsize => self.push("DBSIZE"),
            Op::Auth if frame.key_len == 0 => self.push_with("AUTH", [value]),
            Op::Auth => self.push_with("AUTH", [key, value]),
        }
        Ok(())
    }

    fn push_set_options(&mut self, header: &RequestHeader) {
        for (flag, option) in [
            (Flags::IF_ABSENT, "NX"),
            (Flags::IF_PRESENT, "XX"),
            (Flags::KEEP_TTL, "KEEPTTL"),
            (Flags::RETURN_OLD, "GET"),
        ] {
            if header.flags.contains(flag) {
                self.push(option);
            }
        }
        if header.number != 0 {
            self.push("PX");
            self.push(&header.number.to_string());
        }
    }

    /// An argument that the frame does not hold as text is added behind it.
    fn push(&mut self, argument: &str) {
        let begin = self.frame.len();
        self.frame.extend_from_slice(argument.as_bytes());
        self.arguments.push(begin..self.frame.len());
    }

    fn push_with<const N: usize>(&mut self, name: &str, arguments: [Range<usize>; N]) {
        self.push(name);
        self.arguments.extend(arguments);
    }

    /// Forgets the request but not all of its memory.
    pub fn clear(&mut self) {
        self.frame.clear();
        self.frame.shrink_to(KEPT_BYTES);
        self.arguments.clear();
        self.arguments.shrink_to(KEPT_ARGUMENTS);
        self.native = None;
    }

    /// The protocol it came by.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if self.native.is_some() { Protocol::Native } else { Protocol::Resp }
    }

    /// The header of a native request.
    #[must_use]
    pub fn native(&self) -> Option<&RequestHeader> {
        self.native.as_ref()
    }

    /// How many arguments it has, its name among them. None at all asks for nothing.
    #[must_use]
    pub fn argument_count(&self) -> usize {
        self.arguments.len()
    }

    /// The argument at `index`; nothing if it has not so many. The command table's arity says how
    /// many a command can count on.
    #[must_use]
    pub fn argument(&self, index: usize) -> &[u8] {
        self.arguments.get(index).map_or(&[], |range| &self.frame[range.clone()])
    }

    /// The arguments from `first` on.
    pub fn arguments_from(&self, first: usize) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let first = first.min(self.arguments.len());
        self.arguments[first..].iter().map(|range| &self.frame[range.clone()])
    }

    /// Bytes it holds.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.frame.len()
    }
}
