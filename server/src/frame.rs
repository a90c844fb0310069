//! From bytes to requests.

use std::ops::Range;

use revenant_wire::native::UnknownOp;
use revenant_wire::{Protocol, native, resp};

use crate::failure::Failure;
use crate::request::Request;

/// A request's place in the input.
#[derive(Debug)]
pub struct Frame {
    /// Its bytes.
    pub length: usize,
    /// Whether it names an operation. If not, that is its reply.
    pub meaning: Result<(), UnknownOp>,
}

/// Turns `request` into one without a meaning, so that there is something to reply to where the
/// input has no frames any more, or the request is in other hands: native replies carry its id.
pub fn pretend((protocol, id): (Protocol, u64), request: &mut Request) {
    request.clear();
    if protocol == Protocol::Native {
        let header = native::RequestHeader { op: u8::MAX, id, ..native::RequestHeader::default() };
        let frame = native::Frame { header, key_len: 0, value_len: 0 };
        let _has_no_meaning = request.read_native(&[], &frame);
    }
}

/// Reads the request at the beginning of `bytes` into `request`; `None` until all of it is there.
/// Until then `arguments` is the decoder's memory, as [`resp::decode_request`] says.
///
/// # Errors
/// The input has no frames from here on.
pub fn read(
    (protocol, bytes): (Protocol, &[u8]),
    limits: &resp::Limits,
    arguments: &mut Vec<Range<usize>>,
    request: &mut Request,
) -> Result<Option<Frame>, Failure> {
    match protocol {
        Protocol::Resp => {
            let Some(length) = resp::decode_request(bytes, limits, arguments)? else {
                return Ok(None);
            };
            request.read_resp(&bytes[..length], arguments);
            Ok(Some(Frame { length, meaning: Ok(()) }))
        }
        Protocol::Native => {
            let Some(frame) = native::decode_request(bytes, limits.frame_max)? else {
                return Ok(None);
            };
            let meaning = request.read_native(bytes, &frame);
            Ok(Some(Frame { length: frame.len(), meaning }))
        }
    }
}
