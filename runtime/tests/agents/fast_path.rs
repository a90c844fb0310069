//! CPUs that take what their agent has offered.

use std::sync::atomic::Ordering;

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::policy::{AnyPolicy, PolicyKind, PolicyOptions};
use revenant_bpf::abi;

use crate::fleet::{Fleet, alone};

fn policy(kind: PolicyKind) -> AnyPolicy {
    kind.build(&PolicyOptions::default()).expect("they make sense")
}

#[test]
fn cpus_about_to_idle_take_what_the_agent_offers() {
    let _alone = alone();
    for kind in [PolicyKind::Fifo, PolicyKind::Shinjuku, PolicyKind::TwoQueue] {
        let fleet = Fleet::new("offered", "1-3", 8);
        fleet.record().flags.fetch_or(abi::FAST_PATH, Ordering::Relaxed);
        let options = AgentOptions::new(fleet.enclave);
        let _agent = AgentProcess::start(&options, policy(kind)).expect("it serves");
        let runs = || fleet.record().fast_path_runs.load(Ordering::Relaxed);
        fleet.await_that("taken from offers", || runs() > 50);
        for _ in 0..20 {
            fleet.await_progress();
        }
        println!("{kind}: {} runs from offers", runs());
    }
}

#[test]
fn without_the_flag_nothing_is_offered() {
    let _alone = alone();
    let fleet = Fleet::new("asked", "1-3", 8);
    let options = AgentOptions::new(fleet.enclave);
    let _agent = AgentProcess::start(&options, policy(PolicyKind::Fifo)).expect("it serves");
    for _ in 0..20 {
        fleet.await_progress();
    }
    let offers = fleet.scheduler.offers(fleet.enclave);
    assert_eq!(offers.head.load(Ordering::Relaxed), offers.tail.load(Ordering::Relaxed));
    assert_eq!(fleet.record().fast_path_runs.load(Ordering::Relaxed), 0);
}
