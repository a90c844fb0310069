//! The durable tree in pure Rust: fjall's log-structured one and its journal.

use std::ops::Bound;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice};

use super::durable::Tree;
use super::{StoreError, Visit};

/// Keys of this tree have at least one byte, and no more than its format has room for.
const KEY_MAX: usize = u16::MAX as usize;

/// Keys and values in files.
pub(super) struct FjallTree {
    database: Database,
    keys: Keyspace,
}

fn failed(action: &'static str) -> impl Fn(fjall::Error) -> StoreError {
    move |error| StoreError { store: FjallTree::NAME, action, reason: error.to_string() }
}

fn is_possible(key: &[u8]) -> bool {
    (1..=KEY_MAX).contains(&key.len())
}

impl FjallTree {
    /// Opens the tree in `folder`, or makes one there.
    ///
    /// # Errors
    /// The files are damaged, in use, or cannot be made.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(folder).open().map_err(failed("open"))?;
        let keys = database.keyspace("keys", KeyspaceCreateOptions::default);
        let keys = keys.map_err(failed("open"))?;
        Ok(Self { database, keys })
    }
}

impl Tree for FjallTree {
    const NAME: &'static str = "fjall";

    type Value<'t> = Slice;

    fn count(&self) -> Result<u64, StoreError> {
        self.keys.len().map(|count| count as u64).map_err(failed("count"))
    }

    fn read(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        if is_possible(key) { self.keys.get(key).map_err(failed("read")) } else { Ok(None) }
    }

    fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        if !is_possible(key) {
            let reason = format!("its keys have 1 to {KEY_MAX} bytes, not {}", key.len());
            return Err(StoreError { store: Self::NAME, action: "write", reason });
        }
        self.keys.insert(key, value).map_err(failed("write"))
    }

    fn remove(&self, key: &[u8]) -> Result<(), StoreError> {
        self.keys.remove(key).map_err(failed("remove"))
    }

    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        // No key is empty, and the tree does not take an empty one as a bound.
        let from = match from {
            Bound::Included([]) | Bound::Excluded([]) => Bound::Unbounded,
            from => from,
        };
        for entry in self.keys.range::<&[u8], _>((from, Bound::Unbounded)) {
            let (key, value) = entry.into_inner().map_err(failed("scan"))?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.keys.clear().map_err(failed("clear"))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::SyncData).map_err(failed("sync"))
    }
}
