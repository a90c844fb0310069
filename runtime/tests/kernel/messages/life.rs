//! How tasks come and go: TASK_NEW, TASK_DEAD, TASK_DEPARTED, and what changes of them is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use revenant::backend::kernel::members;
use revenant::message::{Message, MessageKind};
use revenant::task::{Seq, TaskState};

use crate::guest::{bind, undisturbed, wait_for};
use crate::stage::{Performer, Spin, Stage};

/// A thread's niceness is its own, whatever the manual of this call says.
fn renice(tid: u32, nice: i32) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, tid, nice) }, 0);
}

#[test]
fn a_thread_that_joins_asleep_is_new_when_it_wakes() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let task = stage.member();
        assert_eq!(stage.status(task).map(|status| status.state), Some(TaskState::Blocked));
        assert_eq!(stage.kinds_of(task), []);

        stage.order(task, || ());
        let new = stage.hear_of(task, MessageKind::TaskNew);
        assert_eq!((new.seq, new.runtime_ns), (Seq(1), 0));
        let status = stage.status(task).expect("it is there");
        assert_eq!((status.state, status.seq, status.cpu), (TaskState::Queued, Seq(1), new.cpu));
    });
}

#[test]
fn a_thread_that_joins_while_it_runs_is_its_agents_at_once() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (performer, spin) = (Performer::start(), Spin::default());
        // Not on the CPU of this test, where one of the two has to wait.
        bind(performer.tid, [1, 2]).expect("they are online");
        performer.order(spin.order());
        spin.wait_for_progress();

        let task = stage.joined(performer);
        stage.hear_of(task, MessageKind::TaskNew);
        stage.hear_of(task, MessageKind::TaskPreempted);
        stage.await_state(task, TaskState::Queued);
        stage.run_on(task, 1);
        spin.wait_for_progress();
    });
}

#[test]
fn a_thread_that_ends_is_dead() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (task, spin) = stage.spinner_on(1);
        let thread = stage.take(task).let_go();
        spin.end();

        let dead = stage.hear_of(task, MessageKind::TaskDead);
        assert!(dead.runtime_ns > 0, "it ran before it died");
        assert_eq!(stage.status(task), None);
        thread.join().expect("it ended well");
        assert!(!stage.kinds_of(task).contains(&MessageKind::TaskDeparted));
    });
}

#[test]
fn a_thread_that_leaves_the_class_has_departed_whatever_it_did() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (runs, running) = stage.spinner_on(1);
        let (waits, waiting) = stage.spinner();
        let sleeps = stage.member();
        stage.order(sleeps, || ());
        stage.hear_of(sleeps, MessageKind::TaskNew);

        for (task, spin) in [(runs, running), (waits, waiting)] {
            members::to_fair(stage.tid(task)).expect("it is alive");
            stage.hear_of(task, MessageKind::TaskDeparted);
            assert_eq!(stage.status(task), None);
            spin.wait_for_progress();
        }
        members::to_fair(stage.tid(sleeps)).expect("it is alive");
        stage.hear_of(sleeps, MessageKind::TaskDeparted);
        assert_eq!(stage.record().tasks.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_thread_may_leave_and_come_back_as_another_task() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (before, spin) = stage.spinner();
        let tid = stage.tid(before);
        members::to_fair(tid).expect("it is alive");
        let performer = stage.take(before);

        let after = stage.joined(performer);
        assert_ne!(before, after);
        stage.hear_of(after, MessageKind::TaskNew);
        spin.end();
    });
}

#[test]
fn the_children_of_a_member_are_members() {
    undisturbed(|| {
        let mut stage = Stage::new(3);
        let parent = stage.member();
        let (child, is_child) = (Spin::default(), Arc::new(AtomicI32::new(0)));
        let (spin, tells) = (child.order(), Arc::clone(&is_child));
        stage.order(parent, move || {
            let thread = std::thread::spawn(spin);
            // SAFETY: the child calls nothing but `_exit`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: as above.
                unsafe { libc::_exit(0) };
            }
            tells.store(pid, Ordering::SeqCst);
            thread.join().expect("it only spins");
        });
        stage.hear_of(parent, MessageKind::TaskNew);
        stage.run_on(parent, 1);
        let of_a_child =
            |message: &Message| message.kind == MessageKind::TaskNew && message.task != parent;
        let thread = stage.hear_what("a new thread", of_a_child).task;
        let process = stage.hear_what("a new process", of_a_child).task;

        let tgid = |index: u32| {
            stage.scheduler().status_words()[index as usize].tgid.load(Ordering::SeqCst)
        };
        assert_eq!(tgid(thread.index), std::process::id());
        let pid = wait_for("fork returns", || match is_child.load(Ordering::SeqCst) {
            0 => None,
            pid => Some(pid as u32),
        });
        assert_eq!(tgid(process.index), pid);

        stage.run_on(thread, 2);
        child.wait_for_progress();
        let transaction = stage.open(process, 3);
        let _ = stage.commit(transaction);
        stage.hear_of(process, MessageKind::TaskDead);
        // SAFETY: no status is asked for.
        assert_eq!(unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) }, pid as i32);
    });
}

#[test]
fn a_change_of_affinity_is_told_of_queued_and_of_running_tasks() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (queued, _waiting) = stage.spinner();
        bind(stage.tid(queued), [1, 2]).expect("they are online");
        stage.hear_of(queued, MessageKind::TaskAffinityChanged);
        // It is still to be had, under the number its messages gave it.
        assert_eq!(stage.status(queued).map(|status| status.state), Some(TaskState::Queued));

        let (running, spin) = stage.spinner_on(1);
        bind(stage.tid(running), [1]).expect("it is online");
        stage.hear_of(running, MessageKind::TaskAffinityChanged);
        spin.wait_for_progress();
        stage.run_on(queued, 2);
    });
}

#[test]
fn a_task_that_may_no_longer_use_its_cpu_is_queued_again() {
    undisturbed(|| {
        let mut stage = Stage::new(2);
        let (task, spin) = stage.spinner_on(1);
        bind(stage.tid(task), [2]).expect("it is online");
        stage.hear_of(task, MessageKind::TaskAffinityChanged);
        stage.hear_of(task, MessageKind::TaskPreempted);
        stage.run_on(task, 2);
        spin.wait_for_progress();
    });
}

#[test]
fn a_change_of_priority_is_told_with_its_weight() {
    undisturbed(|| {
        use revenant::backend::Backend as _;

        let mut stage = Stage::new(1);
        let (queued, _waiting) = stage.spinner();
        assert_eq!(stage.kernel.hints(queued).weight, 100);
        renice(stage.tid(queued), 5);
        stage.hear_of(queued, MessageKind::TaskPriorityChanged);
        let weight = stage.kernel.hints(queued).weight;
        assert!(weight < 100, "nicer than it was, it weighs {weight}");

        let (running, spin) = stage.spinner_on(1);
        renice(stage.tid(running), -5);
        stage.hear_of(running, MessageKind::TaskPriorityChanged);
        assert!(stage.kernel.hints(running).weight > 100);
        spin.wait_for_progress();
    });
}
