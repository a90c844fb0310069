//! Stores beside a map that nobody can get wrong.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use revenant_server::store::{Change, StoreKind};

use crate::World;
use crate::conformance::{get, put, scan};

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    Get(Vec<u8>),
    Scan(Vec<u8>, usize),
    Clear,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few keys, so that steps meet; none empty, as one store has none such.
    let key = || prop::collection::vec(0_u8..4, 1..4);
    let value = prop::collection::vec(any::<u8>(), 0..20);
    prop::collection::vec(
        prop_oneof![
            8 => (key(), value).prop_map(|(key, value)| Step::Put(key, value)),
            4 => key().prop_map(Step::Remove),
            4 => key().prop_map(Step::Get),
            4 => (key(), 0_usize..9).prop_map(|(key, count)| Step::Scan(key, count)),
            1 => Just(Step::Clear),
            1 => Just(Step::Reopen),
        ],
        0..60,
    )
}

pub(crate) fn it_does_what_a_map_does(kind: StoreKind) {
    // A durable store takes its time to open.
    let cases = if kind == StoreKind::Memory { 256 } else { 16 };
    proptest!(ProptestConfig::with_cases(cases), |(steps in steps())| {
        run(World::new(kind), steps)?;
    });
}

fn run(mut world: World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut map = BTreeMap::new();
    for step in steps {
        match step {
            Step::Put(key, value) => {
                put(&*world.store, &key, &value);
                map.insert(key, value);
            }
            Step::Remove(key) => {
                world.store.update(&key, &mut |_| Change::Remove).unwrap();
                map.remove(&key);
            }
            Step::Get(key) => {
                prop_assert_eq!(get(&*world.store, &key), map.get(&key).cloned());
            }
            Step::Scan(key, count) => {
                let range = map.range(key.clone()..).take(count);
                let expected: Vec<_> = range.map(|(k, v)| (k.clone(), v.clone())).collect();
                let found = scan(&*world.store, Bound::Included(&key), count);
                prop_assert_eq!(found, expected);
            }
            Step::Clear => {
                world.store.clear().unwrap();
                map.clear();
            }
            Step::Reopen if world.kind == StoreKind::Memory => {}
            Step::Reopen => world = world.reopen(),
        }
        prop_assert_eq!(world.store.len(), Ok(map.len() as u64));
    }
    Ok(())
}
