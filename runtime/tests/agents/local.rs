//! Agents that sleep on the CPU they schedule.

use std::sync::atomic::Ordering;

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::policy::{Fifo, Shinjuku, TwoQueue};
use revenant_bpf::abi;

use crate::fleet::{Fleet, alone};

#[test]
fn per_cpu_agents_serve_every_thread() {
    let _alone = alone();
    let fleet = Fleet::new("local", "1-3", 8);
    let agents = AgentProcess::start_per_cpu(&AgentOptions::new(fleet.enclave), Fifo::default);
    let _agents = agents.expect("they serve");
    let unserved = fleet.record().fallback_runs.load(Ordering::Relaxed);
    let commits = || fleet.record().outcomes[0].load(Ordering::Relaxed);
    let before = commits();
    for _ in 0..20 {
        fleet.await_progress();
    }
    assert!(commits() > before, "they commit");
    assert_eq!(fleet.record().fallback_runs.load(Ordering::Relaxed), unserved);
}

#[test]
fn one_cpu_is_enough_for_a_local_agent_and_its_threads() {
    let _alone = alone();
    let fleet = Fleet::new("single", "1", 4);
    let agents =
        AgentProcess::start_per_cpu(&AgentOptions::new(fleet.enclave), || Shinjuku::new(5_000_000));
    let _agents = agents.expect("they serve");
    for _ in 0..10 {
        fleet.await_progress();
    }
}

#[test]
fn global_and_per_cpu_agents_succeed_each_other() {
    let _alone = alone();
    let fleet = Fleet::new("mixed", "1-3", 6);
    let options = AgentOptions::new(fleet.enclave);
    let mut present = AgentProcess::start(&options, TwoQueue::default()).expect("it serves");
    let options = AgentOptions { takes_over: true, ..options };
    for round in 0..6 {
        let successor = match round % 2 {
            0 => AgentProcess::start_per_cpu(&options, Fifo::default),
            _ => AgentProcess::start(&options, TwoQueue::default()),
        };
        let successor = successor.expect("it takes over");
        while !present.has_ended() {
            std::hint::spin_loop();
        }
        present = successor;
        let flags = fleet.record().flags.load(Ordering::Relaxed);
        assert_eq!(flags & abi::PER_CPU_AGENTS != 0, round % 2 == 0);
        fleet.await_progress();
        fleet.await_progress();
    }
}

#[test]
fn a_thread_that_may_no_longer_use_its_cpu_moves_to_another_agent() {
    let _alone = alone();
    let fleet = Fleet::new("moved", "1-2", 4);
    let agents = AgentProcess::start_per_cpu(&AgentOptions::new(fleet.enclave), Fifo::default);
    let _agents = agents.expect("they serve");
    for cpu in [1, 2, 1, 2] {
        fleet.restrict_all_to(cpu);
        fleet.await_progress();
        fleet.await_progress();
    }
}
