//! What keys and values mean: a store's bytes with times to live.
//!
//! A value is kept behind the time at which it expires. An expired key is gone for everyone who
//! looks; its memory comes back when somebody changes it, or at the next
//! [sweep](Keyspace::sweep).

mod entry;
mod scan;
mod sweep;

pub use entry::Entry;

use crate::failure::Failure;
use crate::store::{Change, Store, StoreError};
use crate::turn::{Turn, atomically};

use sweep::Sweep;

/// The keys of a server.
#[derive(Debug)]
pub struct Keyspace {
    store: Box<dyn Store>,
    sweep: Sweep,
}

impl Keyspace {
    /// The keys that `store` holds.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store, sweep: Sweep::default() }
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
        let (mut result, mut expires) = (None, false);
        atomically(turn, || {
            self.store.update(key, &mut |bytes| {
                let entry = bytes.and_then(Entry::decode).filter(|entry| entry.is_alive(turn));
                let (change, returned) = match change(entry) {
                    Ok((change, returned)) => (change, Ok(returned)),
                    Err(failure) => (Change::Keep, Err(failure)),
                };
                result = Some(returned);
                expires = matches!(&change, Change::Put(bytes) if Entry::expires(bytes));
                change
            })
        })?;
        if expires {
            self.sweep.note_expiry();
        }
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

    /// Removes all keys. Takes its time, so it may be preempted.
    ///
    /// # Errors
    /// The store cannot write.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.store.clear()
    }
}
