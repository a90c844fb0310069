//! Locks of keys, for stores that can read and write but not do both at once; and their number.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than there are threads; two keys rarely share a lock.
const STRIPES: usize = 64;

/// Locks, each for the keys whose hash falls to it, and how many keys there are.
pub(super) struct Stripes {
    locks: [Mutex<()>; STRIPES],
    keys: AtomicU64,
}

impl Stripes {
    /// For a store that has `keys` keys.
    pub(super) fn new(keys: u64) -> Self {
        Self { locks: std::array::from_fn(|_| Mutex::new(())), keys: AtomicU64::new(keys) }
    }

    /// Keeps everyone else from changing `key`.
    pub(super) fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        guard(&self.locks[hasher.finish() as usize % STRIPES])
    }

    /// Keeps everyone else from changing anything. Takes the locks in the order of their places,
    /// and nobody holds one while waiting for another, so nobody waits for ever.
    pub(super) fn lock_all(&self) -> Vec<MutexGuard<'_, ()>> {
        self.locks.iter().map(guard).collect()
    }

    /// A key came.
    pub(super) fn add(&self) {
        self.keys.fetch_add(1, Ordering::Relaxed);
    }

    /// A key went.
    pub(super) fn remove(&self) {
        self.keys.fetch_sub(1, Ordering::Relaxed);
    }

    /// All went.
    pub(super) fn clear(&self) {
        self.keys.store(0, Ordering::Relaxed);
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }
}

/// A lock guards nothing but an order; whoever panicked with it left nothing half done.
fn guard(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
