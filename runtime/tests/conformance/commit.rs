//! Transactions and their outcomes.

use revenant::cpu::CpuId;
use revenant::message::MessageKind;
use revenant::task::{Seq, TaskState};
use revenant::transaction::{Batch, BatchMode, Outcome, Transaction};

use crate::world::{ROOMY, SPIN, Step, World, kinds_of};

pub(crate) fn a_committed_task_runs<W: World>() {
    let mut world = W::new(2, ROOMY);
    let cpu = world.cpus()[1];
    let task = world.spawn_on(cpu);
    let status = world.status(task).expect("it lives");
    assert_eq!((status.state, status.cpu), (TaskState::OnCpu, cpu));
}

pub(crate) fn a_commit_to_a_cpu_that_runs_preempts<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let victim = world.spawn_on(cpu);
    let heir = world.spawn_on(cpu);
    let messages = world.messages();
    let kinds = [MessageKind::TaskNew, MessageKind::TaskOnCpu, MessageKind::TaskPreempted];
    assert_eq!(kinds_of(&messages, victim), kinds);
    let place = |task, kind| messages.iter().position(|m| m.task == task && m.kind == kind);
    assert!(
        place(victim, MessageKind::TaskPreempted) < place(heir, MessageKind::TaskOnCpu),
        "what ran there is heard of first"
    );
    // Having lost its CPU it can go on, with what it ran so far on its account.
    let status = world.status(victim).expect("it waits");
    assert_eq!(status.state, TaskState::Queued);
    assert!(status.runtime_ns > 0);
}

pub(crate) fn a_stale_transaction_changes_nothing<W: World>() {
    let mut world = W::new(2, ROOMY);
    let cpus = world.cpus();
    let runs = world.spawn_on(cpus[0]);
    let waits = world.spawn(SPIN);
    world.messages();
    let before = (world.status(runs), world.status(waits));
    let mut transaction = world.open(waits, cpus[0]);
    transaction.seq = Seq(transaction.seq.0.wrapping_sub(1));
    assert_eq!(world.commit(transaction), Outcome::Stale);
    assert_eq!((world.status(runs), world.status(waits)), before);
    assert_eq!(world.messages(), []);
}

pub(crate) fn idle_only_on_an_occupied_cpu_is_agent_stale<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let runs = world.spawn_on(cpu);
    let waits = world.spawn(SPIN);
    world.settle();
    let transaction = Transaction { idle_only: true, ..world.open(waits, cpu) };
    assert_eq!(world.commit(transaction), Outcome::AgentStale);
    assert_eq!(world.status(runs).map(|status| status.state), Some(TaskState::OnCpu));
}

pub(crate) fn an_old_generation_is_not_found<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let dead = world.spawn_on(cpu);
    let last = world.open(dead, cpu);
    world.tell(dead);
    // Having read TASK_DEAD, the agent has no excuse.
    world.messages();
    assert_eq!(world.commit(last), Outcome::NotFound);
    // Neither if another task has the place by now.
    world.spawn(SPIN);
    world.messages();
    assert_eq!(world.commit(last), Outcome::NotFound);
}

pub(crate) fn a_blocked_task_is_not_runnable<W: World>() {
    let mut world = W::new(1, ROOMY);
    let cpu = world.cpus()[0];
    let task = world.spawn(&[Step::Block, Step::Spin]);
    world.settle();
    let transaction = world.open(task, cpu);
    assert_eq!(world.commit(transaction), Outcome::Committed);
    let kinds = kinds_of(&world.messages(), task);
    assert_eq!(kinds.last(), Some(&MessageKind::TaskBlocked));
    let transaction = world.open(task, cpu);
    assert_eq!(world.commit(transaction), Outcome::NotRunnable);

    world.tell(task);
    assert_eq!(kinds_of(&world.messages(), task).first(), Some(&MessageKind::TaskWakeup));
    world.give_cpu(task, cpu);
    assert_eq!(world.status(task).map(|status| status.state), Some(TaskState::OnCpu));
}

pub(crate) fn a_running_task_is_on_cpu<W: World>() {
    let mut world = W::new(2, ROOMY);
    let cpus = world.cpus();
    let task = world.spawn_on(cpus[0]);
    for cpu in cpus {
        let transaction = world.open(task, cpu);
        assert_eq!(world.commit(transaction), Outcome::OnCpu);
    }
}

pub(crate) fn a_cpu_outside_the_enclave_is_invalid<W: World>() {
    let mut world = W::new(1, ROOMY);
    let task = world.spawn(SPIN);
    world.settle();
    let transaction = world.open(task, CpuId(511));
    assert_eq!(world.commit(transaction), Outcome::InvalidCpu);
}

pub(crate) fn an_all_or_none_batch_aborts_together<W: World>() {
    let mut world = W::new(2, ROOMY);
    let cpus = world.cpus();
    let tasks = [world.spawn(SPIN), world.spawn(SPIN)];
    world.messages();
    let mut batch = Batch::with_capacity(2);
    batch.mode = BatchMode::AllOrNone;
    batch.push(world.open(tasks[0], cpus[0]));
    let stale = world.open(tasks[1], cpus[1]);
    batch.push(Transaction { seq: stale.seq.next(), ..stale });
    assert_eq!(world.commit_batch(&mut batch), [Outcome::Aborted, Outcome::Stale]);
    assert_eq!(world.messages(), []);

    batch.clear();
    batch.mode = BatchMode::AllOrNone;
    for (task, cpu) in tasks.into_iter().zip(cpus) {
        batch.push(world.open(task, cpu));
    }
    assert_eq!(world.commit_batch(&mut batch), [Outcome::Committed; 2]);
    for task in tasks {
        assert_eq!(world.status(task).map(|status| status.state), Some(TaskState::OnCpu));
    }
}
