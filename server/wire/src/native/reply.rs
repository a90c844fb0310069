//! Replies: header, body.

use super::{FrameError, HEADER_LEN, MAGIC, Status, VERSION, end, field, header};

/// The header of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// How the request went.
    pub status: Status,
    /// When an overloaded server should be asked again; 0 otherwise.
    pub retry_after_us: u32,
    /// The request's id.
    pub id: u64,
    /// The result, or the number of elements.
    pub number: i64,
    /// Bytes of the body, which begins where the header ends.
    pub body_len: usize,
}

impl ReplyHeader {
    /// The header as it is sent. A body beyond 4 GiB cannot be announced; servers bound replies far
    /// below.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let body_len = u32::try_from(self.body_len).unwrap_or(u32::MAX);
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&[MAGIC, VERSION, self.status as u8, 0]);
        bytes[4..8].copy_from_slice(&self.retry_after_us.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..28].copy_from_slice(&body_len.to_le_bytes());
        bytes
    }

    /// Bytes of the whole reply.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        HEADER_LEN + self.body_len
    }
}

/// Decodes the reply at the beginning of `bytes`; `None` until all of it has arrived. Reads the
/// header only, so coming back often costs little.
///
/// # Errors
/// [`FrameError`]: no further bytes make this a reply.
pub fn decode_reply(bytes: &[u8], frame_max: usize) -> Result<Option<ReplyHeader>, FrameError> {
    let Some(header) = header(bytes)? else { return Ok(None) };
    if let Some(at) = [3, 28, 29, 30, 31].into_iter().find(|at| header[*at] != 0) {
        return Err(FrameError::Reserved { at, byte: header[at] });
    }
    let reply = ReplyHeader {
        status: Status::try_from(header[2])?,
        retry_after_us: u32::from_le_bytes(field(header, 4)),
        id: u64::from_le_bytes(field(header, 8)),
        number: i64::from_le_bytes(field(header, 16)),
        body_len: u32::from_le_bytes(field(header, 24)) as usize,
    };
    let end = end(reply.body_len, frame_max)?;
    Ok((bytes.len() >= end).then_some(reply))
}
