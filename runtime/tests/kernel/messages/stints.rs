//! How stints begin and end: TASK_ON_CPU, TASK_BLOCKED, TASK_WAKEUP, TASK_PREEMPTED, TASK_YIELD.

use revenant::cpu::CpuId;
use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant::transaction::Outcome;

use crate::guest::undisturbed;
use crate::stage::{Performer, Spin, Stage};

#[test]
fn a_stint_begins_with_on_cpu_and_ends_with_blocked() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner_on(1);
        let began = stage.hear_of(task, MessageKind::TaskOnCpu);
        assert_eq!(began.cpu, CpuId(1));
        spin.end();

        let blocked = stage.hear_of(task, MessageKind::TaskBlocked);
        assert_eq!(blocked.cpu, CpuId(1));
        // Both are read at the stint's two ends, from one clock.
        assert_eq!(blocked.runtime_ns, blocked.time_ns - began.time_ns);
        assert_eq!(stage.status(task).map(|status| status.state), Some(TaskState::Blocked));
    });
}

#[test]
fn a_wakeup_begins_a_job() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner_on(1);
        spin.end();
        stage.hear_of(task, MessageKind::TaskBlocked);

        stage.order(task, || ());
        let woken = stage.hear_of(task, MessageKind::TaskWakeup);
        assert_eq!(woken.runtime_ns, 0);
        assert_eq!(stage.status(task).map(|status| status.state), Some(TaskState::Queued));
    });
}

#[test]
fn a_commit_preempts_what_runs_there() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (first, _first_spin) = stage.spinner_on(1);
        let (second, spin) = stage.spinner_on(1);
        let preempted = stage.hear_of(first, MessageKind::TaskPreempted);
        assert_eq!(preempted.cpu, CpuId(1));
        assert!(preempted.runtime_ns > 0);
        stage.hear_of(second, MessageKind::TaskOnCpu);
        assert_eq!(stage.status(first).map(|status| status.state), Some(TaskState::Queued));
        spin.wait_for_progress();
    });
}

#[test]
fn a_fair_thread_preempts_and_the_agent_hears_of_it() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner_on(1);
        let (fair, takes) = (Performer::start(), Spin::default());
        crate::guest::bind(fair.tid, [1]).expect("it is online");
        fair.order(takes.order());

        stage.hear_of(task, MessageKind::TaskPreempted);
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::CpuUnavailable);
        takes.end();
        // Both are in the order they happened, and between them nothing of ours ran there.
        stage.drain();
        stage.hear_what("CPU_AVAILABLE", |message| message.kind == MessageKind::CpuAvailable);
        assert!(stage.count(MessageKind::CpuBusy) > 0);
        stage.run_on(task, 1);
        fair.dismiss().expect("it only spun");
    });
}

#[test]
fn a_yield_is_told_as_one() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let task = stage.member();
        let spin = Spin::default();
        let goes_on = spin.order();
        stage.order(task, move || {
            std::thread::yield_now();
            goes_on();
        });
        stage.hear_of(task, MessageKind::TaskNew);
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::Committed);
        let yielded = stage.hear_of(task, MessageKind::TaskYield);
        assert!(yielded.runtime_ns > 0);
        stage.await_state(task, TaskState::Queued);
        stage.run_on(task, 1);
        spin.wait_for_progress();
    });
}
