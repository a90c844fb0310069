//! What every store does.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use revenant_server::keyspace::{Entry, Keyspace};
use revenant_server::store::{Change, Store};
use revenant_server::turn::Uninterrupted;

use crate::World;

pub(crate) fn get(store: &dyn Store, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = None;
    store.get(key, &mut |bytes| value = Some(bytes.to_vec())).unwrap();
    value
}

pub(crate) fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    store.update(key, &mut |_| Change::Put(value.to_vec())).unwrap();
}

pub(crate) fn scan(store: &dyn Store, from: Bound<&[u8]>, count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        if found.len() == count {
            return ControlFlow::Break(());
        }
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    store.scan(from, visit).unwrap();
    found
}

pub(crate) fn keys_and_values_are_kept(world: &World) {
    let store = &*world.store;
    assert_eq!(get(store, b"a"), None);
    assert_eq!(get(store, b""), None);
    for (key, value) in [(&b"a"[..], &b"1"[..]), (b"\0\xff\r\n", b""), (b"a", &[7; 100_000])] {
        put(store, key, value);
        assert_eq!(get(store, key).as_deref(), Some(value));
    }
    assert_eq!(store.len(), Ok(2));
    store.update(b"a", &mut |_| Change::Remove).unwrap();
    store.update(b"nosuch", &mut |_| Change::Remove).unwrap();
    assert_eq!((get(store, b"a"), store.len()), (None, Ok(1)));
}

pub(crate) fn a_change_sees_the_value_it_changes(world: &World) {
    let store = &*world.store;
    let mut seen = Vec::new();
    for change in [Change::Keep, Change::Put(b"1".to_vec()), Change::Keep, Change::Remove] {
        store
            .update(b"a", &mut |old| {
                seen.push(old.map(<[u8]>::to_vec));
                change.clone()
            })
            .unwrap();
    }
    assert_eq!(seen, [None, None, Some(b"1".to_vec()), Some(b"1".to_vec())]);
    assert_eq!(get(store, b"a"), None);
}

pub(crate) fn a_scan_is_in_the_order_of_bytes(world: &World) {
    let store = &*world.store;
    for key in [&b"b"[..], b"a", b"ab", b"\xff", b"a\0", b"B"] {
        put(store, key, key);
    }
    let keys = |from, count| -> Vec<Vec<u8>> {
        scan(store, from, count).into_iter().map(|(key, _)| key).collect()
    };
    let all = [&b"B"[..], b"a", b"a\0", b"ab", b"b", b"\xff"];
    assert_eq!(keys(Bound::Unbounded, 10), all);
    assert_eq!(keys(Bound::Included(b""), 10), all);
    assert_eq!(keys(Bound::Excluded(b""), 10), all);
    assert_eq!(keys(Bound::Included(b"a\0"), 10), all[2..]);
    assert_eq!(keys(Bound::Excluded(b"a\0"), 2), all[3..5]);
    assert_eq!(keys(Bound::Excluded(b"aa"), 1), all[3..4]);
    assert!(keys(Bound::Excluded(b"\xff"), 10).is_empty());
}

pub(crate) fn no_change_of_a_key_is_lost_between_threads(world: &World) {
    const THREADS: u64 = 4;
    const CHANGES: u64 = 500;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for change in 0..CHANGES {
                    let key = [b'a' + (change % 3) as u8];
                    world.store.update(&key, &mut add_one).unwrap();
                }
            });
        }
    });
    let sum: u64 = [b"a", b"b", b"c"]
        .into_iter()
        .map(|key| u64::from_le_bytes(get(&*world.store, key).unwrap().try_into().unwrap()))
        .sum();
    assert_eq!(sum, THREADS * CHANGES);
    assert_eq!(world.store.len(), Ok(3));
}

/// The scan is cut into pieces or not, as the store likes; keys that come and go stand between.
pub(crate) fn a_scan_beside_a_writer_sees_every_key_that_stays(world: World) {
    const STAYING: u32 = 300;
    let key = |number: u32| number.to_be_bytes();
    for number in 0..STAYING {
        put(&*world.store, &key(2 * number), &Entry::encode(None, b"stays", &[]));
    }
    let World { store, folder: _folder, .. } = world;
    let keyspace = Keyspace::new(store);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..STAYING).cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let bytes = Entry::encode(None, b"comes and goes", &[]);
                let store = keyspace.store();
                let toggle = &mut |old: Option<&[u8]>| match old {
                    None => Change::Put(bytes.clone()),
                    Some(_) => Change::Remove,
                };
                store.update(&key(2 * number + 1), toggle).unwrap();
            }
        });
        for _ in 0..50 {
            let mut seen = Vec::new();
            let visit = &mut |key: &[u8], value: &[u8]| {
                if value == b"stays" {
                    seen.push(key.to_vec());
                }
                ControlFlow::Continue(())
            };
            keyspace.scan(&Uninterrupted, Bound::Unbounded, visit).unwrap();
            let expected: Vec<_> = (0..STAYING).map(|number| key(2 * number).to_vec()).collect();
            // The writer ends before an assertion could keep it writing for ever.
            if seen != expected {
                is_over.store(true, Ordering::Relaxed);
            }
            assert_eq!(seen, expected);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn add_one(old: Option<&[u8]>) -> Change {
    let number = old.map_or(0, |old| u64::from_le_bytes(old.try_into().unwrap()));
    Change::Put((number + 1).to_le_bytes().to_vec())
}

pub(crate) fn a_cleared_store_is_empty_and_usable(world: &World) {
    let store = &*world.store;
    store.clear().unwrap();
    for number in 0..1_000_u32 {
        put(store, &number.to_be_bytes(), b"value");
    }
    put(store, &[0xff; 20], b"the last of all");
    store.clear().unwrap();
    assert_eq!(store.len(), Ok(0));
    assert_eq!(scan(store, Bound::Unbounded, 10), []);
    put(store, b"a", b"1");
    assert_eq!((get(store, b"a"), store.len()), (Some(b"1".to_vec()), Ok(1)));
}

#[cfg_attr(
    not(any(feature = "fjall", feature = "rocksdb")),
    expect(dead_code, reason = "for stores in files")
)]
pub(crate) fn what_was_written_is_there_after_a_restart(world: World) {
    for number in 0..1_000_u32 {
        put(&*world.store, &number.to_be_bytes(), b"old");
    }
    world.store.clear().unwrap();
    for number in 0..100_u32 {
        put(&*world.store, &number.to_be_bytes(), b"new");
    }
    world.store.update(&7_u32.to_be_bytes(), &mut |_| Change::Remove).unwrap();
    let expected = scan(&*world.store, Bound::Unbounded, 1_000);
    let world = world.reopen();
    assert_eq!(world.store.len(), Ok(99));
    assert_eq!(scan(&*world.store, Bound::Unbounded, 1_000), expected);
}
