//! The guest that tests of the kernel backend run in: its scheduler, its CPUs, its other threads.

#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use revenant::cpu::{CpuId, CpuSet};
use revenant_bpf::{OpenError, Scheduler};

/// What never happens looks like this, in a guest under emulation.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

/// Threads of the fair class stand above ours, as the contract of this backend says, and the kernel
/// has some of its own. A test that speaks of a world where nothing else goes on is held to that
/// world: if a CPU of it was taken by a higher class, a failure proves nothing.
const ATTEMPTS: u32 = 10;

/// Before the second attempt; more before each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// Worlds in which a higher class took a CPU.
static DISTURBED: AtomicU64 = AtomicU64::new(0);

/// One world at a time: they share the machine's CPUs.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test, again if it failed in a world that was disturbed.
pub(crate) fn undisturbed(body: fn()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for attempt in 1.. {
        let disturbed_before = DISTURBED.load(Ordering::SeqCst);
        let Err(panic) = catch_unwind(body) else { return };
        let is_disturbed = DISTURBED.load(Ordering::SeqCst) > disturbed_before;
        if !is_disturbed || attempt == ATTEMPTS {
            resume_unwind(panic);
        }
        println!("disturbed by a higher class: again ({attempt})");
        // What disturbs may go on for a while.
        std::thread::sleep(PAUSE * attempt);
    }
}

/// To be called at the end of a world that owned `cpus`.
pub(crate) fn note_disturbances(scheduler: &Scheduler, cpus: &CpuSet, before: u64) {
    if busy_times(scheduler, cpus) > before {
        DISTURBED.fetch_add(1, Ordering::SeqCst);
    }
}

/// How often a higher class took one of the CPUs.
pub(crate) fn busy_times(scheduler: &Scheduler, cpus: &CpuSet) -> u64 {
    cpus.iter().map(|cpu| scheduler.cpus()[cpu.index()].busy_times.load(Ordering::SeqCst)).sum()
}

/// The same before a world begins: one that has a CPU just then disturbs the world, too.
pub(crate) fn busy_before(scheduler: &Scheduler, cpus: &CpuSet) -> u64 {
    let is_busy = |cpu: &CpuId| scheduler.cpus()[cpu.index()].is_busy.load(Ordering::SeqCst) != 0;
    busy_times(scheduler, cpus).saturating_sub(cpus.iter().filter(is_busy).count() as u64)
}

/// The loaded scheduler; loads it if there is none, or if the last one has ended.
pub(crate) fn scheduler() -> Arc<Scheduler> {
    match Scheduler::open() {
        Ok(scheduler) if scheduler.exit().is_none() => Arc::new(scheduler),
        Ok(_) | Err(OpenError::NotLoaded) => {
            move_others_to_the_first_cpu();
            revenant_bpf::load().expect("the scheduler loads");
            Arc::new(Scheduler::open().expect("it was just loaded"))
        }
        Err(error) => panic!("{error}"),
    }
}

/// Waits for something that happens by itself.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < FOR_EVER, "this never happens: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The clock of messages.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The calling thread's id.
pub(crate) fn own_tid() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::gettid() as u32 }
}

/// Binds a thread to CPUs; thread 0 is the calling one.
pub(crate) fn bind(tid: u32, cpus: impl IntoIterator<Item = usize>) -> std::io::Result<()> {
    // SAFETY: the set is a plain bit map, filled before it is read.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.into_iter().for_each(|cpu| libc::CPU_SET(cpu, &mut set));
        libc::sched_setaffinity(tid as i32, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Keeps the test, which is the agent, off the enclave's CPUs.
pub(crate) fn stay_on_the_first_cpu() {
    bind(0, [0]).expect("CPU 0 is online");
}

/// Undoes [`stay_on_the_first_cpu`], which threads inherit; thread 0 is the calling one.
///
/// A thread that is to become a member should sleep by then: awake, and still of the fair class, it
/// might go to a CPU of the enclave and disturb it.
pub(crate) fn let_use_any_cpu(tid: u32) {
    // Numbers of CPUs that do not exist are ignored.
    bind(tid, 0..64).expect("some of them are online");
}

/// The kernel's own threads, as far as they can be moved: fewer disturbances, fewer attempts. Not the
/// shell, whose other programs would be bound as well, nor this process, with other backends' tests.
fn move_others_to_the_first_cpu() {
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // They have no command line.
    let is_kernels =
        |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty());
    for pid in pids.filter(is_kernels) {
        let _threads_that_are_bound_stay = bind(pid, [0]);
    }
}

/// Whether the thread waits in the kernel.
pub(crate) fn sleeps(tid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}
