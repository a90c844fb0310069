//! A fleet: threads of an enclave that compute, yield and sleep at random, and say how far they are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use revenant::backend::kernel::{enclaves, members};
use revenant::cpu::CpuSet;
use revenant_bpf::Scheduler;

/// What a thread that was lost looks like, in a guest under emulation.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

static ALONE: Mutex<()> = Mutex::new(());

/// One test at a time: the scheduler is the machine's.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seed to replay a run with: given by REVENANT_SEED, else new, and printed.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("REVENANT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id()) << 20
    });
    println!("REVENANT_SEED={seed}");
    seed
}

pub(crate) fn scheduler() -> Scheduler {
    if Scheduler::open().is_err() {
        revenant_bpf::load().expect("the scheduler loads");
    }
    Scheduler::open().expect("it is loaded")
}

/// Work. The hint ends a virtual CPU's turn under emulation, which one in a thousand may: else the
/// others wait for all of it, or the work takes for ever.
fn compute(steps: u64) {
    for step in 0..steps {
        std::hint::black_box(step);
        if step % 1024 == 0 {
            std::hint::spin_loop();
        }
    }
}

/// An enclave and its threads.
pub(crate) struct Fleet {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) enclave: u32,
    counts: Vec<Arc<AtomicU64>>,
    threads: Vec<JoinHandle<()>>,
    stops: Arc<AtomicBool>,
}

impl Fleet {
    /// `threads` threads on `cpus`. They begin at once; without an agent, the kernel half serves them.
    pub(crate) fn new(name: &str, cpus: &str, threads: usize) -> Self {
        let spec = enclaves::Spec {
            name: name.to_owned(),
            cpus: CpuSet::parse(cpus).expect("a list of CPUs"),
            // Emulation can keep a guest's CPU from running for seconds.
            silence_limit: Duration::ZERO,
            orphan_limit: Duration::ZERO,
            watchdog: Duration::ZERO,
            ..Default::default()
        };
        let scheduler = Arc::new(scheduler());
        let enclave = enclaves::create(&scheduler, &spec).expect("the CPUs are free");
        let mut fleet = Self {
            scheduler,
            enclave,
            counts: (0..threads).map(|_| Arc::default()).collect(),
            threads: Vec::new(),
            stops: Arc::default(),
        };
        fleet.threads = (0..threads).map(|index| fleet.begin(index as u64)).collect();
        fleet.await_progress();
        fleet
    }

    fn begin(&self, index: u64) -> JoinHandle<()> {
        let (scheduler, enclave) = (Arc::clone(&self.scheduler), self.enclave);
        let (count, stops) = (Arc::clone(&self.counts[index as usize]), Arc::clone(&self.stops));
        std::thread::spawn(move || {
            // SAFETY: no pointers.
            let tid = unsafe { libc::gettid() } as u32;
            members::join(&scheduler, enclave, tid).expect("the enclave has room");
            let mut random = Xoshiro256PlusPlus::seed_from_u64(index);
            while !stops.load(Ordering::Relaxed) {
                compute(random.random_range(0..50_000));
                count.fetch_add(1, Ordering::Relaxed);
                match random.random_range(0..4) {
                    0 => std::thread::sleep(Duration::from_micros(random.random_range(1..2000))),
                    1 => std::thread::yield_now(),
                    _ => {}
                }
            }
        })
    }

    /// Sets the affinity of every thread.
    pub(crate) fn restrict_all_to(&self, cpu: usize) {
        for (tid, _) in members::list(&self.scheduler, self.enclave) {
            // SAFETY: the set is a plain bit map, filled before it is read.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(cpu, &mut set);
                let bytes = size_of::<libc::cpu_set_t>();
                assert_eq!(libc::sched_setaffinity(tid as libc::pid_t, bytes, &raw const set), 0);
            }
        }
    }

    /// How far each thread is.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Waits until every thread has gone on. How long that took.
    pub(crate) fn await_progress(&self) -> Duration {
        let (before, began) = (self.counts(), Instant::now());
        let mut waiting: Vec<usize> = (0..before.len()).collect();
        while !waiting.is_empty() {
            assert!(
                began.elapsed() < FOR_EVER,
                "threads {waiting:?} are lost under {}: {:?}; {:?}; scheduler {:?}",
                revenant_bpf::text(&self.record().policy),
                self.words(),
                self.record(),
                self.scheduler.exit(),
            );
            std::thread::sleep(Duration::from_micros(500));
            waiting.retain(|&index| self.counts[index].load(Ordering::Relaxed) == before[index]);
        }
        began.elapsed()
    }

    /// Waits for something the agent does.
    pub(crate) fn await_that(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let (record, exit) = (self.record(), self.scheduler.exit());
            assert!(began.elapsed() < FOR_EVER, "never {what}: {record:?}; scheduler {exit:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Status words and CPUs, for messages of failure.
    fn words(&self) -> String {
        let used = self.scheduler.machine().slots_used.load(Ordering::Relaxed) as usize;
        let words = self.scheduler.status_words().iter().take(used);
        let words: Vec<_> =
            words.map(|word| (&word.tid, word.read().map(|w| format!("{w:x?}")))).collect();
        let cpus: Vec<_> = (0..4).map(|cpu| &self.scheduler.cpus()[cpu]).collect();
        format!("{cpus:?} {words:?}")
    }

    pub(crate) fn record(&self) -> &revenant_bpf::abi::Enclave {
        &self.scheduler.enclaves()[self.enclave as usize]
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        let destroyed = enclaves::destroy(&self.scheduler, self.enclave);
        let ended = self.threads.drain(..).all(|thread| thread.join().is_ok());
        if !std::thread::panicking() {
            destroyed.expect("every thread leaves");
            assert!(ended, "a thread panicked");
            assert_eq!(self.scheduler.exit(), None, "the scheduler was ended");
        }
    }
}
