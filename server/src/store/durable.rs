//! A store in files: a library's tree, and what that lacks to be a store. It can read and write, but
//! not do both as one change; it does not know how many keys it has without counting them; and it
//! is durable when told to, not when somebody waits for it.

use std::fmt;
use std::ops::{Bound, Deref};
use std::sync::Arc;

use super::stripes::Stripes;
use super::syncer::Syncer;
use super::{Change, Durability, Store, StoreError, Visit};

/// An ordered map of bytes in files. Every method fails only as the library does.
pub(super) trait Tree: Send + Sync + 'static {
    /// What configurations call it.
    const NAME: &'static str;

    /// A value where the library has it.
    type Value<'t>: Deref<Target = [u8]>;

    /// How many keys there are, counted one by one.
    fn count(&self) -> Result<u64, StoreError>;

    fn read(&self, key: &[u8]) -> Result<Option<Self::Value<'_>>, StoreError>;

    /// Hands the kernel a new value of a key.
    fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError>;

    fn remove(&self, key: &[u8]) -> Result<(), StoreError>;

    /// As [`Store::scan`].
    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    fn clear(&self) -> Result<(), StoreError>;

    /// Returns once the disk has all that was handed to the kernel.
    fn sync(&self) -> Result<(), StoreError>;
}

/// See the module.
pub(super) struct DurableStore<T> {
    syncer: Syncer,
    tree: Arc<T>,
    stripes: Stripes,
}

impl<T: Tree> DurableStore<T> {
    /// The store over `tree`, whose keys are counted.
    pub(super) fn new(tree: T, durability: Durability) -> Result<Self, StoreError> {
        let stripes = Stripes::new(tree.count()?);
        let tree = Arc::new(tree);
        let synced = Arc::clone(&tree);
        let syncer = Syncer::new(durability, Box::new(move || synced.sync()));
        Ok(Self { syncer, tree, stripes })
    }
}

impl<T: Tree> Store for DurableStore<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn is_quick(&self) -> bool {
        false
    }

    fn locks_scans(&self) -> bool {
        false
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        if let Some(value) = self.tree.read(key)? {
            read(&value);
        }
        Ok(())
    }

    fn update(
        &self,
        key: &[u8],
        change: &mut dyn FnMut(Option<&[u8]>) -> Change,
    ) -> Result<(), StoreError> {
        let _alone = self.stripes.lock(key);
        let old = self.tree.read(key)?;
        match change(old.as_deref()) {
            Change::Put(new) => {
                self.tree.put(key, new)?;
                if old.is_none() {
                    self.stripes.add();
                }
            }
            Change::Remove if old.is_some() => {
                self.tree.remove(key)?;
                self.stripes.remove();
            }
            Change::Keep | Change::Remove => return Ok(()),
        }
        self.syncer.note_write();
        Ok(())
    }

    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.tree.scan(from, visit)
    }

    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.stripes.len())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let _alone = self.stripes.lock_all();
        self.tree.clear()?;
        self.stripes.clear();
        self.syncer.note_write();
        Ok(())
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.syncer.settle()
    }
}

impl<T: Tree> fmt::Debug for DurableStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(T::NAME).field("keys", &self.stripes.len()).finish_non_exhaustive()
    }
}
