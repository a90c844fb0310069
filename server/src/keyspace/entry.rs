//! A value with its time to live, as bytes.

use crate::turn::Turn;

const EXPIRY_LEN: usize = size_of::<u64>();

/// A key's value and when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// The value.
    pub value: &'b [u8],
    /// Milliseconds since 1970; `None`: it stays.
    pub expires_ms: Option<u64>,
}

impl<'b> Entry<'b> {
    /// The entry that `bytes` hold; `None` if they hold none, which only a damaged store yields.
    #[must_use]
    pub fn decode(bytes: &'b [u8]) -> Option<Self> {
        let (expiry, value) = bytes.split_first_chunk::<EXPIRY_LEN>()?;
        let expires_ms = match u64::from_le_bytes(*expiry) {
            0 => None,
            expires_ms => Some(expires_ms),
        };
        Some(Self { value, expires_ms })
    }

    /// The bytes of an entry whose value is `value` with `tail` behind it.
    #[must_use]
    pub fn encode(expires_ms: Option<u64>, value: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EXPIRY_LEN + value.len() + tail.len());
        bytes.extend_from_slice(&expires_ms.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(tail);
        bytes
    }

    /// Whether the bytes are those of an entry with a time to live.
    #[must_use]
    pub fn expires(bytes: &[u8]) -> bool {
        Entry::decode(bytes).is_some_and(|entry| entry.expires_ms.is_some())
    }

    /// Whether it has not expired. Asks for the time only if that matters.
    #[must_use]
    pub fn is_alive(&self, turn: &dyn Turn) -> bool {
        self.expires_ms.is_none_or(|expires_ms| turn.unix_ms() < expires_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for expires_ms in [None, Some(1), Some(u64::MAX)] {
            let bytes = Entry::encode(expires_ms, b"val", b"ue");
            assert_eq!(Entry::decode(&bytes), Some(Entry { value: b"value", expires_ms }));
            assert_eq!(Entry::expires(&bytes), expires_ms.is_some());
        }
    }

    #[test]
    fn damaged_bytes_are_no_entry() {
        assert_eq!(Entry::decode(b"1234567"), None);
        assert!(!Entry::expires(b"1234567"));
    }
}
