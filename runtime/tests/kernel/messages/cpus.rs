//! What is said of CPUs and of agents, some of it only on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use revenant::backend::kernel::enclaves;
use revenant::cpu::CpuId;
use revenant::message::MessageKind;
use revenant::transaction::Outcome;
use revenant_bpf::abi;

use crate::guest::{bind, undisturbed};
use crate::stage::{Performer, Spin, Stage, patient};

fn stage_with(flags: u32) -> Stage {
    Stage::of(&enclaves::Spec { flags, ..patient([1]) })
}

/// A fair thread that spins on CPU 1.
fn fair_hog() -> (Performer, Spin) {
    let (fair, spin) = (Performer::start(), Spin::default());
    bind(fair.tid, [1]).expect("it is online");
    fair.order(spin.order());
    spin.wait_for_progress();
    (fair, spin)
}

#[test]
fn ticks_are_told_on_demand() {
    undisturbed(|| {
        let mut stage = stage_with(abi::DELIVER_TICKS);
        let (_task, _spin) = stage.spinner_on(1);
        let tick = stage.hear(MessageKind::CpuTick);
        assert_eq!(tick.cpu, CpuId(1));
    });
    undisturbed(|| {
        let mut stage = stage_with(0);
        // A slice ends at a tick: once it has, there was one.
        let (task, _spin) = stage.spinner();
        let mut transaction = stage.open(task, 1);
        transaction.slice_ns = 1;
        assert_eq!(stage.commit(transaction), Outcome::Committed);
        stage.hear_of(task, MessageKind::TaskPreempted);
        assert_eq!(stage.count(MessageKind::CpuTick), 0);
    });
}

#[test]
fn a_timer_expires_once_and_can_be_cancelled() {
    undisturbed(|| {
        let mut stage = stage_with(0);
        let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
        scheduler.set_timer(enclave, 1, 1_000_000).expect("there is such a CPU");
        assert_eq!(stage.hear(MessageKind::CpuTimerExpired).cpu, CpuId(1));

        // An hour: it would not be over.
        scheduler.set_timer(enclave, 1, 3_600_000_000_000).expect("as before");
        scheduler.set_timer(enclave, 1, 0).expect("it is cancelled");
        scheduler.set_timer(enclave, 1, 1).expect("and set anew");
        stage.hear(MessageKind::CpuTimerExpired);
        assert_eq!(stage.count(MessageKind::CpuTimerExpired), 2);

        let refused = scheduler.set_timer(enclave, abi::CPUS_MAX as u32, 1).map_err(|e| e.errno());
        assert_eq!(refused, Err(libc::EINVAL));
    });
}

#[test]
fn a_commit_in_vain_says_that_the_cpu_is_busy_and_then_that_it_is_back() {
    undisturbed(|| {
        let mut stage = stage_with(0);
        let (task, _spin) = stage.spinner();
        let (fair, hog) = fair_hog();
        let transaction = stage.open(task, 1);
        assert_eq!(stage.commit(transaction), Outcome::CpuUnavailable);
        assert_eq!(stage.hear(MessageKind::CpuBusy).cpu, CpuId(1));
        hog.end();
        assert_eq!(stage.hear(MessageKind::CpuAvailable).cpu, CpuId(1));
        fair.dismiss().expect("it only spun");
    });
}

#[test]
fn a_cpu_that_nobody_wanted_is_busy_in_silence() {
    undisturbed(|| {
        let mut stage = stage_with(0);
        let (fair, hog) = fair_hog();
        hog.end();
        fair.dismiss().expect("it only spun");
        assert_eq!(stage.count(MessageKind::CpuBusy) + stage.count(MessageKind::CpuNotIdle), 0);
    });
}

#[test]
fn an_idle_cpu_that_picks_up_other_work_is_told_on_demand() {
    undisturbed(|| {
        let mut stage = stage_with(abi::DELIVER_NOT_IDLE);
        let (fair, hog) = fair_hog();
        assert_eq!(stage.hear(MessageKind::CpuNotIdle).cpu, CpuId(1));
        hog.end();
        fair.dismiss().expect("it only spun");
    });
}

/// An agent thread of CPU 1, asleep.
fn sleeping_agent(stage: &Stage) -> Performer {
    let agent = Performer::start();
    bind(agent.tid, [1]).expect("it is online");
    let (scheduler, enclave) = (stage.scheduler(), stage.enclave());
    let is_attached = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&is_attached);
    agent.order(move || {
        scheduler.attach_agent(enclave, Some(1)).expect("its process is the agent");
        tells.store(true, Ordering::SeqCst);
    });
    crate::guest::wait_for("it is attached", || {
        (is_attached.load(Ordering::SeqCst) && crate::guest::sleeps(agent.tid)).then_some(())
    });
    agent
}

#[test]
fn an_agents_sleep_is_told_on_demand() {
    undisturbed(|| {
        let mut stage = stage_with(abi::DELIVER_AGENTS);
        let agent = sleeping_agent(&stage);
        stage.hear(MessageKind::AgentBlocked);
        agent.order(|| ());
        assert_eq!(stage.hear(MessageKind::AgentWakeup).cpu, CpuId(1));
        assert_eq!(stage.hear(MessageKind::AgentBlocked).cpu, CpuId(1));
        agent.dismiss().expect("it only slept");
    });
    undisturbed(|| {
        let mut stage = stage_with(0);
        let agent = sleeping_agent(&stage);
        agent.dismiss().expect("it only slept");
        assert_eq!(stage.count(MessageKind::AgentWakeup), 0);
    });
}
