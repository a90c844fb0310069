//! Agents that make way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::policy::Fifo;

use crate::fleet::{FOR_EVER, Fleet, alone};

/// Runs the calling thread on one CPU only.
fn pin(cpu: usize) {
    // SAFETY: the set is a plain bit map, filled before it is read.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
    }
}

#[test]
fn an_agent_leaves_the_cpu_a_fair_thread_wants() {
    let _alone = alone();
    let fleet = Fleet::new("polite", "1-3", 3);
    let agent =
        AgentProcess::start(&AgentOptions::new(fleet.enclave), Fifo::default()).expect("it serves");
    let stops = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    while fleet.record().handoffs.load(Ordering::Relaxed) < 3 {
        assert!(began.elapsed() < FOR_EVER, "it stays: {:?}", fleet.record());
        let cpu = fleet.record().agent_cpu.load(Ordering::Relaxed) as usize;
        let stops = Arc::clone(&stops);
        // Wakes up on the agent's CPU again and again.
        let fair = std::thread::spawn(move || {
            pin(cpu.max(1));
            for _ in 0..20 {
                std::thread::sleep(std::time::Duration::from_millis(1));
                if stops.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        fair.join().expect("it only sleeps");
    }
    stops.store(true, Ordering::Relaxed);
    fleet.await_progress();
    drop(agent);
}
