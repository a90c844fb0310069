//! Giving back the memory of expired keys, a few at a time.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};

use super::Keyspace;
use crate::failure::Failure;
use crate::store::Change;
use crate::turn::Turn;

/// Where the next sweep goes on, and whether it is worth it.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The last key that was visited; `None`: begin.
    last: Mutex<Option<Vec<u8>>>,
    /// Whether a key may have a time to live. Forgotten when a pass begins; whoever writes such a
    /// key, and the pass that sees one alive, says so again.
    has_expiring: AtomicBool,
}

impl Default for Sweep {
    fn default() -> Self {
        // A store in files may bring such keys along.
        Self { last: Mutex::new(None), has_expiring: AtomicBool::new(true) }
    }
}

impl Sweep {
    /// A key with a time to live was written.
    pub(super) fn note_expiry(&self) {
        self.has_expiring.store(true, Ordering::Relaxed);
    }
}

impl Keyspace {
    /// Whether a sweep may find something to do.
    #[must_use]
    pub fn wants_sweep(&self) -> bool {
        let is_under_way = self.sweep.last.try_lock().is_ok_and(|last| last.is_some());
        is_under_way || self.sweep.has_expiring.load(Ordering::Relaxed)
    }

    /// Visits the next `keys_max` keys, wherever the sweep before ended, and removes those that
    /// have expired. Returns how many; costs nothing if no key has a time to live. Call it now and
    /// then, from one thread at a time; a second finds nothing to do.
    ///
    /// # Errors
    /// The store failed, or the sweep was cancelled: the next goes on where this one began.
    pub fn sweep(&self, turn: &dyn Turn, keys_max: usize) -> Result<usize, Failure> {
        let mut last = match self.sweep.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(0),
        };
        let has_expiring = &self.sweep.has_expiring;
        let is_worth_it = match &*last {
            None => has_expiring.swap(false, Ordering::Relaxed),
            Some(_) => true,
        };
        if !is_worth_it {
            return Ok(0);
        }
        let (mut visited, mut expired, mut next) = (0, Vec::new(), None);
        let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.scan_entries(turn, from, &mut |key, entry| {
            if !entry.is_alive(turn) {
                expired.push(key.to_vec());
            } else if entry.expires_ms.is_some() {
                has_expiring.store(true, Ordering::Relaxed);
            }
            visited += 1;
            if visited < keys_max {
                return ControlFlow::Continue(());
            }
            next = Some(key.to_vec());
            ControlFlow::Break(())
        })?;
        *last = next;
        for key in &expired {
            // Whoever wrote it again since then keeps it.
            self.update(turn, key, |entry| {
                let is_dead = entry.is_none();
                Ok((if is_dead { Change::Remove } else { Change::Keep }, ()))
            })?;
            turn.safepoint();
        }
        Ok(expired.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Entry;
    use crate::store::MemoryStore;
    use crate::turn::Uninterrupted;

    fn keyspace(keys: u32, expires_ms: impl Fn(u32) -> Option<u64>) -> Keyspace {
        let keyspace = Keyspace::new(Box::new(MemoryStore::default()));
        for number in 0..keys {
            let bytes = Entry::encode(expires_ms(number), b"value", &[]);
            let put = |_: Option<Entry<'_>>| Ok((Change::Put(bytes.clone()), ()));
            keyspace.update(&Uninterrupted, &number.to_be_bytes(), put).unwrap();
        }
        keyspace
    }

    #[test]
    fn expired_keys_go_a_few_at_a_time() {
        let keyspace = keyspace(100, |number| number.is_multiple_of(2).then_some(1));
        let sweep = || keyspace.sweep(&Uninterrupted, 10).unwrap();
        assert_eq!((0..10).map(|_| sweep()).collect::<Vec<_>>(), [5; 10]);
        assert_eq!(keyspace.store().len(), Ok(50));
        assert_eq!((0..10).map(|_| sweep()).sum::<usize>(), 0);
    }

    #[test]
    fn a_sweep_rests_when_no_key_expires_and_wakes_when_one_may() {
        let keyspace = keyspace(25, |_| None);
        let rests = || !keyspace.wants_sweep();
        for _ in 0..3 {
            keyspace.sweep(&Uninterrupted, 10).unwrap();
        }
        assert!(rests());
        let bytes = Entry::encode(Some(u64::MAX), b"value", &[]);
        let put = |_: Option<Entry<'_>>| Ok((Change::Put(bytes.clone()), ()));
        keyspace.update(&Uninterrupted, b"new", put).unwrap();
        for _ in 0..9 {
            keyspace.sweep(&Uninterrupted, 10).unwrap();
        }
        assert!(!rests(), "a key that lives on may still expire");
        assert_eq!(keyspace.store().len(), Ok(26));
    }
}
