//! The durable tree of RocksDB, by Debian's library.

use std::ops::Bound;
use std::path::Path;

use rocksdb::{DB, DBPinnableSlice, Direction, IteratorMode, Options, WriteBatch};

use super::durable::Tree;
use super::{StoreError, Visit};

/// Keys and values in files.
pub(super) struct RocksDbTree(DB);

fn failed(action: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| StoreError { store: RocksDbTree::NAME, action, reason: error.to_string() }
}

impl RocksDbTree {
    /// Opens the tree in `folder`, or makes one there.
    ///
    /// # Errors
    /// The files are damaged, in use, or cannot be made.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        DB::open(&options, folder).map(Self).map_err(failed("open"))
    }
}

impl Tree for RocksDbTree {
    const NAME: &'static str = "rocksdb";

    type Value<'t> = DBPinnableSlice<'t>;

    fn count(&self) -> Result<u64, StoreError> {
        let keys = self.0.iterator(IteratorMode::Start);
        keys.map(|entry| entry.map(|_| 1).map_err(failed("count"))).sum()
    }

    fn read(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.0.get_pinned(key).map_err(failed("read"))
    }

    fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.0.put(key, value).map_err(failed("write"))
    }

    fn remove(&self, key: &[u8]) -> Result<(), StoreError> {
        self.0.delete(key).map_err(failed("remove"))
    }

    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (begin, skipped) = match from {
            Bound::Included(key) => (key, None),
            Bound::Excluded(key) => (key, Some(key)),
            Bound::Unbounded => (&[][..], None),
        };
        for entry in self.0.iterator(IteratorMode::From(begin, Direction::Forward)) {
            let (key, value) = entry.map_err(failed("scan"))?;
            if Some(&*key) != skipped && visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let Some(last) = self.0.iterator(IteratorMode::End).next() else { return Ok(()) };
        let (last, _) = last.map_err(failed("clear"))?;
        // A range leaves out its end.
        let mut batch = WriteBatch::default();
        batch.delete_range(&[][..], &last);
        batch.delete(&last);
        self.0.write(batch).map_err(failed("clear"))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.0.flush_wal(true).map_err(failed("sync"))
    }
}
