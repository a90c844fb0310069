//! Agents at work, in a guest: real threads under real policies.
#![cfg(feature = "kernel")]
#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use revenant::backend::kernel::agent::{AgentOptions, AgentProcess};
use revenant::backend::kernel::{enclaves, members};
use revenant::cpu::CpuSet;
use revenant::policy::TwoQueue;
use revenant_bpf::Scheduler;

#[test]
fn threads_run_under_an_agent() {
    if revenant_bpf::Scheduler::open().is_err() {
        revenant_bpf::load().expect("the scheduler loads");
    }
    let scheduler = Scheduler::open().unwrap();
    let spec = enclaves::Spec {
        name: "agents".into(),
        cpus: CpuSet::parse("1-3").unwrap(),
        ..Default::default()
    };
    let enclave = enclaves::create(&scheduler, &spec).unwrap();
    let agent = AgentProcess::start(&AgentOptions::new(enclave), TwoQueue::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<Arc<AtomicU64>> = (0..8).map(|_| Arc::default()).collect();
    let threads: Vec<_> = counts
        .iter()
        .map(|count| {
            let (count, stop) = (Arc::clone(count), Arc::clone(&stop));
            std::thread::spawn(move || {
                let tid = unsafe { libc::gettid() } as u32;
                members::join(&Scheduler::open().unwrap(), enclave, tid).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..1000 {
                        std::hint::spin_loop();
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(500));
        println!("{:?}", counts.iter().map(|c| c.load(Ordering::Relaxed)).collect::<Vec<_>>());
    }
    println!("{:?}", scheduler.enclaves()[enclave as usize]);
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(agent);
    enclaves::destroy(&scheduler, enclave).unwrap();
    assert_eq!(scheduler.exit(), None);
}
