//! One body of tests for all stores.

mod conformance;
mod model;

use revenant_server::store::{Durability, Store, StoreKind};
use tempfile::TempDir;

/// A store and the folder it is in, which goes after it.
pub(crate) struct World {
    pub(crate) store: Box<dyn Store>,
    pub(crate) kind: StoreKind,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) fn new(kind: StoreKind) -> Self {
        let folder = TempDir::new().unwrap();
        let store = kind.open(folder.path(), Durability::No).unwrap();
        Self { store, kind, folder }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, kind, folder } = self;
        drop(store);
        let store = kind.open(folder.path(), Durability::No).unwrap();
        Self { store, kind, folder }
    }
}

/// Runs every body on a store.
macro_rules! conformance_of {
    ($name:ident, $kind:expr, [$($body:path),* $(,)?]) => {
        mod $name {
            use super::*;

            #[test]
            fn keys_and_values_are_kept() {
                conformance::keys_and_values_are_kept(&World::new($kind));
            }

            #[test]
            fn a_change_sees_the_value_it_changes() {
                conformance::a_change_sees_the_value_it_changes(&World::new($kind));
            }

            #[test]
            fn a_scan_is_in_the_order_of_bytes() {
                conformance::a_scan_is_in_the_order_of_bytes(&World::new($kind));
            }

            #[test]
            fn no_change_of_a_key_is_lost_between_threads() {
                conformance::no_change_of_a_key_is_lost_between_threads(&World::new($kind));
            }

            #[test]
            fn a_scan_beside_a_writer_sees_every_key_that_stays() {
                conformance::a_scan_beside_a_writer_sees_every_key_that_stays(World::new($kind));
            }

            #[test]
            fn a_cleared_store_is_empty_and_usable() {
                conformance::a_cleared_store_is_empty_and_usable(&World::new($kind));
            }

            #[test]
            fn it_does_what_a_map_does() {
                model::it_does_what_a_map_does($kind);
            }

            $(
                #[test]
                fn what_was_written_is_there_after_a_restart() {
                    $body(World::new($kind));
                }
            )*
        }
    };
}

conformance_of!(memory, StoreKind::Memory, []);

#[cfg(feature = "fjall")]
conformance_of!(fjall, StoreKind::Fjall, [conformance::what_was_written_is_there_after_a_restart]);

#[cfg(feature = "rocksdb")]
conformance_of!(
    rocksdb,
    StoreKind::RocksDb,
    [conformance::what_was_written_is_there_after_a_restart]
);

#[test]
fn a_store_is_known_by_its_name() {
    for (name, kind) in [
        ("memory", StoreKind::Memory),
        ("fjall", StoreKind::Fjall),
        ("rocksdb", StoreKind::RocksDb),
    ] {
        assert_eq!(name.parse(), Ok(kind));
    }
    let error = "redis".parse::<StoreKind>().unwrap_err().to_string();
    assert_eq!(error, "there is no store called redis: it is memory, fjall or rocksdb");
}
