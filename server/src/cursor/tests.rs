use super::*;
use crate::keyspace::Entry;
use crate::store::{Change, MemoryStore};
use crate::turn::Uninterrupted;

fn keyspace(keys: &[&str]) -> Keyspace {
    let keyspace = Keyspace::new(Box::new(MemoryStore::default()));
    for key in keys {
        let put = |_: Option<Entry<'_>>| Ok((Change::Put(Entry::encode(None, b"", b"")), ()));
        keyspace.update(&Uninterrupted, key.as_bytes(), put).unwrap();
    }
    keyspace
}

#[test]
fn a_cursor_is_the_place_after_its_key_even_when_the_key_is_gone() {
    let (cursors, keyspace) = (Cursors::default(), keyspace(&[]));
    let cursor = cursors.after(b"b", &Uninterrupted);
    let place = cursors.resolve(cursor, &keyspace, &Uninterrupted);
    assert_eq!(place, Ok(Bound::Excluded(b"b".to_vec())));
    assert_eq!(cursors.searches(), 0);
}

#[test]
fn a_forgotten_cursor_is_found_by_its_key() {
    let cursor = Cursors::default().after(b"b", &Uninterrupted);
    let (cursors, keyspace) = (Cursors::default(), keyspace(&["a", "b", "c"]));
    let place = cursors.resolve(cursor, &keyspace, &Uninterrupted);
    assert_eq!(place, Ok(Bound::Excluded(b"b".to_vec())));
    assert_eq!((cursors.searches(), cursors.restarts()), (1, 0));
}

#[test]
fn a_forgotten_cursor_without_its_key_starts_over() {
    let cursor = Cursors::default().after(b"b", &Uninterrupted);
    let (cursors, keyspace) = (Cursors::default(), keyspace(&["a", "c"]));
    assert_eq!(cursors.resolve(cursor, &keyspace, &Uninterrupted), Ok(Bound::Unbounded));
    assert_eq!((cursors.searches(), cursors.restarts()), (1, 1));
}

#[test]
fn memory_of_cursors_is_bounded() {
    let cursors = Cursors::default();
    for number in 0..100_000 {
        cursors.after(format!("key:{number}").as_bytes(), &Uninterrupted);
    }
    let remembered = cursors.remembered();
    assert!(remembered.bytes <= REMEMBERED_BYTES);
    assert_eq!(remembered.keys.len(), remembered.order.len());
    assert!(remembered.keys.contains_key(&cursor_of(b"key:99999")), "the newest stay");
    assert!(!remembered.keys.contains_key(&cursor_of(b"key:0")), "the oldest go");
}
