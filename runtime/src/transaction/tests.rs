use super::*;
use proptest::prelude::*;

/// ghOSt's order as a table: predicates and outcomes, first match wins. Deliberately naive.
fn oracle(t: &Transaction, by: Committer, target: Option<&TargetFacts>, cpu: &CpuFacts) -> Outcome {
    let has = |f: &dyn Fn(&TargetFacts) -> bool| target.is_some_and(f);
    let rows = [
        (!cpu.exists, Outcome::InvalidCpu),
        (!cpu.is_online, Outcome::CpuOffline),
        (target.is_none(), Outcome::NotFound),
        (has(&|x| x.is_agent), Outcome::InvalidTarget),
        (has(&|x| x.is_gone), Outcome::Stale),
        (has(&|x| x.seq != t.seq), Outcome::Stale),
        (has(&|x| !x.is_ours), Outcome::InvalidTarget),
        (has(&|x| !x.is_runnable), Outcome::NotRunnable),
        (has(&|x| x.on_cpu.is_some_and(|c| c != t.cpu)), Outcome::OnCpu),
        (has(&|x| x.on_cpu == Some(t.cpu) && !t.allow_on_cpu), Outcome::OnCpu),
        (has(&|x| !x.in_enclave), Outcome::NotPermitted),
        (t.idle_only && cpu.is_occupied, Outcome::AgentStale),
        (!cpu.is_available, Outcome::CpuUnavailable),
        (by.is_local && by.seq_read != by.seq_now, Outcome::AgentStale),
    ];
    rows.into_iter().find(|row| row.0).map_or(Outcome::Committed, |row| row.1)
}

prop_compose! {
    fn a_target()(flags in any::<[bool; 5]>(), seq in 0u32..2, on in proptest::option::of(0u16..2)) -> TargetFacts {
        TargetFacts {
            is_agent: flags[0] && flags[1],
            is_gone: flags[1] && flags[2],
            seq: Seq(seq),
            is_ours: flags[2],
            is_runnable: flags[3],
            on_cpu: on.map(CpuId),
            in_enclave: flags[4],
        }
    }
}

prop_compose! {
    fn a_commit()(
        flags in any::<[bool; 7]>(),
        seqs in (0u32..2, 0u32..2),
    ) -> (Transaction, Committer, CpuFacts) {
        let transaction = Transaction {
            idle_only: flags[0],
            allow_on_cpu: flags[1],
            ..Transaction::new(TaskId::default(), Seq(0), CpuId(0))
        };
        let committer = Committer {
            is_local: flags[2],
            seq_read: Seq(seqs.0),
            seq_now: Seq(seqs.1),
        };
        let cpu = CpuFacts {
            exists: flags[3] || flags[4],
            is_online: flags[4] || flags[5],
            is_occupied: flags[5],
            is_available: flags[6],
        };
        (transaction, committer, cpu)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_order_of_checks_is_ghosts(
        (transaction, committer, cpu) in a_commit(),
        target in proptest::option::weighted(0.95, a_target()),
    ) {
        prop_assert_eq!(
            check(&transaction, committer, target.as_ref(), &cpu),
            oracle(&transaction, committer, target.as_ref(), &cpu)
        );
    }

    #[test]
    fn an_all_or_none_batch_applies_all_or_none(fates in proptest::collection::vec(any::<bool>(), 1..8)) {
        let mut batch = Batch::with_capacity(8);
        batch.mode = BatchMode::AllOrNone;
        for index in 0..fates.len() {
            let id = TaskId { index: index as u32, generation: 0 };
            batch.push(Transaction::new(id, Seq(0), CpuId(0)));
        }
        let mut applied = 0;
        batch.resolve(
            |t| if fates[t.task.index as usize] { Outcome::Committed } else { Outcome::Stale },
            |_| applied += 1,
        );
        let all = fates.iter().all(|fate| *fate);
        prop_assert_eq!(applied, if all { fates.len() } else { 0 });
        for (transaction, fate) in batch.transactions().iter().zip(&fates) {
            let expected = match (all, fate) {
                (true, _) => Outcome::Committed,
                (false, true) => Outcome::Aborted,
                (false, false) => Outcome::Stale,
            };
            prop_assert_eq!(transaction.outcome, Some(expected));
        }
    }
}

#[test]
fn a_full_batch_refuses_and_counts() {
    let mut batch = Batch::with_capacity(1);
    let transaction = Transaction::new(TaskId::default(), Seq(0), CpuId(0));
    assert!(batch.push(transaction));
    assert!(!batch.push(transaction));
    assert_eq!((batch.transactions().len(), batch.refused()), (1, 1));
}

#[test]
fn the_list_of_outcomes_is_in_declaration_order() {
    for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, index);
    }
}
