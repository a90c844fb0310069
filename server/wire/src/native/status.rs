//! How a request went.

/// The type of a reply. From 128 on: errors, whose body is a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Done; the body is the value, if the op returns one.
    Ok = 0,
    /// There is nothing by that key.
    Nil = 1,
    /// Done; the number is the result.
    Integer = 2,
    /// Done; the body holds as many elements as the number says.
    Array = 3,
    /// The operation failed, as the text says: a value of the wrong type, a store's error.
    Failed = 128,
    /// Turned away: try again after `retry_after_us`.
    Overloaded = 129,
    /// Its deadline passed before it was done.
    Expired = 130,
    /// The server is going down.
    ShuttingDown = 131,
    /// The frame does not say what its op needs.
    BadRequest = 132,
    /// No such op.
    UnknownOp = 133,
    /// The request or its reply is larger than the server allows.
    TooLarge = 134,
    /// A fault of the server's own.
    Internal = 135,
    /// Authenticate first.
    AuthRequired = 136,
    /// Another server has the key; the text says which.
    Moved = 137,
}

/// A byte that is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no status has number {0}")]
pub struct UnknownStatus(pub u8);

impl Status {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Nil,
        Self::Integer,
        Self::Array,
        Self::Failed,
        Self::Overloaded,
        Self::Expired,
        Self::ShuttingDown,
        Self::BadRequest,
        Self::UnknownOp,
        Self::TooLarge,
        Self::Internal,
        Self::AuthRequired,
        Self::Moved,
    ];

    /// Whether the request was not done.
    #[must_use]
    pub fn is_error(self) -> bool {
        self as u8 >= Self::Failed as u8
    }
}

impl TryFrom<u8> for Status {
    type Error = UnknownStatus;

    fn try_from(byte: u8) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| *status as u8 == byte).ok_or(UnknownStatus(byte))
    }
}
