//! Cursors of SCAN: numbers that stand for places between keys.
//!
//! A cursor is a hash of the key it follows. The server remembers which key that was, for as many
//! cursors as its bound allows, whoever scans. A cursor that it has forgotten is found again by
//! looking for the key with that hash; if that key is gone too, the scan starts over. So a scan
//! always goes on, sees every key that stays, and may see some twice, as Redis allows.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;
use crate::keyspace::Keyspace;
use crate::turn::{Turn, atomically};

/// Bytes of keys that are remembered: more than ten thousand scans at once with ordinary keys.
/// Halving doubles the searches once there are more.
const REMEMBERED_BYTES: usize = 1 << 20;

/// What a remembered cursor costs besides its key.
const CURSOR_BYTES: usize = 64;

/// Places where scans stopped.
#[derive(Debug, Default)]
pub struct Cursors {
    remembered: Mutex<Remembered>,
    searches: AtomicU64,
    restarts: AtomicU64,
}

#[derive(Debug, Default)]
struct Remembered {
    keys: HashMap<u64, Box<[u8]>>,
    /// The oldest goes first.
    order: VecDeque<u64>,
    bytes: usize,
}

impl Cursors {
    /// The cursor that goes on after `key`.
    pub fn after(&self, key: &[u8], turn: &dyn Turn) -> u64 {
        let cursor = cursor_of(key);
        atomically(turn, || self.remembered().insert(cursor, key));
        cursor
    }

    /// Where a scan with this cursor goes on; 0 begins.
    ///
    /// # Errors
    /// The store cannot read, or nobody waits for the result any more.
    pub fn resolve(
        &self,
        cursor: u64,
        keyspace: &Keyspace,
        turn: &dyn Turn,
    ) -> Result<Bound<Vec<u8>>, Failure> {
        if cursor == 0 {
            return Ok(Bound::Unbounded);
        }
        let known = atomically(turn, || self.remembered().keys.get(&cursor).map(|k| k.to_vec()));
        if let Some(key) = known {
            return Ok(Bound::Excluded(key));
        }
        self.searches.fetch_add(1, Ordering::Relaxed);
        let mut found = None;
        keyspace.scan(turn, Bound::Unbounded, &mut |key, _| {
            if cursor_of(key) == cursor {
                found = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found.map_or_else(
            || {
                self.restarts.fetch_add(1, Ordering::Relaxed);
                Bound::Unbounded
            },
            Bound::Excluded,
        ))
    }

    /// How often a forgotten cursor was searched for.
    #[must_use]
    pub fn searches(&self) -> u64 {
        self.searches.load(Ordering::Relaxed)
    }

    /// How often a scan started over.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        // Nothing panics between two changes that belong together.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn insert(&mut self, cursor: u64, key: &[u8]) {
        if self.keys.contains_key(&cursor) {
            return;
        }
        self.keys.insert(cursor, key.into());
        self.order.push_back(cursor);
        self.bytes += key.len() + CURSOR_BYTES;
        while self.bytes > REMEMBERED_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(key) = self.keys.remove(&oldest) {
                self.bytes -= key.len() + CURSOR_BYTES;
            }
        }
    }
}

/// The same in every process, so that scans survive a restart. Positive in every language's
/// integers, and never 0.
fn cursor_of(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() >> 1).max(1)
}

#[cfg(test)]
mod tests;
