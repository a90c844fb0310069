//! What the server remembers of a connection, apart from its bytes.

/// A connection's state that commands read and change.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its number, unique while the server runs.
    pub id: u64,
    /// The name its client gave it.
    pub name: String,
    /// The library its client uses, as the client says.
    pub library_name: String,
    /// That library's version.
    pub library_version: String,
    /// Whether it may do more than authenticate itself.
    pub is_authenticated: bool,
    /// Close the connection once the reply has left.
    pub wants_close: bool,
    /// Shut the server down; the reply, if there is one, leaves first.
    pub wants_shutdown: bool,
}

impl Session {
    /// A new connection's.
    #[must_use]
    pub fn new(id: u64, is_authenticated: bool) -> Self {
        Self { id, is_authenticated, ..Self::default() }
    }
}
