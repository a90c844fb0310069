//! Real work: an ordered in-memory map with 100k real keys, looked up and scanned.
//!
//! What a synthetic loop cannot show is here: pointer chasing, cache misses, the memory traffic of
//! a scan that evicts what a lookup needs next. The map is built once and only read after, so
//! preempting a reader never holds anyone up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::mix::Mix;
use crate::service::ServiceTime;
use crate::stopwatch::fastest_ns;

/// Keys in the map.
pub const KV_KEYS: u64 = 100_000;

/// The length a SCAN is sized to: the RANGE of ghOSt's script.
pub const SCAN_TARGET_NS: u64 = 5_000_000;

/// Keys between two checkpoints of a scan: about a microsecond, like the work loop's.
const CHUNK_KEYS: u64 = 64;

type Key = [u8; 16];
/// 64 bytes, as words: folding a value into the checksum reads all of it.
type Value = [u64; 8];

/// The map; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    map: Arc<BTreeMap<Key, Value>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// Builds the map; takes some tens of milliseconds.
    #[must_use]
    pub fn new() -> Self {
        let map = (0..KV_KEYS).map(|index| (key(index), value(index))).collect();
        Self { map: Arc::new(map) }
    }

    /// GET: looks up the key that `key_seed` names and folds its value.
    #[must_use]
    pub fn get(&self, key_seed: u64) -> u64 {
        let found = self.map.get(&key(key_seed % KV_KEYS)).expect("every seed names a present key");
        fold(0, found)
    }

    /// SCAN: folds the values of `keys` keys in order from the one `start_seed` names on, going
    /// round the map as often as that takes. Calls `checkpoint` about every microsecond.
    #[must_use]
    pub fn scan(&self, start_seed: u64, keys: u64, mut checkpoint: impl FnMut()) -> u64 {
        let start = key(start_seed % KV_KEYS);
        let mut values = self.map.range(start..).chain(self.map.iter().cycle());
        let mut checksum = 0;
        let mut left = keys;
        while left > 0 {
            let chunk = left.min(CHUNK_KEYS);
            for (_, value) in values.by_ref().take(chunk as usize) {
                checksum = fold(checksum, value);
            }
            left -= chunk;
            if left > 0 {
                checkpoint();
            }
        }
        checksum
    }
}

/// What requests to the [`Store`] cost on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoreCost {
    /// Service time of a GET whose upper levels of the map are in cache.
    pub get_ns: u64,
    /// Keys that make a SCAN last about [`SCAN_TARGET_NS`].
    pub scan_keys: u64,
    /// Service time of a SCAN of that many keys.
    pub scan_ns: u64,
}

impl StoreCost {
    /// Measures the calling thread's CPU; takes about 50 ms. Counts the fastest rounds.
    #[must_use]
    pub fn measure(store: &Store) -> Self {
        const ROUNDS: u32 = 40;
        const GETS: u64 = 2_000;
        let (mut turn, mut checksum) = (0_u64, 0);
        let gets_ns = fastest_ns(ROUNDS, || {
            for _ in 0..GETS {
                // New keys each round, or the cache would hold them; each the result of the one
                // before, or the CPU would look several up at once, which no request does.
                turn += 1;
                checksum = store.get(mixed(turn) ^ (checksum & 1));
            }
        });
        // The whole map: a part of it would be scanned out of a nearer cache.
        let pass_ns = fastest_ns(ROUNDS, || checksum ^= store.scan(turn, KV_KEYS, || ()));
        std::hint::black_box(checksum);
        let key_ns = pass_ns / KV_KEYS as f64;
        let scan_keys = (SCAN_TARGET_NS as f64 / key_ns).round().max(1.0);
        Self {
            get_ns: ((gets_ns / GETS as f64).round() as u64).max(1),
            scan_keys: scan_keys as u64,
            scan_ns: ((scan_keys * key_ns).round() as u64).max(1),
        }
    }

    /// The `kv` preset's mix with the service times measured here.
    #[must_use]
    pub fn mix(&self) -> Mix {
        let get = ServiceTime::Fixed { service_ns: self.get_ns };
        let scan = ServiceTime::Fixed { service_ns: self.scan_ns };
        Mix::new([("get", 99.5, get), ("scan", 0.5, scan)]).expect("measured times are positive")
    }
}

/// The key of an index: 16 hexadecimal digits, in an order that has nothing to do with the
/// index's, so that neighbouring indices lie far apart in the map.
fn key(index: u64) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = mixed(index);
    std::array::from_fn(|place| DIGITS[(bits >> (60 - 4 * place)) as usize & 15])
}

fn value(index: u64) -> Value {
    std::array::from_fn(|word| mixed(!index ^ (word as u64) << 56))
}

/// Depends on the order of the values, so a test sees a scan that goes astray.
fn fold(checksum: u64, value: &Value) -> u64 {
    value.iter().fold(checksum, |sum, word| sum.rotate_left(5) ^ word)
}

/// splitmix64's finaliser (Steele, Lea and Flood 2014): a bijection, so keys are distinct.
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The map as a sorted list.
    fn naive() -> Vec<(String, Value)> {
        let mut list: Vec<_> =
            (0..KV_KEYS).map(|index| (format!("{:016x}", mixed(index)), value(index))).collect();
        list.sort();
        list.dedup_by(|a, b| a.0 == b.0);
        list
    }

    #[test]
    fn get_folds_the_value_of_its_key() {
        let store = Store::new();
        for seed in [0, 1, 99_999, 100_000, u64::MAX] {
            assert_eq!(store.get(seed), fold(0, &value(seed % KV_KEYS)));
        }
        assert_ne!(store.get(1), store.get(2));
    }

    #[test]
    fn scan_is_that_of_a_sorted_list_around_its_end() {
        let (store, list) = (Store::new(), naive());
        assert_eq!(list.len(), KV_KEYS as usize);
        for (seed, keys) in [(0, 1), (7, 63), (7, 64), (7, 65), (3, 250_000), (99_999, 100_001)] {
            let start = list.partition_point(|(key, _)| *key < format!("{:016x}", mixed(seed)));
            let values = list.iter().cycle().skip(start).take(keys);
            let expected = values.fold(0, |sum, (_, value)| fold(sum, value));
            assert_eq!(store.scan(seed, keys as u64, || ()), expected, "{seed} {keys}");
        }
        assert_eq!(store.scan(1, 0, || panic!("nothing to check")), 0);
    }

    #[test]
    fn scan_checkpoints_between_chunks() {
        let store = Store::new();
        for (keys, expected) in [(1, 0), (64, 0), (65, 1), (128, 1), (6_400, 99)] {
            let mut checkpoints = 0;
            let _ = store.scan(0, keys, || checkpoints += 1);
            assert_eq!(checkpoints, expected, "{keys} keys");
        }
    }

    #[test]
    fn costs_are_sized_to_the_target() {
        let cost = StoreCost::measure(&Store::new());
        assert!(cost.get_ns < 50_000, "{cost:?}");
        assert!(cost.scan_keys > 10_000, "{cost:?}");
        let off = cost.scan_ns as f64 / SCAN_TARGET_NS as f64 - 1.0;
        assert!(off.abs() < 0.001, "{cost:?}");
        assert!(cost.mix().classes()[1].long);
    }
}
