//! What a request asks for.

/// An operation. Which of key, value, number and flags it reads is in docs/protocol.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// Is anybody there?
    Ping = 0,
    /// Returns the value.
    Echo,
    /// Reads a key.
    Get,
    /// Writes a key.
    Set,
    /// Removes a key.
    Del,
    /// Whether a key is there.
    Exists,
    /// Adds the number to a key's.
    Incr,
    /// Appends the value to a key's.
    Append,
    /// The length of a key's value.
    Strlen,
    /// Keys and values from a key on, as many as the number says.
    Range,
    /// Works for as many microseconds as the number says.
    Spin,
    /// How many keys there are.
    Dbsize,
    /// Shows who the sender is: the key is the user, the value the password.
    Auth,
}

/// A byte that names no op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no op has number {0}")]
pub struct UnknownOp(pub u8);

impl Op {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Ping,
        Self::Echo,
        Self::Get,
        Self::Set,
        Self::Del,
        Self::Exists,
        Self::Incr,
        Self::Append,
        Self::Strlen,
        Self::Range,
        Self::Spin,
        Self::Dbsize,
        Self::Auth,
    ];
}

impl TryFrom<u8> for Op {
    type Error = UnknownOp;

    fn try_from(byte: u8) -> Result<Self, UnknownOp> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(UnknownOp(byte))
    }
}
