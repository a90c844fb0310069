//! What all commands share.

use std::fmt;
use std::time::Instant;

use crate::cluster::Cluster;
use crate::cursor::Cursors;
use crate::keyspace::Keyspace;
use crate::spinner::Spinner;

/// Appends lines of `name:value` to a section of INFO.
pub type InfoSource = dyn Fn(&mut String) + Send + Sync;

/// What all commands share: keys, and what they may know of the server.
pub struct Service {
    /// The keys.
    pub keyspace: Keyspace,
    /// Where scans stopped.
    pub cursors: Cursors,
    /// Which server has which keys, if there are several.
    pub cluster: Option<Cluster>,
    /// Does work made to order.
    pub spinner: Spinner,
    /// What AUTH asks for; `None`: nothing.
    pub password: Option<String>,
    /// When the server started.
    pub started: Instant,
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
    /// A service over `keyspace`, with Redis's bound of values and nothing else set. The first
    /// one measures how fast this machine works, which takes some milliseconds.
    #[must_use]
    pub fn new(keyspace: Keyspace) -> Self {
        Self {
            keyspace,
            cursors: Cursors::default(),
            cluster: None,
            spinner: Spinner::measured(),
            started: Instant::now(),
            password: None,
            reply_max: 64 << 20,
            value_max: 512 << 20,
            settings: vec![
                // Tools that compare servers ask for these two.
                ("save".to_owned(), String::new()),
                ("appendonly".to_owned(), "no".to_owned()),
            ],
            info: Vec::new(),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("keyspace", &self.keyspace).finish_non_exhaustive()
    }
}
