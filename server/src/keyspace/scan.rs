//! Many keys, in order.

use std::ops::{Bound, ControlFlow};

use super::{Entry, Keyspace};
use crate::failure::Failure;
use crate::store::{StoreError, Visit};
use crate::turn::{Turn, atomically};

/// Keys that are visited between two safepoints, with the store's lock held if it has one: some
/// microseconds.
const CHUNK_KEYS: usize = 64;

/// Looks at a key and its entry, dead or alive, and says whether to go on.
pub(super) type VisitEntry<'v> = dyn FnMut(&[u8], Entry<'_>) -> ControlFlow<()> + 'v;

impl Keyspace {
    /// Visits living keys and values in order from `from` on, until `visit` breaks or there are no
    /// more. Has safepoints: keys that come and go meanwhile may be seen or not; those that stay
    /// are seen, once.
    ///
    /// # Errors
    /// The store cannot read, or nobody waits for the result any more.
    pub fn scan(
        &self,
        turn: &dyn Turn,
        from: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Failure> {
        self.scan_entries(turn, from, &mut |key, entry| match entry.is_alive(turn) {
            true => visit(key, entry.value),
            false => ControlFlow::Continue(()),
        })
    }

    /// The same for entries that have expired, too.
    pub(super) fn scan_entries(
        &self,
        turn: &dyn Turn,
        from: Bound<&[u8]>,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), Failure> {
        if !self.store.locks_scans() {
            return self.scan_at_once(turn, from, visit);
        }
        let mut from = from.map(<[u8]>::to_vec);
        loop {
            let Some(last) = self.scan_chunk(turn, &from, visit)? else { return Ok(()) };
            from = Bound::Excluded(last);
            turn.safepoint();
            if turn.is_cancelled() {
                return Err(Failure::Expired);
            }
        }
    }

    /// Visits all in one go, with safepoints on the way: to seek is what costs stores in files.
    fn scan_at_once(
        &self,
        turn: &dyn Turn,
        from: Bound<&[u8]>,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), Failure> {
        let (mut visited, mut is_cancelled) = (0, false);
        self.store.scan(from, &mut |key, bytes| {
            visited += 1;
            if visited % CHUNK_KEYS == 0 {
                turn.safepoint();
                is_cancelled = turn.is_cancelled();
                if is_cancelled {
                    return ControlFlow::Break(());
                }
            }
            Entry::decode(bytes).map_or(ControlFlow::Continue(()), |entry| visit(key, entry))
        })?;
        if is_cancelled { Err(Failure::Expired) } else { Ok(()) }
    }

    /// Visits a chunk. Returns its last key if there may be more.
    fn scan_chunk(
        &self,
        turn: &dyn Turn,
        from: &Bound<Vec<u8>>,
        visit: &mut VisitEntry<'_>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (mut visited, mut last) = (0, None);
        let from = from.as_ref().map(Vec::as_slice);
        atomically(turn, || {
            self.store.scan(from, &mut |key, bytes| {
                visited += 1;
                if let Some(entry) = Entry::decode(bytes) {
                    visit(key, entry)?;
                }
                if visited < CHUNK_KEYS {
                    return ControlFlow::Continue(());
                }
                last = Some(key.to_vec());
                ControlFlow::Break(())
            })
        })?;
        Ok(last)
    }
}
