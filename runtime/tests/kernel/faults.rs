//! Faults: agents that die, hang or never come, tasks that nobody serves, and what is left behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use revenant::backend::kernel::enclaves;
use revenant::message::MessageKind;
use revenant::task::TaskState;
use revenant_bpf::{Scheduler, abi, kernel};

use crate::guest::{self, undisturbed, wait_for};
use crate::roles;
use crate::stage::{Spin, Stage, patient};

/// Three members that spin on two CPUs, served by another process.
fn attended(spec: &enclaves::Spec) -> (Stage, Vec<Spin>, std::process::Child) {
    let mut stage = Stage::unattended(spec, 64);
    let agent = roles::start(&format!("agent {}", stage.enclave()));
    wait_for("it has an agent", || is(&stage, abi::ENCLAVE_ATTACHED).then_some(()));
    let spins: Vec<Spin> = (0..3).map(|_| stage.running_somewhere()).collect();
    // Two run without end, and the third waits.
    wait_for("they run", || {
        (spins.iter().filter(|spin| spin.rounds() > 0).count() >= 2).then_some(())
    });
    (stage, spins, agent)
}

fn is(stage: &Stage, state: u32) -> bool {
    stage.record().state.load(Ordering::SeqCst) == state
}

fn await_record(stage: &Stage, state: u32) {
    let record = || {
        let record = stage.record();
        (record.state.load(Ordering::SeqCst), record.reason.load(Ordering::SeqCst))
    };
    wait_for(&format!("its state is {state}"), || (record().0 == state).then_some(()));
}

fn reason(stage: &Stage) -> u32 {
    stage.record().reason.load(Ordering::SeqCst)
}

#[test]
fn a_killed_agent_leaves_its_threads_running_and_other_enclaves_alone() {
    undisturbed(|| {
        let mut other = Stage::of(&patient([3]));
        let (bystander, stays) = other.spinner_on(3);
        let (stage, spins, mut agent) = attended(&patient([1, 2]));
        agent.kill().expect("it is a child");
        agent.wait().expect("it is a child");
        await_record(&stage, abi::ENCLAVE_ORPHAN);
        spins.iter().for_each(Spin::wait_for_progress);
        assert!(stage.record().fallback_runs.load(Ordering::SeqCst) > 0);
        assert_eq!(stage.record().agent_tgid.load(Ordering::SeqCst), 0);

        stays.wait_for_progress();
        assert!(is(&other, abi::ENCLAVE_ATTACHED));
        let kinds = other.kinds_of(bystander);
        assert_eq!(kinds, [MessageKind::TaskNew, MessageKind::TaskOnCpu]);

        // What the dead left is cleaned up by whoever comes next.
        enclaves::destroy(&stage.scheduler(), stage.enclave()).expect("its threads can leave");
        assert_eq!(enclaves::list(&stage.scheduler()), [other.enclave()]);
        spins.iter().for_each(Spin::wait_for_progress);
    });
}

#[test]
fn a_successor_finds_the_threads_of_a_dead_agent() {
    undisturbed(|| {
        let (stage, spins, mut agent) = attended(&patient([1, 2]));
        agent.kill().expect("it is a child");
        agent.wait().expect("it is a child");
        await_record(&stage, abi::ENCLAVE_ORPHAN);
        let mut agent = roles::start(&format!("agent {}", stage.enclave()));
        await_record(&stage, abi::ENCLAVE_ATTACHED);
        // One ends, so that the one that waited gets its CPU.
        let waits = wait_for("all have run", || {
            spins.iter().all(|spin| spin.rounds() > 0).then_some(&spins[2])
        });
        spins[0].end();
        spins[1].end();
        waits.wait_for_progress();
        agent.kill().expect("it is a child");
        agent.wait().expect("it is a child");
    });
}

#[test]
fn an_agent_that_hangs_is_no_agent() {
    undisturbed(|| {
        let spec = enclaves::Spec { silence_limit: Duration::from_millis(500), ..patient([1, 2]) };
        let (stage, spins, mut agent) = attended(&spec);
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::kill(agent.id() as i32, libc::SIGSTOP) }, 0);
        await_record(&stage, abi::ENCLAVE_ORPHAN);
        assert_eq!(reason(&stage), abi::REASON_SILENT);
        spins.iter().for_each(Spin::wait_for_progress);
        agent.kill().expect("it is a child");
        agent.wait().expect("it is a child");
    });
}

