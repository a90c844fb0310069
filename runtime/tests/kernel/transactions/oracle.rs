//! Random situations: the kernel half says what [`revenant::transaction::check`] says.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use revenant::cpu::CpuId;
use revenant::task::{TaskId, TaskState};
use revenant::transaction::{
    Committer, CpuFacts, Outcome, SLICE_INFINITE_NS, TargetFacts, Transaction, check,
};

use crate::guest::undisturbed;
use crate::offline::Offline;
use crate::stage::{Spin, Stage, patient};
use crate::troupe::seed;

const ROUNDS: usize = 60;

/// CPUs 1 and 2 are the enclave's, and 2 may be off; 3 is the other enclave's.
struct Situation {
    offline: Option<Offline>,
    tasks: Vec<(TaskId, Option<Spin>)>,
    theirs: (TaskId, Spin),
    stage: Stage,
    other: Stage,
}

impl Situation {
    fn new() -> Self {
        let mut stage = Stage::new(2);
        let mut other = Stage::of(&patient([3]));
        let mut tasks: Vec<_> = (0..3)
            .map(|_| {
                let (task, spin) = stage.spinner();
                (task, Some(spin))
            })
            .collect();
        tasks.push((stage.member(), None));
        let theirs = other.spinner();
        Self { stage, other, tasks, theirs, offline: None }
    }

    fn transaction(&self, random: &mut Xoshiro256PlusPlus) -> Transaction {
        let task = match random.random_range(0..=self.tasks.len()) {
            place if place < self.tasks.len() => self.tasks[place].0,
            _ => self.theirs.0,
        };
        let cpu = random.random_range(0..5);
        let owner = if task == self.theirs.0 { &self.other } else { &self.stage };
        let mut transaction = owner.open(task, cpu);
        if random.random_bool(0.1) {
            transaction.seq = transaction.seq.next();
        }
        if random.random_bool(0.1) {
            transaction.task.generation += 1;
        }
        transaction.idle_only = random.random_bool(0.3);
        transaction.allow_on_cpu = random.random_bool(0.3);
        transaction.slice_ns = SLICE_INFINITE_NS;
        transaction
    }

    /// What the checks say, from what is known of a world at rest.
    fn expected(&self, transaction: &Transaction) -> Outcome {
        let in_enclave = transaction.task.index != self.theirs.0.index;
        let owner = if in_enclave { &self.stage } else { &self.other };
        let target = owner.status(transaction.task).map(|status| TargetFacts {
            is_agent: false,
            is_gone: false,
            seq: status.seq,
            is_ours: true,
            is_runnable: status.state != TaskState::Blocked,
            on_cpu: (status.state == TaskState::OnCpu).then_some(status.cpu),
            in_enclave,
        });
        let cpu = transaction.cpu;
        let runs_there = |task: &TaskId| {
            let status = self.stage.status(*task);
            status.is_some_and(|s| s.state == TaskState::OnCpu && s.cpu == cpu)
        };
        let facts = CpuFacts {
            exists: cpu == CpuId(1) || cpu == CpuId(2),
            is_online: cpu != CpuId(2) || self.offline.is_none(),
            is_occupied: self.tasks.iter().any(|(task, _)| runs_there(task)),
            is_available: true,
        };
        check(transaction, Committer::REMOTE, target.as_ref(), &facts)
    }
}

#[test]
fn every_outcome_is_what_the_checks_say() {
    undisturbed(|| {
        let seed = seed();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut situation = Situation::new();
        let mut seen = [false; Outcome::ALL.len()];
        for round in 0..ROUNDS {
            if random.random_bool(0.05) {
                situation.offline = match situation.offline.take() {
                    None => Some(Offline::switch(2)),
                    Some(_on_again) => None,
                };
            }
            situation.stage.settle();
            let transaction = situation.transaction(&mut random);
            let expected = situation.expected(&transaction);
            let outcome = situation.stage.commit(transaction);
            assert_eq!(outcome, expected, "seed {seed}, round {round}: {transaction:?}");
            seen[outcome as usize] = true;
        }
        println!("seed {seed}: {:?}", Outcome::ALL.iter().zip(seen).collect::<Vec<_>>());
    });
}
