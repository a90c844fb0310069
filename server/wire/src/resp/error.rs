//! Input that no further bytes can mend.

/// What is wrong with a frame. The text is Redis's where Redis has one; on the wire `ERR ` precedes
/// it. The connection has lost its frames: reply, then close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A line of words without an end.
    #[error("Protocol error: too big inline request")]
    InlineTooBig,
    /// A quote that nothing closes, or that words touch.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// No end of the line with the number of arguments.
    #[error("Protocol error: too big mbulk count string")]
    CountTooLong,
    /// The number of arguments is none, or too large.
    #[error("Protocol error: invalid multibulk length")]
    InvalidCount,
    /// More arguments than a client may send that has not authenticated itself.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// No end of the line with the length of a string.
    #[error("Protocol error: too big bulk count string")]
    LengthTooLong,
    /// An argument that is no string.
    #[error("Protocol error: expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    /// The length of a string is none, or too large.
    #[error("Protocol error: invalid bulk length")]
    InvalidLength,
    /// A longer string than a client may send that has not authenticated itself.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedLength,
    /// A line or string does not end where it should.
    #[error("Protocol error: expected CRLF")]
    ExpectedEnd,
    /// The frame as a whole is too large.
    #[error("Protocol error: frame of more than {frame_max} bytes")]
    FrameTooBig {
        /// The bound.
        frame_max: usize,
    },
    /// A reply begins with a byte that begins no type.
    #[error("Protocol error: unknown reply type '{}'", .0.escape_ascii())]
    UnknownType(u8),
    /// A reply's line holds no number where it should, or has no end.
    #[error("Protocol error: invalid line in reply")]
    InvalidLine,
    /// A reply with arrays in arrays beyond the bound.
    #[error("Protocol error: arrays nested too deeply in reply")]
    TooDeep,
}
