//! The durable store in pure Rust: fjall's log-structured tree and its journal.

use std::fmt;
use std::ops::Bound;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::stripes::Stripes;
use super::syncer::Syncer;
use super::{Change, Durability, Store, StoreError, Visit};

/// Keys of this store have at least one byte, and no more than its format has room for.
const KEY_MAX: usize = u16::MAX as usize;

/// Keys and values in files.
pub struct FjallStore {
    // Dropped first: its last sync needs the database.
    syncer: Syncer,
    keys: Keyspace,
    stripes: Stripes,
}

fn failed(action: &'static str) -> impl Fn(fjall::Error) -> StoreError {
    move |error| StoreError { store: "fjall", action, reason: error.to_string() }
}

impl FjallStore {
    /// Opens the store in `folder`, or makes one there. Reads all keys once, to count them.
    ///
    /// # Errors
    /// The files are damaged, in use, or cannot be made.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self, StoreError> {
        let database = Database::builder(folder).open().map_err(failed("open"))?;
        let keys = database.keyspace("keys", KeyspaceCreateOptions::default);
        let keys = keys.map_err(failed("open"))?;
        let count = keys.len().map_err(failed("count"))?;
        let sync = move || database.persist(PersistMode::SyncData).map_err(failed("sync"));
        let syncer = Syncer::new(durability, Box::new(sync));
        Ok(Self { syncer, keys, stripes: Stripes::new(count as u64) })
    }

    fn read(&self, key: &[u8]) -> Result<Option<fjall::Slice>, StoreError> {
        if key.is_empty() || key.len() > KEY_MAX {
            return Ok(None);
        }
        self.keys.get(key).map_err(failed("read"))
    }
}

impl Store for FjallStore {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn is_quick(&self) -> bool {
        false
    }

    fn locks_scans(&self) -> bool {
        false
    }

    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        if let Some(value) = self.read(key)? {
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
        let old = self.read(key)?;
        match change(old.as_deref()) {
            Change::Put(_) if key.is_empty() || key.len() > KEY_MAX => {
                let reason = format!("its keys have 1 to {KEY_MAX} bytes, not {}", key.len());
                return Err(StoreError { store: "fjall", action: "write", reason });
            }
            Change::Put(new) => {
                self.keys.insert(key, new).map_err(failed("write"))?;
                if old.is_none() {
                    self.stripes.add();
                }
            }
            Change::Remove if old.is_some() => {
                self.keys.remove(key).map_err(failed("remove"))?;
                self.stripes.remove();
            }
            Change::Keep | Change::Remove => return Ok(()),
        }
        self.syncer.note_write();
        Ok(())
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

    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.stripes.len())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let _alone = self.stripes.lock_all();
        self.keys.clear().map_err(failed("clear"))?;
        self.stripes.clear();
        self.syncer.note_write();
        Ok(())
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.syncer.settle()
    }
}

impl fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallStore").field("keys", &self.stripes.len()).finish_non_exhaustive()
    }
}