#[test]
fn an_enclave_without_an_agent_ends_after_its_limit() {
    undisturbed(|| {
        let limit = Duration::from_millis(400);
        let mut stage =
            Stage::unattended(&enclaves::Spec { orphan_limit: limit, ..patient([1]) }, 64);
        // Keeps the scheduler: with the last enclave it would end, too.
        let _other = Stage::of(&patient([2]));
        let spin = stage.running_somewhere();
        await_record(&stage, abi::ENCLAVE_DESTROYED);
        assert_eq!(reason(&stage), abi::REASON_NO_AGENT);
        assert!(stage.record().reason_ns.load(Ordering::SeqCst) >= limit.as_nanos() as u64);
        spin.wait_for_progress();
    });
}

#[test]
fn a_task_that_nobody_serves_ends_its_enclave_and_is_named() {
    undisturbed(|| {
        let watchdog = Duration::from_millis(400);
        let mut stage = Stage::of(&enclaves::Spec { watchdog, ..patient([1]) });
        let _other = Stage::of(&patient([2]));
        let (task, spin) = stage.spinner();
        await_record(&stage, abi::ENCLAVE_DESTROYED);
        assert_eq!(reason(&stage), abi::REASON_UNSERVED);
        assert_eq!(stage.record().reason_tid.load(Ordering::SeqCst), stage.tid(task));
        assert!(stage.record().reason_ns.load(Ordering::SeqCst) >= watchdog.as_nanos() as u64);
        spin.wait_for_progress();
    });
}

#[test]
fn a_task_that_may_use_none_of_its_cpus_outlives_its_enclave() {
    undisturbed(|| {
        let watchdog = Duration::from_millis(400);
        let mut stage = Stage::of(&enclaves::Spec { watchdog, ..patient([1]) });
        let _other = Stage::of(&patient([2]));
        let (task, spin) = stage.spinner();
        guest::bind(stage.tid(task), [3]).expect("it is online");
        await_record(&stage, abi::ENCLAVE_DESTROYED);
        spin.wait_for_progress();
    });
}

#[test]
fn a_stray_runs_beside_tasks_without_a_limit() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        let (_endless, _spin) = stage.spinner_on(1);
        let (stray, spin) = (crate::stage::Performer::start(), Spin::default());
        guest::bind(stray.tid, [1]).expect("it is online");
        let parameter = libc::sched_param { sched_priority: 0 };
        // SAFETY: `parameter` lives through the call. 7 is SCHED_EXT.
        let result = unsafe { libc::sched_setscheduler(stray.tid as i32, 7, &raw const parameter) };
        assert_eq!(result, 0);
        stray.order(spin.order());
        spin.wait_for_progress();
        spin.end();
        stray.dismiss().expect("it only spun");
    });
}

#[test]
fn the_watchdog_outlives_its_loader() {
    undisturbed(|| {
        revenant_bpf::unload().expect("its pins can be removed");
        wait_for("it has ended", || (kernel::state()? == "disabled").then_some(()));
        assert!(roles::play("loader").success());
        let scheduler = Scheduler::open().expect("it was just loaded");
        let ticks = || scheduler.machine().watchdog_ticks.load(Ordering::SeqCst);
        let before = ticks();
        wait_for("it looks", || (ticks() > before + 2).then_some(()));
    });
}

#[test]
fn remains_that_nobody_takes_back_end_the_scheduler() {
    undisturbed(|| {
        let mut stage = Stage::new(1);
        stage.may_end = true;
        let (task, spin) = stage.spinner_on(1);
        stage.scheduler().destroy_enclave(stage.enclave()).expect("it is there");
        let exit = wait_for("it ends", || stage.scheduler().exit());
        assert!(exit.contains("nobody took its threads back"), "{exit}");
        wait_for("it has ended", || (kernel::state()? == "disabled").then_some(()));
        stage.await_state(task, TaskState::Dead);
        spin.wait_for_progress();
    });
}
