//! Agents that die.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::policy::{Fifo, TwoQueue};
use revenant_bpf::abi;

use crate::fleet::{Fleet, alone, seed};

const KILLS: usize = 200;

fn kill(agent: &mut AgentProcess) {
    // SAFETY: no pointers; the child is ours and was not waited for.
    unsafe { libc::kill(agent.pid() as libc::pid_t, libc::SIGKILL) };
    while !agent.has_ended() {
        std::hint::spin_loop();
    }
}

#[test]
fn an_agent_killed_at_any_instant_loses_no_thread_and_troubles_no_other_enclave() {
    let _alone = alone();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed());
    let other = Fleet::new("bystander", "1", 2);
    let bystander =
        AgentProcess::start(&AgentOptions::new(other.enclave), Fifo::default()).expect("it serves");
    let unserved = other.record().fallback_runs.load(Ordering::Relaxed);
    let fleet = Fleet::new("victim", "2-3", 6);
    let mut gaps = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        let options = AgentOptions::new(fleet.enclave);
        let mut agent = AgentProcess::start(&options, TwoQueue::default()).expect("it serves");
        std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        kill(&mut agent);
        // A process can be waited for before its last thread is off its CPU.
        fleet.await_that("orphaned", || {
            fleet.record().state.load(Ordering::Relaxed) == abi::ENCLAVE_ORPHAN
        });
        gaps.push(fleet.await_progress());
    }
    gaps.sort();
    println!(
        "{KILLS} kills; every thread had gone on after (p50, p99, worst): {:?} {:?} {:?}; served without an agent: {}",
        gaps[KILLS / 2],
        gaps[KILLS * 99 / 100],
        gaps[KILLS - 1],
        fleet.record().fallback_runs.load(Ordering::Relaxed),
    );
    assert_eq!(other.record().agent_tgid.load(Ordering::Relaxed), bystander.pid());
    let served = other.record().fallback_runs.load(Ordering::Relaxed);
    assert_eq!(served, unserved, "its agent served throughout");
    other.await_progress();
}
