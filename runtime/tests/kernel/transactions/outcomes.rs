//! Every outcome, each from the situation it is named after.

use std::sync::atomic::Ordering;

use revenant::message::MessageKind;
use revenant::task::{Seq, TaskId, TaskState};
use revenant::transaction::Outcome;
use revenant_bpf::abi;

use crate::guest::{bind, undisturbed};
use crate::offline::Offline;
use crate::stage::{Performer, Spin, Stage, patient};

#[test]
fn committed_and_then_it_runs() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner();
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::Committed);
        stage.hear_of(task, MessageKind::TaskOnCpu);
        spin.wait_for_progress();
        let committed = &stage.record().outcomes[Outcome::Committed as usize];
        assert_eq!(committed.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn stale_if_a_message_is_unread() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner();
        let transaction = stage.open(task, 1);
        bind(stage.tid(task), [0, 1]).expect("they are online");
        assert_eq!(stage.commit(transaction), Outcome::Stale);
        assert_eq!(stage.status(task).map(|status| status.state), Some(TaskState::Queued));
    });
}

#[test]
fn not_found_if_nobody_has_the_id_any_more_or_ever_had() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner_on(1);
        let transaction = stage.open(task, 1);
        let thread = stage.take(task).let_go();
        spin.end();
        stage.hear_of(task, MessageKind::TaskDead);
        thread.join().expect("it ended well");
        assert_eq!(stage.commit(transaction), Outcome::NotFound);

        for index in [0, 1, abi::TASKS_MAX as u32 - 1, abi::TASKS_MAX as u32, u32::MAX] {
            let mut transaction = transaction;
            transaction.task = TaskId { index, generation: u32::MAX };
            assert_eq!(stage.commit(transaction), Outcome::NotFound, "slot {index}");
        }
    });
}

#[test]
fn not_runnable_if_it_sleeps() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let task = stage.member();
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::NotRunnable);
    });
}

#[test]
fn on_cpu_if_it_runs_here_or_elsewhere() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (task, _spin) = stage.spinner_on(1);
        for cpu in [1, 2] {
            let transaction = stage.open(task, cpu);
            assert_eq!(stage.commit(transaction), Outcome::OnCpu);
        }
    });
}

#[test]
fn cpu_unavailable_under_a_higher_class() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner();
        let (fair, hog) = (Performer::start(), Spin::default());
        bind(fair.tid, [1]).expect("it is online");
        fair.order(hog.order());
        hog.wait_for_progress();
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::CpuUnavailable);
        hog.end();
        fair.dismiss().expect("it only spun");
    });
}

#[test]
fn cpu_offline_if_it_is_switched_off() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (task, spin) = stage.spinner();
        let offline = Offline::switch(2);
        let transaction = stage.open(task, 2);
        assert_eq!(stage.commit(transaction), Outcome::CpuOffline);
        drop(offline);
        stage.run_on(task, 2);
        spin.wait_for_progress();
    });
}

#[test]
fn invalid_cpu_if_it_is_not_the_enclaves() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner();
        let last = abi::CPUS_MAX as u16 - 1;
        for cpu in [0, 2, 3, 4, last, last + 1, u16::MAX] {
            let transaction = stage.open(task, cpu);
            assert_eq!(stage.commit(transaction), Outcome::InvalidCpu, "CPU {cpu}");
        }
    });
}

#[test]
fn invalid_target_if_it_may_not_use_the_cpu() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (task, _spin) = stage.spinner();
        bind(stage.tid(task), [0, 1]).expect("they are online");
        let transaction = stage.open(task, 2);
        assert_eq!(stage.commit(transaction), Outcome::InvalidTarget);
        stage.run_on(task, 1);
    });
}

#[test]
fn not_permitted_if_it_is_another_enclaves() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let mut other = Stage::of(&patient([2]));
        let (theirs, _spin) = other.spinner();
        let transaction = other.open(theirs, 1);
        assert_eq!(stage.commit(transaction), Outcome::NotPermitted);
        let transaction = other.open(theirs, 2);
        assert_eq!(stage.commit(transaction), Outcome::InvalidCpu);
    });
}

#[test]
fn agent_stale_if_the_cpu_was_to_be_idle() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (_runs, _spin) = stage.spinner_on(1);
        let (task, _waits) = stage.spinner();
        let mut transaction = stage.open(task, 1);
        transaction.idle_only = true;
        assert_eq!(stage.commit(transaction), Outcome::AgentStale);
        transaction.seq = Seq(transaction.seq.0 - 1);
        assert_eq!(stage.commit(transaction), Outcome::Stale, "the task is looked at first");
    });
}
