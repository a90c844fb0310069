//! Writes and acknowledges until it is killed.

use std::io::Write as _;
use std::path::Path;
use std::thread;

use revenant_server::store::{Change, Durability, Store, StoreKind};

/// Several, so that they share syncs.
pub(crate) const THREADS: usize = 4;

pub(crate) fn key(thread: usize, number: u64) -> Vec<u8> {
    format!("{thread}:{number}").into_bytes()
}

pub(crate) fn read_number(store: &dyn Store, key: &[u8]) -> Option<u64> {
    let mut number = None;
    let read = &mut |bytes: &[u8]| number = bytes.try_into().ok().map(u64::from_le_bytes);
    store.get(key, read).unwrap();
    number
}

/// Goes on where the writer before it ended, for ever.
pub(crate) fn write(folder: &Path, kind: StoreKind) {
    let store = kind.open(folder, Durability::Always).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &*store;
            scope.spawn(move || write_from(store, thread));
        }
    });
}

fn write_from(store: &dyn Store, thread: usize) {
    let is_there = |number: &u64| read_number(store, &key(thread, *number)).is_some();
    let first = (1..).find(|number| !is_there(number)).unwrap();
    for number in first.. {
        let bytes = number.to_le_bytes().to_vec();
        store.update(&key(thread, number), &mut |_| Change::Put(bytes.clone())).unwrap();
        store.settle().unwrap();
        // The point tells a whole line from one that death has cut.
        println!("{thread} {number}.");
        std::io::stdout().flush().unwrap();
    }
}
