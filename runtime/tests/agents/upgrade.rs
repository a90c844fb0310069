//! Agents that are replaced.

use std::sync::atomic::Ordering;

use revenant::backend::kernel::agent::{AgentError, AgentOptions, AgentProcess};
use revenant::policy::{PolicyKind, PolicyOptions, TwoQueue};
use revenant_bpf::{abi, text};

use crate::fleet::{Fleet, alone};

const UPGRADES: usize = 100;

#[test]
fn a_hundred_upgrades_under_load_lose_nothing() {
    let _alone = alone();
    let fleet = Fleet::new("upgraded", "1-3", 8);
    let options = AgentOptions::new(fleet.enclave);
    let mut present = AgentProcess::start(&options, TwoQueue::default()).expect("it serves");
    let mut blackouts = Vec::with_capacity(UPGRADES);
    for upgrade in 0..UPGRADES {
        let kind = PolicyKind::ALL[upgrade % PolicyKind::ALL.len()];
        let policy = kind.build(&PolicyOptions::default()).expect("the defaults make sense");
        let options = AgentOptions { takes_over: true, ..options };
        let successor = AgentProcess::start(&options, policy).expect("it takes over");
        while !present.has_ended() {
            std::hint::spin_loop();
        }
        present = successor;
        blackouts.push(fleet.record().blackout_ns.load(Ordering::Relaxed));
        assert_eq!(text(&fleet.record().policy), kind.name());
        fleet.await_progress();
    }
    blackouts.sort_unstable();
    println!(
        "{UPGRADES} upgrades of {} threads; blackout (p50, worst): {} us, {} us",
        fleet.counts().len(),
        blackouts[UPGRADES / 2] / 1000,
        blackouts[UPGRADES - 1] / 1000,
    );
}

#[test]
fn a_successor_that_fails_to_start_leaves_the_old_one_serving() {
    let _alone = alone();
    let fleet = Fleet::new("kept", "1-2", 3);
    let options = AgentOptions::new(fleet.enclave);
    let present = AgentProcess::start(&options, TwoQueue::default()).expect("it serves");
    let unserved = fleet.record().fallback_runs.load(Ordering::Relaxed);

    let second = AgentProcess::start(&options, TwoQueue::default());
    assert!(matches!(second, Err(AgentError::Busy { .. })), "{second:?}");
    // A ring of this size is more than the guest has.
    let greedy = AgentOptions { takes_over: true, channel_messages: 1 << 25, ..options };
    let third = AgentProcess::start(&greedy, TwoQueue::default());
    assert!(third.is_err(), "{third:?}");

    assert_eq!(fleet.record().state.load(Ordering::Relaxed), abi::ENCLAVE_ATTACHED);
    assert_eq!(fleet.record().agent_tgid.load(Ordering::Relaxed), present.pid());
    fleet.await_progress();
    assert_eq!(fleet.record().fallback_runs.load(Ordering::Relaxed), unserved);
}

#[test]
fn sixty_four_threads_outlive_upgrades_and_deaths_of_their_agents() {
    let _alone = alone();
    let fleet = Fleet::new("crowded", "1-3", 64);
    let options = AgentOptions::new(fleet.enclave);
    let mut present = AgentProcess::start(&options, TwoQueue::default()).expect("it serves");
    let options = AgentOptions { takes_over: true, ..options };
    let mut blackouts = Vec::new();
    for _ in 0..5 {
        let successor = AgentProcess::start(&options, TwoQueue::default()).expect("it takes over");
        fleet.await_that("gone", || present.has_ended());
        present = successor;
        blackouts.push(fleet.record().blackout_ns.load(Ordering::Relaxed) / 1000);
        fleet.await_progress();
    }
    let served = || fleet.record().fallback_runs.load(Ordering::Relaxed);
    let before = served();
    // SAFETY: no pointers; the child is ours and was not waited for.
    unsafe { libc::kill(present.pid() as libc::pid_t, libc::SIGKILL) };
    let killed = std::time::Instant::now();
    fleet.await_that("served without an agent", || served() > before);
    let fallback = killed.elapsed();
    fleet.await_progress();
    println!(
        "64 threads: blackouts of upgrades {blackouts:?} us; first served {fallback:?} after a kill"
    );
}
