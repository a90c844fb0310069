//! What keys and values mean: a store's bytes with times to live.
//!
//! A value is kept behind the time at which it expires. An expired key is gone for everyone who
//! looks; its memory comes back when somebody changes it, or at the next sweep.

mod entry;

pub use entry::Entry;

use std::ops::{Bound, ControlFlow};

use crate::failure::Failure;
use crate::store::{Change, Store, StoreError, Visit};
use crate::turn::{Turn, atomically};

/// Keys that are visited between two safepoints, with the store's lock held: some microseconds.
const CHUNK_KEYS: usize = 64;

/// The keys of a server.
#[derive(Debug)]
pub struct Keyspace {
    store: Box<dyn Store>,
}

impl Keyspace {
    /// The keys that `store` holds.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Calls `read` with the key's entry, or without one, and returns what it returns.
    ///
    /// # Errors
    /// The store cannot read.
    pub fn read<R>(
        &self,
        turn: &dyn Turn,
        key: &[u8],
        read: impl FnOnce(Option<Entry<'_>>) -> R,
    ) -> Result<R, StoreError> {
        let (mut read, mut result) = (Some(read), None);
        atomically(turn, || {
            self.store.get(key, &mut |bytes| {
                let entry = Entry::decode(bytes).filter(|entry| entry.is_alive(turn));
                result = read.take().map(|read| read(entry));
            })
        })?;
        // Not called: there is no such key.
        Ok(result.unwrap_or_else(|| read.take().expect("unused as yet")(None)))
    }

    /// Asks `change` what is to become of the key's entry, does it, and returns its result. May be
    /// asked again if somebody else was first. The change is visible at once, and durable after
    /// [`Self::settle`].
    ///
    /// # Errors
    /// The store cannot write, or `change` failed, and changed nothing.
    pub fn update<R>(
        &self,
        turn: &dyn Turn,
        key: &[u8],
        mut change: impl FnMut(Option<Entry<'_>>) -> Result<(Change, R), Failure>,
    ) -> Result<R, Failure> {
        let mut result = None;
        atomically(turn, || {
            self.store.update(key, &mut |bytes| {
                let entry = bytes.and_then(Entry::decode).filter(|entry| entry.is_alive(turn));
                let (change, returned) = match change(entry) {
                    Ok((change, returned)) => (change, Ok(returned)),
                    Err(failure) => (Change::Keep, Err(failure)),
                };
                result = Some(returned);
                change
            })
        })?;
        result.unwrap_or(Err(Failure::Internal("the store did not ask for a change")))
    }

    /// Returns once all changes made before the call are as durable as the store was told to make
    /// them: what an acknowledgement waits for. May block, so it may be preempted.
    ///
    /// # Errors
    /// They may not be durable.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.store.settle()
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// The store cannot write.
    pub fn clear(&self, turn: &dyn Turn) -> Result<(), StoreError> {
        atomically(turn, || self.store.clear())
    }

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

    /// Visits a chunk. Returns its last key if there may be more.
    fn scan_chunk(
        &self,
        turn: &dyn Turn,
        from: &Bound<Vec<u8>>,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (mut visited, mut last) = (0, None);
        let from = from.as_ref().map(Vec::as_slice);
        atomically(turn, || {
            self.store.scan(from, &mut |key, bytes| {
                visited += 1;
                if let Some(entry) = Entry::decode(bytes).filter(|entry| entry.is_alive(turn)) {
                    visit(key, entry.value)?;
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
