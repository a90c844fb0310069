//! The fast path: a CPU that would idle takes what its agent has offered. And hints, which agents
//! read and the kernel half does not.

use std::sync::atomic::Ordering;

use revenant::backend::Backend as _;
use revenant::backend::kernel::enclaves;
use revenant::hint::{ClassId, Hints, Tier};
use revenant::message::MessageKind;
use revenant::task::{TaskId, TaskState};
use revenant_bpf::abi;

use crate::guest::undisturbed;
use crate::stage::{Spin, Stage, patient};

fn offer(stage: &Stage, task: TaskId, seq: u32) {
    let offers = stage.scheduler();
    let offers = offers.offers(stage.enclave());
    let tail = offers.tail.load(Ordering::SeqCst);
    let place = &offers.ring[tail as usize % abi::OFFERS_MAX];
    place.task.store(task.to_bits(), Ordering::SeqCst);
    place.slice_ns.store(u64::MAX, Ordering::SeqCst);
    place.seq.store(seq, Ordering::SeqCst);
    offers.tail.store(tail + 1, Ordering::SeqCst);
}

/// Two tasks, the first running on the only CPU, the second queued.
fn pair(flags: u32) -> (Stage, (TaskId, Spin), (TaskId, Spin)) {
    let mut stage = Stage::of(&enclaves::Spec { flags, ..patient([1]) });
    let first = stage.spinner_on(1);
    let second = stage.spinner();
    (stage, first, second)
}

#[test]
fn a_cpu_about_to_idle_takes_an_offer() {
    undisturbed(|| {
        let (mut stage, (_, runs), (task, spin)) = pair(abi::FAST_PATH);
        offer(&stage, task, stage.status(task).expect("it is there").seq.0);
        runs.end();
        stage.hear_of(task, MessageKind::TaskOnCpu);
        spin.wait_for_progress();
        assert_eq!(stage.record().fast_path_runs.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn offers_that_are_out_of_date_are_passed_over() {
    undisturbed(|| {
        let (mut stage, (first, runs), (task, spin)) = pair(abi::FAST_PATH);
        let seq = stage.status(task).expect("it is there").seq.0;
        offer(&stage, task, seq + 1);
        offer(&stage, first, stage.status(first).expect("it is there").seq.0);
        offer(&stage, TaskId { index: u32::MAX, generation: 9 }, 1);
        offer(&stage, TaskId { generation: task.generation + 1, ..task }, seq);
        offer(&stage, task, seq);
        runs.end();
        stage.hear_of(task, MessageKind::TaskOnCpu);
        spin.wait_for_progress();
        assert_eq!(stage.record().fast_path_runs.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn without_the_flag_no_offer_is_taken() {
    undisturbed(|| {
        let (mut stage, (first, runs), (task, spin)) = pair(0);
        offer(&stage, task, stage.status(task).expect("it is there").seq.0);
        runs.end();
        stage.await_state(first, TaskState::Blocked);
        // Gives the CPU another occasion to look.
        stage.order(first, || ());
        stage.await_state(first, TaskState::Queued);
        stage.run_on_or_past(first, 1);
        stage.await_state(first, TaskState::Blocked);
        assert_eq!(stage.status(task).map(|status| status.state), Some(TaskState::Queued));
        assert_eq!(stage.record().fast_path_runs.load(Ordering::SeqCst), 0);
        stage.run_on(task, 1);
        spin.wait_for_progress();
    });
}

#[test]
fn hints_are_what_was_said_of_this_very_task() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, _spin) = stage.spinner();
        let unhinted = Hints { weight: 100, ..Hints::default() };
        assert_eq!(stage.kernel.hints(task), unhinted);

        let scheduler = stage.scheduler();
        let hint = &scheduler.hints()[task.index as usize];
        hint.deadline_ns.store(77, Ordering::SeqCst);
        hint.class.store(3, Ordering::SeqCst);
        hint.tier.store(1, Ordering::SeqCst);
        hint.weight.store(9, Ordering::SeqCst);
        hint.task.store(task.to_bits() ^ 1 << 32, Ordering::SeqCst);
        assert_eq!(stage.kernel.hints(task), unhinted, "said of the slot's former task");
        hint.task.store(task.to_bits(), Ordering::SeqCst);
        let hinted =
            Hints { class: ClassId(3), tier: Tier::Batch, deadline_ns: Some(77), weight: 9 };
        assert_eq!(stage.kernel.hints(task), hinted);
    });
}

#[test]
fn garbage_in_hints_harms_nobody() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner();
        let scheduler = stage.scheduler();
        for (slot, hint) in scheduler.hints().iter().enumerate() {
            let id = if slot == task.index as usize { task.to_bits() } else { u64::MAX };
            hint.task.store(id, Ordering::SeqCst);
            hint.deadline_ns.store(u64::MAX, Ordering::SeqCst);
            hint.class.store(u16::MAX, Ordering::SeqCst);
            hint.tier.store(u8::MAX, Ordering::SeqCst);
            hint.weight.store(u16::MAX, Ordering::SeqCst);
        }
        let hints = stage.kernel.hints(task);
        assert_eq!((hints.tier, hints.class), (Tier::LatencyCritical, ClassId(u16::MAX)));
        let void = TaskId { index: u32::MAX, generation: u32::MAX };
        assert_eq!(stage.kernel.hints(void), Hints::default());
        stage.run_on(task, 1);
        spin.wait_for_progress();
        scheduler.hints().iter().for_each(|hint| hint.task.store(0, Ordering::SeqCst));
    });
}
