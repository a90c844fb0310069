//! Where keys and values are.
//!
//! A store is an ordered map of bytes, used by many threads at once. What a value means (its time
//! to live, its being a number) is the [keyspace](crate::keyspace)'s affair.

mod durability;
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
mod durable;
#[cfg(feature = "fjall")]
mod fjall;
mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
mod stripes;
#[cfg(any(feature = "fjall", feature = "rocksdb"))]
mod syncer;

pub use durability::Durability;
pub use memory::MemoryStore;

use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::str::FromStr;

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It has this value.
    Put(Vec<u8>),
    /// It goes.
    Remove,
}

/// Looks at a key and its value, and says whether to go on.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// A store did not do as told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {store} store failed to {action}: {reason}")]
pub struct StoreError {
    /// Which store.
    pub store: &'static str,
    /// What it was to do.
    pub action: &'static str,
    /// What it said.
    pub reason: String,
}

/// An ordered map of bytes. Every method holds locks, if any, only until it returns, and calls back
/// with them held: a callback must be short, and must not call the store.
pub trait Store: fmt::Debug + Send + Sync {
    /// What configurations call it.
    fn name(&self) -> &'static str;

    /// Whether [`Self::get`] and [`Self::update`] neither block nor take longer than it takes to
    /// hand them to another thread.
    fn is_quick(&self) -> bool;

    /// Whether [`Self::scan`] calls back while it holds a lock that others need. If it does not, the
    /// callback may take its time, and be preempted.
    fn locks_scans(&self) -> bool;

    /// Calls `read` with the key's value, if it has one.
    ///
    /// # Errors
    /// The store cannot read.
    fn get(&self, key: &[u8], read: &mut dyn FnMut(&[u8])) -> Result<(), StoreError>;

    /// Asks `change` what is to become of the key, whose value it is shown, and does it. No other
    /// change of that key comes in between.
    ///
    /// # Errors
    /// The store cannot write; the key is as it was.
    fn update(
        &self,
        key: &[u8],
        change: &mut dyn FnMut(Option<&[u8]>) -> Change,
    ) -> Result<(), StoreError>;

    /// Visits keys and values in the order of their bytes, from `from` on, until `visit` breaks or
    /// there are no more. Each value is one that the key had during the call.
    ///
    /// # Errors
    /// The store cannot read.
    fn scan(&self, from: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// How many keys there are.
    ///
    /// # Errors
    /// The store cannot read.
    fn len(&self) -> Result<u64, StoreError>;

    /// Whether there are none.
    ///
    /// # Errors
    /// The store cannot read.
    fn is_empty(&self) -> Result<bool, StoreError> {
        self.len().map(|len| len == 0)
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// The store cannot write.
    fn clear(&self) -> Result<(), StoreError>;

    /// Returns once the changes made before the call are as durable as the store was told to make
    /// them: what an acknowledgement waits for.
    ///
    /// # Errors
    /// They may not be durable.
    fn settle(&self) -> Result<(), StoreError>;
}

/// The stores there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// In memory, gone with the process.
    #[default]
    Memory,
    /// In files, in pure Rust; cargo feature `fjall`.
    Fjall,
    /// In files, by Debian's librocksdb; cargo feature `rocksdb`.
    RocksDb,
}

/// A store that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no store called {0}: it is memory, fjall or rocksdb")]
pub struct UnknownStore(String);

impl FromStr for StoreKind {
    type Err = UnknownStore;

    fn from_str(name: &str) -> Result<Self, UnknownStore> {
        match name {
            "memory" => Ok(Self::Memory),
            "fjall" => Ok(Self::Fjall),
            "rocksdb" => Ok(Self::RocksDb),
            _ => Err(UnknownStore(name.to_owned())),
        }
    }
}

impl StoreKind {
    /// Opens a store, whose files are in `folder`, or will be: the one in memory has none.
    ///
    /// # Errors
    /// The files are damaged, in use or cannot be made, or this program was built without the
    /// store.
    pub fn open(self, folder: &Path, durability: Durability) -> Result<Box<dyn Store>, StoreError> {
        match self {
            Self::Memory => Ok(Box::new(MemoryStore::default())),
            #[cfg(feature = "fjall")]
            Self::Fjall => durable(fjall::FjallTree::open(folder)?, durability),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => durable(rocksdb::RocksDbTree::open(folder)?, durability),
            #[cfg(not(feature = "fjall"))]
            Self::Fjall => Err(not_built("fjall", folder, durability)),
            #[cfg(not(feature = "rocksdb"))]
            Self::RocksDb => Err(not_built("rocksdb", folder, durability)),
        }
    }
}

#[cfg(any(feature = "fjall", feature = "rocksdb"))]
fn durable(tree: impl durable::Tree, durability: Durability) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(durable::DurableStore::new(tree, durability)?))
}

#[cfg(not(all(feature = "fjall", feature = "rocksdb")))]
fn not_built(store: &'static str, folder: &Path, _durability: Durability) -> StoreError {
    let folder = folder.display();
    let reason = format!(
        "this program was built without it, and {folder} stays untouched; build it with \
         `--features {store}`"
    );
    StoreError { store, action: "open", reason }
}
