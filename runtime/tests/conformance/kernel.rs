//! The kernel's arm: the test is the agent, on a CPU the enclave does not have.

#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use revenant::backend::Backend;
use revenant::backend::kernel::{Kernel, enclaves, members};
use revenant::cpu::{CpuId, CpuSet};
use revenant::status::Status;
use revenant::task::{TaskId, TaskState};
use revenant_bpf::{OpenError, Scheduler};

use crate::world::{Step, World};

/// One world at a time: they share the machine's CPUs.
static ALONE: Mutex<()> = Mutex::new(());

/// What a world that never comes to rest looks like, in a guest under emulation.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Threads of the fair class stand above ours, as the contract of this backend says, and the kernel
/// has some of its own. A body that speaks of a world where nothing else goes on is held to that
/// world: if a CPU of it was taken by a higher class, a failure proves nothing.
const ATTEMPTS: usize = 20;

/// Worlds in which a higher class took a CPU.
static DISTURBED: AtomicU64 = AtomicU64::new(0);

/// Plays a script, on a thread that sleeps until it is a member.
#[derive(Debug, Default)]
struct Actor {
    tid: OnceLock<u32>,
    /// It is a member, and may begin.
    is_released: AtomicUsize,
    /// Steps begun.
    begun: AtomicUsize,
    /// Steps below this one were told to end.
    told: AtomicUsize,
    thread: OnceLock<Thread>,
}

impl Actor {
    fn main(&self, script: &[Step]) {
        self.thread.get_or_init(std::thread::current);
        // SAFETY: no pointers.
        self.tid.get_or_init(|| unsafe { libc::gettid() } as u32);
        while self.is_released.load(Ordering::SeqCst) == 0 {
            std::thread::park();
        }
        for (index, step) in script.iter().enumerate() {
            self.begun.store(index + 1, Ordering::SeqCst);
            let is_told = || self.told.load(Ordering::SeqCst) > index;
            match step {
                // The hint ends a virtual CPU's turn under emulation.
                Step::Spin => {
                    while !is_told() {
                        std::hint::spin_loop()
                    }
                }
                Step::Block => {
                    while !is_told() {
                        std::thread::park();
                    }
                }
                Step::Yield => std::thread::yield_now(),
            }
        }
    }

    fn tell(&self, until: usize) {
        self.told.fetch_max(until, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn sleeping_tid(&self) -> u32 {
        loop {
            if let Some(tid) = self.tid.get().copied().filter(|tid| sleeps(*tid)) {
                return tid;
            }
            std::thread::yield_now();
        }
    }
}

/// Whether the thread waits in the kernel.
fn sleeps(tid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}

struct Player {
    task: TaskId,
    script: &'static [Step],
    actor: Arc<Actor>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// Whether the task will stay as it is until somebody does something.
    fn is_at_rest(&self, status: Option<Status>) -> bool {
        let Some(status) = status else { return true };
        let begun = self.actor.begun.load(Ordering::SeqCst);
        let waits_in = |step: Step| {
            let present = begun.checked_sub(1).and_then(|index| self.script.get(index));
            present == Some(&step) && self.actor.told.load(Ordering::SeqCst) < begun
        };
        match status.state {
            TaskState::Dead => true,
            // A queued task that was committed has not yet been heard of; `settle` knows of it.
            TaskState::Queued => true,
            TaskState::OnCpu => waits_in(Step::Spin),
            TaskState::Blocked => waits_in(Step::Block),
            TaskState::Latched => false,
        }
    }
}

/// An enclave of the loaded scheduler.
pub(crate) struct KernelWorld {
    kernel: Kernel,
    players: Vec<Player>,
    busy_before: u64,
    _alone: MutexGuard<'static, ()>,
}

fn scheduler() -> Arc<Scheduler> {
    match Scheduler::open() {
        Ok(scheduler) => Arc::new(scheduler),
        Err(OpenError::NotLoaded) => {
            move_others_to_the_first_cpu();
            revenant_bpf::load().expect("the scheduler loads");
            Arc::new(Scheduler::open().expect("it was just loaded"))
        }
        Err(error) => panic!("{error}"),
    }
}

/// Keeps the test, which is the agent, off the enclave's CPUs.
fn stay_on_the_first_cpu() {
    // SAFETY: the set is a plain bit map, filled before it is read.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
    }
}

/// The kernel's own threads, as far as they can be moved: fewer disturbances, fewer attempts.
fn move_others_to_the_first_cpu() {
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in pids {
        // SAFETY: as above. Threads that are bound to a CPU stay there.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut set);
            libc::sched_setaffinity(pid, size_of::<libc::cpu_set_t>(), &raw const set);
        }
    }
}

fn use_any_cpu() {
    // SAFETY: as above; every bit is a CPU that may not exist, which the kernel ignores.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (0..64).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
    }
}

