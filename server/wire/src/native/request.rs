//! Requests: header, key, value.

use super::{FrameError, HEADER_LEN, MAGIC, VERSION, end, field, header};

/// What an op is to heed besides its key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Set only a key that is not there.
    pub const IF_ABSENT: Self = Self(1);
    /// Set only a key that is there.
    pub const IF_PRESENT: Self = Self(2);
    /// Leave the key's time to live as it is.
    pub const KEEP_TTL: Self = Self(4);
    /// Reply with the value the key had.
    pub const RETURN_OLD: Self = Self(8);

    /// Whether all of `other`'s are among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The header of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// An [`Op`](super::Op), as its byte: an unknown one is an error of the request, not of the
    /// frame.
    pub op: u8,
    /// Its class: 0 leaves that to the server, n is the server's class n - 1.
    pub class: u8,
    /// Time until its deadline, from its arrival; 0: none.
    pub deadline_us: u32,
    /// Chosen by the client; the reply carries it.
    pub id: u64,
    /// The op's number.
    pub number: i64,
    /// What the op is to heed.
    pub flags: Flags,
}

/// A request as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: RequestHeader,
    /// Bytes of the key, which begins where the header ends.
    pub key_len: usize,
    /// Bytes of the value, which begins where the key ends.
    pub value_len: usize,
}

impl Frame {
    /// Bytes of all of it.
    #[must_use]
    pub fn len(&self) -> usize {
        HEADER_LEN + self.key_len + self.value_len
    }

    /// Never: it has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Decodes the request at the beginning of `bytes`; `None` until all of it has arrived. Reads the
/// header only, so coming back often costs little.
///
/// # Errors
/// [`FrameError`]: no further bytes make this a request.
pub fn decode_request(bytes: &[u8], frame_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(header) = header(bytes)? else { return Ok(None) };
    if header[31] != 0 {
        return Err(FrameError::Reserved { at: 31, byte: header[31] });
    }
    let frame = Frame {
        header: RequestHeader {
            op: header[2],
            class: header[3],
            deadline_us: u32::from_le_bytes(field(header, 4)),
            id: u64::from_le_bytes(field(header, 8)),
            number: i64::from_le_bytes(field(header, 16)),
            flags: Flags(header[30]),
        },
        key_len: usize::from(u16::from_le_bytes(field(header, 28))),
        value_len: u32::from_le_bytes(field(header, 24)) as usize,
    };
    let end = end(frame.key_len + frame.value_len, frame_max)?;
    Ok((bytes.len() >= end).then_some(frame))
}

/// Appends a request.
///
/// # Panics
/// If the key is longer than 65 535 bytes, or the value than 4 GiB: their lengths have no room.
pub fn encode_request(header: &RequestHeader, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let key_len = u16::try_from(key.len()).expect("the caller keeps keys to 65 535 bytes");
    let value_len = u32::try_from(value.len()).expect("the caller keeps values to 4 GiB");
    out.extend_from_slice(&[MAGIC, VERSION, header.op, header.class]);
    out.extend_from_slice(&header.deadline_us.to_le_bytes());
    out.extend_from_slice(&header.id.to_le_bytes());
    out.extend_from_slice(&header.number.to_le_bytes());
    out.extend_from_slice(&value_len.to_le_bytes());
    out.extend_from_slice(&key_len.to_le_bytes());
    out.extend_from_slice(&[header.flags.0, 0]);
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}
