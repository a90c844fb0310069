//! The store in memory: a tree behind a lock.
//!
//! Readers share the lock. A writer waits for the readers before it, of which the longest is a chunk
//! of a scan, about a microsecond. The kernel may take the CPU from whoever reads, and the writer
//! then waits as long; trees without locks spare it that, and make every lookup three times as slow.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Change, Store, StoreError, Visit};

type Tree = BTreeMap<Box<[u8]>, Vec<u8>>;

/// Keys and values in memory, gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tree: RwLock<Tree>,
}

impl MemoryStore {
    fn read(&self) -> RwLockReadGuard<'_, Tree> {
        // A panic in a callback leaves the tree whole: callbacks run between changes of it.
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn locks_scans(&self) -> bool {
        true
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        if let Some(value) = self.read().get(key) {
            read(value);
        }
        Ok(())
    }

    fn update(
        &self,
        key: &[u8],
        change: &mut dyn FnMut(Option<&[u8]>) -> Change,
    ) -> Result<(), StoreError> {
        let mut tree = self.write();
        match tree.get_mut(key) {
            Some(value) => match change(Some(value)) {
                Change::Keep => {}
                Change::Put(new) => *value = new,
                Change::Remove => drop(tree.remove(key)),
            },
            None => {
                if let Change::Put(new) = change(None) {
                    tree.insert(key.into(), new);
                }
            }
        }
        Ok(())
    }

    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (key, value) in self.read().range::<[u8], _>((from, Bound::Unbounded)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.read().len() as u64)
    }

    fn clear(&self) -> Result<(), StoreError> {
        let old = std::mem::take(&mut *self.write());
        // Freed after the lock.
        drop(old);
        Ok(())
    }

    fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
