//! What a runtime on this backend does besides.

use revenant::cpu::CpuSet;
use revenant::{BackendKind, Class, Runtime};
use revenant_bpf::{Scheduler, abi};

use crate::{FOR_EVER, alone, builder, wait_until};

/// The agent's process, of the only enclave there is.
fn agent_tgid(scheduler: &Scheduler) -> u32 {
    scheduler.enclaves()[0].agent_tgid.load(std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn auto_takes_the_kernel_where_it_can_and_says_why() {
    let _alone = alone();
    let auto = builder().backend(BackendKind::Auto).class("work", Class::default());
    let runtime = auto.build().unwrap();
    assert_eq!(runtime.backend().kind, BackendKind::Kernel);
    assert_eq!(runtime.backend().reason, "sched_ext is there and permitted");
    assert_eq!(runtime.submit("work", |_| 7).wait_for(FOR_EVER), Ok(7));
}

#[test]
fn workers_are_scheduled_by_the_agent() {
    let _alone = alone();
    let runtime = builder().class("work", Class::default()).build().unwrap();
    let policy = runtime.submit("work", |_| {
        // SAFETY: no pointers; 0 is the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    });
    const SCHED_EXT: i32 = 7;
    assert_eq!({ policy }.wait_for(FOR_EVER), Ok(SCHED_EXT));
    wait_until("commits are counted", || runtime.stats().agent.outcomes[0] > 0);
}

#[test]
fn requests_go_on_when_the_agent_is_killed() {
    let _alone = alone();
    let runtime = builder().class("work", Class::default()).build().unwrap();
    assert_eq!(runtime.submit("work", |_| 1).wait_for(FOR_EVER), Ok(1));
    let scheduler = Scheduler::open().expect("the runtime loaded it");
    let agent = agent_tgid(&scheduler) as libc::pid_t;
    // SAFETY: no pointers; the agent is this process's child, and not waited for yet.
    assert_eq!(unsafe { libc::kill(agent, libc::SIGKILL) }, 0);
    wait_until("it is noticed", || runtime.stats().is_orphaned);
    for value in 0..20 {
        assert_eq!(runtime.submit("work", move |_| value).wait_for(FOR_EVER), Ok(value));
    }
}

#[test]
fn a_runtime_leaves_nothing_behind() {
    let _alone = alone();
    let runtime = builder().class("work", Class::default()).build().unwrap();
    assert_eq!(runtime.submit("work", |_| 1).wait_for(FOR_EVER), Ok(1));
    let scheduler = Scheduler::open().expect("the runtime loaded it");
    drop(runtime);
    let states =
        scheduler.enclaves().iter().map(|e| e.state.load(std::sync::atomic::Ordering::SeqCst));
    assert!(states.into_iter().all(|state| state == abi::ENCLAVE_FREE));
    assert!(Scheduler::open().is_err(), "it was unloaded");
    drop(scheduler);
    wait_until("the kernel is free again", || {
        revenant_bpf::kernel::state().as_deref() == Some("disabled")
    });
    // And another can begin.
    let runtime: Runtime = builder().class("work", Class::default()).build().unwrap();
    assert_eq!(runtime.submit("work", |_| 2).wait_for(FOR_EVER), Ok(2));
}

#[test]
fn two_runtimes_of_a_process_have_an_enclave_each() {
    let _alone = alone();
    let on = |cpu: &str| {
        let cpus = CpuSet::parse(cpu).expect("a CPU");
        builder().worker_cpus(cpus).class("work", Class::default()).build().unwrap()
    };
    let runtimes = [on("2"), on("3")];
    for (value, runtime) in runtimes.iter().enumerate() {
        assert_eq!(runtime.submit("work", move |_| value).wait_for(FOR_EVER), Ok(value));
    }
}
