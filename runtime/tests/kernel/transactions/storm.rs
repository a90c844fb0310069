//! A storm: threads change in every way there is while an agent commits at random, also to CPUs they
//! may not use. A commit that the kernel would punish ends the scheduler; a transaction that is lost
//! leaves a thread that never runs again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use revenant::backend::Backend as _;
use revenant::backend::kernel::members;
use revenant::cpu::CpuId;
use revenant::task::TaskState;
use revenant::transaction::{Batch, BatchMode, SLICE_INFINITE_NS, Transaction};
use revenant_bpf::{Scheduler, kernel};

use crate::guest::{bind, let_use_any_cpu, now_ns, own_tid, undisturbed};
use crate::offline::Offline;
use crate::stage::{Over, Stage};
use crate::troupe::seed;

const THREADS: u64 = 12;
const LASTS: Duration = Duration::from_secs(12);

/// What the threads of the storm share.
struct Weather {
    scheduler: Arc<Scheduler>,
    enclave: u32,
    is_over: Arc<AtomicBool>,
    tids: Vec<AtomicU64>,
    deeds: Vec<AtomicU64>,
}

impl Weather {
    fn rage(&self, place: usize, seed: u64) {
        let_use_any_cpu(0);
        self.tids[place].store(u64::from(own_tid()), Ordering::SeqCst);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        while !self.is_over.load(Ordering::SeqCst) {
            self.act(&mut random);
            self.deeds[place].fetch_add(1, Ordering::SeqCst);
        }
    }

    fn act(&self, random: &mut Xoshiro256PlusPlus) {
        let own = own_tid();
        let other =
            self.tids[random.random_range(0..self.tids.len())].load(Ordering::SeqCst) as u32;
        // Each may fail: the other thread may be gone, the CPU off, the class full.
        match random.random_range(0..12) {
            0 => drop(bind(own, some_cpus(random))),
            1 => drop(bind(other, some_cpus(random))),
            2 => renice(other, random.random_range(-10..10)),
            3 => drop(members::to_fair(own)),
            4 => drop(members::join(&self.scheduler, self.enclave, own)),
            5 => drop(members::join(&self.scheduler, self.enclave, other)),
            6 => std::thread::sleep(Duration::from_micros(random.random_range(0..500))),
            7 => std::thread::yield_now(),
            8 => drop(std::thread::spawn(|| let_use_any_cpu(0))),
            9 => spawn_a_process(),
            _ => (0..random.random_range(0..3_000)).for_each(|_| std::hint::spin_loop()),
        }
        // So that it can go on anywhere once the storm is over.
        let _best_effort = bind(own, 0..64);
    }
}

fn some_cpus(random: &mut Xoshiro256PlusPlus) -> impl Iterator<Item = usize> {
    let bits: u32 = random.random_range(1..16);
    (0..4).filter(move |cpu| bits & 1 << cpu != 0)
}

fn renice(tid: u32, nice: i32) {
    // SAFETY: no pointers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, tid, nice) };
}

/// Forks, executes, and waits.
fn spawn_a_process() {
    let ended: io::Result<_> = std::process::Command::new("/bin/true").status();
    drop(ended);
}

/// Commits whatever there is to wherever, right or wrong.
fn commit_at_random(stage: &mut Stage, random: &mut Xoshiro256PlusPlus) {
    while stage.kernel.next_message().is_some() {}
    let _lost = stage.kernel.take_overflow();
    let mut batch = Batch::with_capacity(64);
    stage.kernel.rescan(&mut |task, status, _| {
        if status.state == TaskState::Queued || random.random_bool(0.1) {
            let mut transaction =
                Transaction::new(task, status.seq, CpuId(random.random_range(0..5)));
            let is_endless = random.random_bool(0.2);
            transaction.slice_ns =
                if is_endless { SLICE_INFINITE_NS } else { random.random_range(0..3_000_000) };
            transaction.idle_only = random.random_bool(0.1);
            transaction.allow_on_cpu = random.random_bool(0.1);
            batch.push(transaction);
        }
    });
    let is_together = batch.transactions().len() < 4 && random.random_bool(0.2);
    batch.mode = if is_together { BatchMode::AllOrNone } else { BatchMode::Group };
    let seq = stage.kernel.agent_seq();
    stage.kernel.commit(now_ns(), seq, &mut batch);
}

fn switch_cpus(weather: &Weather) {
    let_use_any_cpu(0);
    while !weather.is_over.load(Ordering::SeqCst) {
        for cpu in [2, 3] {
            let _offline = Offline::switch(cpu);
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Every thread that is left goes on, and nothing was thrown out.
fn all_go_on(stage: &mut Stage, weather: &Weather, random: &mut Xoshiro256PlusPlus) {
    let deeds = || weather.deeds.iter().map(|deeds| deeds.load(Ordering::SeqCst));
    let before: Vec<u64> = deeds().collect();
    let began = Instant::now();
    while deeds().zip(&before).any(|(now, before)| now <= *before) {
        commit_at_random(stage, random);
        let exit = stage.scheduler().exit();
        assert!(exit.is_none(), "the scheduler ended: {exit:?}");
        let stuck: Vec<_> = deeds().zip(&before).map(|(now, before)| now - before).collect();
        assert!(began.elapsed() < crate::guest::FOR_EVER, "threads are stuck: {stuck:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_storm_of_changes_ends_nothing_and_loses_nobody() {
    undisturbed(|| {
        let seed = seed();
        println!("seed {seed}");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut stage = Stage::new(3);
        let weather = Arc::new(Weather {
            scheduler: stage.scheduler(),
            enclave: stage.enclave(),
            is_over: Arc::default(),
            tids: (0..THREADS).map(|_| AtomicU64::default()).collect(),
            deeds: (0..THREADS).map(|_| AtomicU64::default()).collect(),
        });
        let _ends = Over(Arc::clone(&weather.is_over));
        let mut threads: Vec<JoinHandle<()>> = (0..THREADS)
            .map(|place| {
                let weather = Arc::clone(&weather);
                std::thread::spawn(move || weather.rage(place as usize, seed ^ place))
            })
            .collect();
        let switched = Arc::clone(&weather);
        threads.push(std::thread::spawn(move || switch_cpus(&switched)));

        let began = Instant::now();
        while began.elapsed() < LASTS {
            commit_at_random(&mut stage, &mut random);
            let exit = stage.scheduler().exit();
            assert!(exit.is_none(), "seed {seed}: the scheduler ended: {exit:?}");
            std::thread::sleep(Duration::from_micros(random.random_range(0..300)));
        }
        all_go_on(&mut stage, &weather, &mut random);
        assert_eq!(kernel::state().as_deref(), Some("enabled"));
        let outcomes: Vec<_> =
            stage.record().outcomes.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        println!("outcomes {outcomes:?}, tasks {}", stage.record().tasks.load(Ordering::SeqCst));
        weather.is_over.store(true, Ordering::SeqCst);
        drop(stage);
        threads.into_iter().for_each(|thread| thread.join().expect("it only raged"));
    });
}
