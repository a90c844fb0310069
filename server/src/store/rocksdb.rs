//! The store on RocksDB, by Debian's library.

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use rocksdb::{DB, DBPinnableSlice, Direction, IteratorMode, Options, WriteBatch};

use super::stripes::Stripes;
use super::syncer::Syncer;
use super::{Change, Durability, Store, StoreError, Visit};

/// Keys and values in files.
pub struct RocksDbStore {
    syncer: Syncer,
    database: Arc<DB>,
    stripes: Stripes,
}

fn failed(action: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| StoreError { store: "rocksdb", action, reason: error.to_string() }
}

impl RocksDbStore {
    /// Opens the store in `folder`, or makes one there. Reads all keys once, to count them.
    ///
    /// # Errors
    /// The files are damaged, in use, or cannot be made.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        let database = Arc::new(DB::open(&options, folder).map_err(failed("open"))?);
        let mut count = 0;
        for entry in database.iterator(IteratorMode::Start) {
            entry.map_err(failed("count"))?;
            count += 1;
        }
        let synced = Arc::clone(&database);
        let sync = move || synced.flush_wal(true).map_err(failed("sync"));
        let syncer = Syncer::new(durability, Box::new(sync));
        Ok(Self { syncer, database, stripes: Stripes::new(count) })
    }

    fn read(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.database.get_pinned(key).map_err(failed("read"))
    }
}

impl Store for RocksDbStore {
    fn name(&self) -> &'static str {
        "rocksdb"
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
            Change::Put(new) => {
                self.database.put(key, new).map_err(failed("write"))?;
                if old.is_none() {
                    self.stripes.add();
                }
            }
            Change::Remove if old.is_some() => {
                self.database.delete(key).map_err(failed("remove"))?;
                self.stripes.remove();
            }
            Change::Keep | Change::Remove => return Ok(()),
        }
        self.syncer.note_write();
        Ok(())
    }

    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (begin, skipped) = match from {
            Bound::Included(key) => (key, None),
            Bound::Excluded(key) => (key, Some(key)),
            Bound::Unbounded => (&[][..], None),
        };
        for entry in self.database.iterator(IteratorMode::From(begin, Direction::Forward)) {
            let (key, value) = entry.map_err(failed("scan"))?;
            if Some(&*key) != skipped && visit(&key, &value).is_break() {
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
        if let Some(last) = self.database.iterator(IteratorMode::End).next() {
            let (last, _) = last.map_err(failed("clear"))?;
            // A range leaves out its end.
            let mut batch = WriteBatch::default();
            batch.delete_range(&[][..], &last);
            batch.delete(&last);
            self.database.write(batch).map_err(failed("clear"))?;
        }
        self.stripes.clear();
        self.syncer.note_write();
        Ok(())
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.syncer.settle()
    }
}

impl fmt::Debug for RocksDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDbStore").field("keys", &self.stripes.len()).finish_non_exhaustive()
    }
}
