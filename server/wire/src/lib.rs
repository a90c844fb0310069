//! What requests and replies look like on the wire, without I/O.
//!
//! Two protocols share a port. A connection that begins with [`native::MAGIC`] speaks native
//! frames; any other speaks [RESP2](resp), whose requests never begin with that byte. Both exist in
//! both directions: servers decode requests and encode replies, clients the reverse.
//!
//! Incomplete input is `Ok(None)`, an ordinary value: come back with more bytes. Input that no
//! further bytes can mend is an error, after which the stream has no frames any more.

pub mod native;
pub mod resp;

/// Which of the two protocols a connection speaks; its first byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Text of Redis, version 2.
    Resp,
    /// Binary frames.
    Native,
}

impl Protocol {
    /// The protocol of a connection that begins with this byte.
    #[must_use]
    pub fn of_first_byte(byte: u8) -> Self {
        if byte == native::MAGIC { Self::Native } else { Self::Resp }
    }
}
