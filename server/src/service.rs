//! What all commands share.

use std::fmt;

use crate::keyspace::Keyspace;

/// Appends lines of `name:value` to a section of INFO.
pub type InfoSource = dyn Fn(&mut String) + Send + Sync;

/// What all commands share: keys, and what they may know of the server.
pub struct Service {
    /// The keys.
    pub keyspace: Keyspace,
    /// What AUTH asks for; `None`: nothing.
    pub password: Option<String>,
    /// The largest reply, in bytes.
    pub reply_max: usize,
    /// The largest value, in bytes.
    pub value_max: usize,
    /// What CONFIG GET shows: names and values.
    pub settings: Vec<(String, String)>,
    /// Sections of INFO: their titles, and who fills them.
    pub info: Vec<(&'static str, Box<InfoSource>)>,
}

impl Service {
    /// A service over `keyspace`, with Redis's bounds and nothing else set.
    #[must_use]
    pub fn new(keyspace: Keyspace) -> Self {
        Self {
            keyspace,
            password: None,
            reply_max: 64 << 20,
            value_max: 512 << 20,
            settings: Vec::new(),
            info: Vec::new(),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("keyspace", &self.keyspace).finish_non_exhaustive()
    }
}
