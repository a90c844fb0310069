//! A random script, served by a policy: the numbers of every task's messages have no gaps.

use std::collections::HashMap;

use rand::{RngExt as _, SeedableRng as _};
use revenant::task::{Seq, TaskId};

use crate::guest::undisturbed;
use crate::stage::Stage;
use crate::troupe::{Troupe, seed};

const TASKS: usize = 8;
const STEPS: usize = 60;

#[test]
fn numbers_have_no_gaps_whatever_threads_do() {
    undisturbed(|| {
        let seed = seed();
        println!("seed {seed}");
        let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut stage = Stage::new(2);
        let mut troupe = Troupe::new(&mut stage, TASKS);
        for _ in 0..STEPS {
            let actor = random.random_range(0..TASKS);
            troupe.act(&mut stage, actor, random.random_range(0..5));
            troupe.serve(&mut stage, random.random_range(0..20));
        }
        troupe.finish(&mut stage);

        let mut last: HashMap<TaskId, Seq> = HashMap::new();
        for message in stage.said.iter().filter(|message| message.kind.is_about_task()) {
            let before = last.insert(message.task, message.seq).unwrap_or_default();
            assert_eq!(message.seq, before.next(), "seed {seed}: {message:?}");
        }
        assert!(last.len() >= TASKS);
    });
}
