//! How large what a peer sends may be.

/// Bounds of a frame. What exceeds one is an error as soon as it is announced, before its bytes
/// are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of a request, elements of a reply's array.
    pub arguments_max: usize,
    /// Bytes of one string.
    pub bulk_max: usize,
    /// Bytes of an inline request.
    pub inline_max: usize,
    /// Bytes of a whole frame.
    pub frame_max: usize,
    /// Whether the sender has shown who it is; the errors of those who have not say so.
    pub is_authenticated: bool,
}

impl Limits {
    /// Redis's own bound of an inline request.
    pub const INLINE_MAX: usize = 64 * 1024;

    /// Bounds within `frame_max`.
    #[must_use]
    pub const fn within(frame_max: usize) -> Self {
        Self {
            arguments_max: 1024 * 1024,
            bulk_max: frame_max,
            inline_max: Self::INLINE_MAX,
            frame_max,
            is_authenticated: true,
        }
    }

    /// Redis's bounds for clients that have not authenticated themselves: room for `AUTH` and
    /// `HELLO`, not for filling the server's memory.
    #[must_use]
    pub const fn unauthenticated() -> Self {
        Self {
            arguments_max: 10,
            bulk_max: 16 * 1024,
            inline_max: Self::INLINE_MAX,
            frame_max: Self::INLINE_MAX,
            is_authenticated: false,
        }
    }
}