impl World for KernelWorld {
    type Backend = Kernel;

    fn new(cpus: usize, channel_capacity: usize) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        stay_on_the_first_cpu();
        let scheduler = scheduler();
        let own: CpuSet = (1..=cpus as u16).map(CpuId).collect();
        let spec =
            enclaves::Spec { name: "conformance".to_owned(), cpus: own, ..Default::default() };
        // The test takes its time between turns, and is no agent that could hang.
        let spec = enclaves::Spec { silence_limit: Duration::ZERO, ..spec };
        let enclave = enclaves::create(&scheduler, &spec).expect("the CPUs are free");
        scheduler.attach_agent(enclave, None).expect("it has no agent");
        let mut kernel = Kernel::open(scheduler, enclave, 0, channel_capacity).expect("a ring");
        kernel.begin();
        let busy_before = busy_times(&kernel);
        Self { kernel, players: Vec::new(), busy_before, _alone: alone }
    }

    fn hold_to(body: fn()) {
        for attempt in 1.. {
            let disturbed_before = DISTURBED.load(Ordering::SeqCst);
            let Err(panic) = catch_unwind(body) else { return };
            let is_disturbed = DISTURBED.load(Ordering::SeqCst) > disturbed_before;
            if !is_disturbed || attempt == ATTEMPTS {
                resume_unwind(panic);
            }
            println!("disturbed by a higher class: again ({attempt})");
        }
    }

    fn backend(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    fn now_ns(&self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place to write.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    fn spawn(&mut self, script: &'static [Step]) -> TaskId {
        let actor = Arc::new(Actor::default());
        let plays = Arc::clone(&actor);
        let thread = std::thread::spawn(move || {
            use_any_cpu();
            plays.main(script);
        });
        let tid = actor.sleeping_tid();
        let task = members::join(self.kernel.scheduler(), self.kernel.enclave(), tid)
            .expect("it sleeps, outside any enclave");
        actor.is_released.store(1, Ordering::SeqCst);
        thread.thread().unpark();
        self.players.push(Player { task, script, actor, thread: Some(thread) });
        task
    }

    fn tell(&mut self, task: TaskId) {
        let player = self.players.iter().find(|player| player.task == task);
        let actor = &player.expect("it was spawned").actor;
        actor.tell(actor.begun.load(Ordering::SeqCst));
    }

    fn settle(&mut self) {
        let began = Instant::now();
        let mut rests = 0;
        // Several times in a row, so that a change that is just being made is not missed.
        while rests < 4 {
            assert!(
                began.elapsed() < FOR_EVER,
                "the world never comes to rest: {:?} {:?}",
                self.unrest(),
                self.kernel.scheduler().exit(),
            );
            let is_latched = (0..8)
                .any(|cpu| self.kernel.scheduler().cpus()[cpu].latched.load(Ordering::SeqCst) != 0);
            let at_rest = |p: &Player| p.is_at_rest(self.kernel.status(p.task));
            let all = !is_latched && self.players.iter().all(at_rest);
            rests = if all { rests + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn status(&mut self, task: TaskId) -> Option<Status> {
        self.kernel.status(task)
    }
}

/// How often a higher class took a CPU of the enclave.
fn busy_times(kernel: &Kernel) -> u64 {
    let cpus = kernel.topology().cpus();
    let times =
        |cpu: CpuId| kernel.scheduler().cpus()[cpu.index()].busy_times.load(Ordering::SeqCst);
    cpus.iter().map(times).sum()
}

impl KernelWorld {
    /// Who is not at rest, and why.
    fn unrest(&self) -> Vec<(TaskId, Option<Status>, &Actor)> {
        let restless = self.players.iter().filter(|p| !p.is_at_rest(self.kernel.status(p.task)));
        restless.map(|p| (p.task, self.kernel.status(p.task), &*p.actor)).collect()
    }
}

impl Drop for KernelWorld {
    fn drop(&mut self) {
        if busy_times(&self.kernel) > self.busy_before {
            DISTURBED.fetch_add(1, Ordering::SeqCst);
        }
        // Every script ends, however many steps it has left, under the fair class.
        self.players.iter().for_each(|player| player.actor.tell(usize::MAX));
        let (scheduler, enclave) = (self.kernel.scheduler(), self.kernel.enclave());
        let destroyed = enclaves::destroy(scheduler, enclave);
        for player in &mut self.players {
            if let Some(thread) = player.thread.take() {
                let ended = thread.join();
                assert!(ended.is_ok() || std::thread::panicking());
            }
        }
        assert!(destroyed.is_ok() || std::thread::panicking(), "{destroyed:?}");
        let exit = scheduler.exit();
        assert!(exit.is_none() || std::thread::panicking(), "the scheduler ended: {exit:?}");
    }
}
