//! Native frames: binary, with an id, so that replies may come in any order; docs/protocol.md
//! describes them byte by byte.
//!
//! All numbers are little-endian. A frame is a header of [`HEADER_LEN`] bytes and a body whose
//! length the header gives, so that a frame can be skipped by whoever does not know its op.

mod element;
mod op;
mod reply;
mod request;
mod status;

pub use element::{Element, encode_element};
pub use op::{Op, UnknownOp};
pub use reply::{ReplyHeader, decode_reply};
pub use request::{Flags, Frame, RequestHeader, decode_request, encode_request};
pub use status::{Status, UnknownStatus};

/// The first byte of every frame. It occurs nowhere in UTF-8, so no text begins with it.
pub const MAGIC: u8 = 0xf5;

/// The only version there is.
pub const VERSION: u8 = 1;

/// Bytes of a header, of requests and replies alike.
pub const HEADER_LEN: usize = 32;

/// Input that is no frame. The connection has lost its frames: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not a frame's first byte.
    #[error("a frame begins with byte 0xf5, not {0:#04x}")]
    Magic(u8),
    /// A version nobody here knows.
    #[error("frames of version {0} are unknown; send version 1")]
    Version(u8),
    /// Larger than the receiver allows.
    #[error("a frame of {len} bytes is larger than the {frame_max} allowed")]
    TooLarge {
        /// What the header announces, the header included.
        len: usize,
        /// The bound.
        frame_max: usize,
    },
    /// A byte that must be zero is not.
    #[error("reserved byte {at} of the header is {byte:#04x}, not zero")]
    Reserved {
        /// Its place.
        at: usize,
        /// What it is.
        byte: u8,
    },
    /// A reply's status has no meaning.
    #[error(transparent)]
    Status(#[from] UnknownStatus),
}

/// Checks what all headers begin with; `None` if there is not yet a whole header.
fn header(bytes: &[u8]) -> Result<Option<&[u8; HEADER_LEN]>, FrameError> {
    match bytes {
        [] => return Ok(None),
        [MAGIC] | [MAGIC, VERSION, ..] => {}
        [MAGIC, version, ..] => return Err(FrameError::Version(*version)),
        [other, ..] => return Err(FrameError::Magic(*other)),
    }
    Ok(bytes.first_chunk())
}

/// The end of a frame with this much body, if the receiver allows it.
fn end(body_len: usize, frame_max: usize) -> Result<usize, FrameError> {
    let len = HEADER_LEN + body_len;
    if len > frame_max { Err(FrameError::TooLarge { len, frame_max }) } else { Ok(len) }
}

/// `N` bytes of a header, for `from_le_bytes`.
fn field<const N: usize>(header: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    std::array::from_fn(|index| header[at + index])
}

#[cfg(test)]
mod tests;
