//! Batches: several transactions in one call, one by one or together; slices.

use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant::transaction::{Batch, BatchMode, Outcome, SLICE_INFINITE_NS, Transaction};

use crate::guest::{bind, undisturbed};
use crate::offline::Offline;
use crate::stage::{Spin, Stage};

fn together(transactions: &[Transaction]) -> Batch {
    let mut batch = Batch::with_capacity(transactions.len());
    batch.mode = BatchMode::AllOrNone;
    transactions.iter().for_each(|transaction| assert!(batch.push(*transaction)));
    batch
}

#[test]
fn one_call_commits_to_several_cpus_each_with_its_outcome() {
    undisturbed(|| {
        let mut stage = Stage::new(3);
        let (tasks, spins): (Vec<_>, Vec<Spin>) = (0..3).map(|_| stage.spinner()).unzip();
        let mut transactions: Vec<_> =
            tasks.iter().zip(1..).map(|(task, cpu)| stage.open(*task, cpu)).collect();
        transactions[1].seq = transactions[1].seq.next();
        let outcomes = stage.commit_all(&transactions);
        assert_eq!(outcomes, [Outcome::Committed, Outcome::Stale, Outcome::Committed]);
        spins[0].wait_for_progress();
        spins[2].wait_for_progress();
        assert_eq!(spins[1].rounds(), 0);
        stage.run_on(tasks[1], 2);
    });
}

#[test]
fn one_cpu_can_be_given_once_in_a_call() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (first, _one) = stage.spinner();
        let (second, _two) = stage.spinner();
        // Together, no CPU takes its task before both were looked at.
        let mut batch = together(&[stage.open(first, 1), stage.open(second, 1)]);
        let outcomes = stage.commit_batch(&mut batch);
        assert_eq!(outcomes, [Outcome::Aborted, Outcome::CpuUnavailable]);
        stage.run_on(second, 1);
    });
}

#[test]
fn together_means_all() {
    undisturbed(|| {
        let mut stage = Stage::new(3);
        let (tasks, spins): (Vec<_>, Vec<Spin>) = (0..3).map(|_| stage.spinner()).unzip();
        let opened: Vec<_> =
            tasks.iter().zip(1..).map(|(task, cpu)| stage.open(*task, cpu)).collect();
        assert_eq!(stage.commit_batch(&mut together(&opened)), [Outcome::Committed; 3]);
        spins.iter().for_each(Spin::wait_for_progress);
    });
}

#[test]
fn a_rollback_leaves_no_trace() {
    undisturbed(|| {
        let mut stage = Stage::new(3);
        let (tasks, spins): (Vec<_>, Vec<Spin>) = (0..3).map(|_| stage.spinner()).unzip();
        let mut opened: Vec<_> =
            tasks.iter().zip(1..).map(|(task, cpu)| stage.open(*task, cpu)).collect();
        opened[2].seq = opened[2].seq.next();
        let outcomes = stage.commit_batch(&mut together(&opened));
        assert_eq!(outcomes, [Outcome::Aborted, Outcome::Aborted, Outcome::Stale]);

        // The same numbers, the same CPUs: nothing was said, and nothing is in the way.
        assert_eq!(stage.commit_all(&opened[..2]), [Outcome::Committed; 2]);
        spins[..2].iter().for_each(Spin::wait_for_progress);
        assert_eq!(stage.kinds_of(tasks[2]), [MessageKind::TaskNew]);
    });
}

/// A task latched to a CPU that cannot take it, as a higher class has it for as long as this lives.
struct Latched {
    hog: crate::stage::Hog,
    task: revenant::task::TaskId,
    _spin: Spin,
}

fn latched(stage: &mut Stage) -> Latched {
    let (task, spin) = stage.spinner();
    // The commit and the hog race for the CPU, until the hog comes second and before the task.
    loop {
        let mut batch = together(&[stage.open(task, 1)]);
        let hog = crate::stage::Hog::above_everything(1);
        let armed =
            stage.scheduler().cpus()[1].is_busy.swap(0, std::sync::atomic::Ordering::SeqCst);
        let outcomes = stage.commit_batch(&mut batch);
        stage.scheduler().cpus()[1].is_busy.store(armed, std::sync::atomic::Ordering::SeqCst);
        if outcomes == [Outcome::Committed] {
            return Latched { hog, task, _spin: spin };
        }
    }
}

#[test]
fn a_latched_task_that_changes_fails_and_is_queued() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let latched = latched(&mut stage);
        let transaction = stage.open(latched.task, 2);
        assert_eq!(stage.commit(transaction), Outcome::OnCpu, "it is CPU 1's already");
        bind(stage.tid(latched.task), [2]).expect("it is online");
        stage.hear_of(latched.task, MessageKind::TaskAffinityChanged);
        stage.hear_of(latched.task, MessageKind::TaskLatchFailed);
        stage.run_on(latched.task, 2);
        latched.hog.end();
    });
}

#[test]
fn a_latch_of_a_cpu_that_goes_fails() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let latched = latched(&mut stage);
        let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
        let first = [revenant::cpu::CpuId(1)].into_iter().collect();
        let nothing = revenant::cpu::CpuSet::EMPTY;
        revenant::backend::kernel::enclaves::resize(&scheduler, enclave, &nothing, &first)
            .expect("it is the enclave's");
        stage.hear_of(latched.task, MessageKind::TaskLatchFailed);
        stage.run_on(latched.task, 2);
        latched.hog.end();
    });
}

#[test]
fn a_task_whose_cpu_is_switched_off_comes_back_to_its_agent() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (task, spin) = stage.spinner_on(1);
        let offline = Offline::switch(1);
        // Wherever the kernel took it, it stays with nobody's leave.
        stage.await_state(task, TaskState::Queued);
        stage.run_on(task, 2);
        spin.wait_for_progress();
        drop(offline);
    });
}

#[test]
fn a_slice_ends_with_preempted() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner();
        let mut transaction = stage.open(task, 1);
        transaction.slice_ns = 1_000_000;
        assert_eq!(stage.commit(transaction), Outcome::Committed);
        let preempted = stage.hear_of(task, MessageKind::TaskPreempted);
        assert!(preempted.runtime_ns >= transaction.slice_ns);
        stage.await_state(task, TaskState::Queued);
        stage.run_on(task, 1);
        spin.wait_for_progress();
    });
}

#[test]
fn allow_on_cpu_gives_a_running_task_another_slice() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner_on(1);
        let mut renewal = stage.open(task, 1);
        assert_eq!(renewal.slice_ns, SLICE_INFINITE_NS);
        renewal.slice_ns = 1_000_000;
        renewal.allow_on_cpu = true;
        assert_eq!(stage.commit(renewal), Outcome::Committed);
        // What had no end now has one.
        stage.hear_of(task, MessageKind::TaskPreempted);
    });
}
