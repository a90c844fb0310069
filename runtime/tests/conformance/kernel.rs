//! The kernel's arm: the test is the agent, on a CPU the enclave does not have.

#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use revenant::backend::Backend;
use revenant::backend::kernel::{Kernel, enclaves, members};
use revenant::cpu::{CpuId, CpuSet};
use revenant::status::Status;
use revenant::task::TaskId;

use crate::guest::{self, FOR_EVER, busy_before, sleeps, stay_on_the_first_cpu, wait_for};
use crate::world::{Step, World, is_at_rest};

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
        self.tid.get_or_init(guest::own_tid);
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
        wait_for("it sleeps", || self.tid.get().copied().filter(|tid| sleeps(*tid)))
    }
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
        let begun = self.actor.begun.load(Ordering::SeqCst);
        is_at_rest(status, self.script, (begun, self.actor.told.load(Ordering::SeqCst)))
    }
}

/// An enclave of the loaded scheduler.
pub(crate) struct KernelWorld {
    kernel: Kernel,
    players: Vec<Player>,
    busy_before: u64,
}

impl World for KernelWorld {
    type Backend = Kernel;

    fn new(cpus: usize, channel_capacity: usize) -> Self {
        stay_on_the_first_cpu();
        let scheduler = guest::scheduler();
        let own: CpuSet = (1..=cpus as u16).map(CpuId).collect();
        let spec =
            enclaves::Spec { name: "conformance".to_owned(), cpus: own, ..Default::default() };
        // The test takes its time between turns, and is no agent that could hang.
        let spec = enclaves::Spec { silence_limit: Duration::ZERO, ..spec };
        let enclave = enclaves::create(&scheduler, &spec).expect("the CPUs are free");
        scheduler.attach_agent(enclave, None).expect("it has no agent");
        let mut kernel = Kernel::open(scheduler, enclave, 0, channel_capacity).expect("a ring");
        kernel.begin();
        let busy_before = busy_before(kernel.scheduler(), &own);
        Self { kernel, players: Vec::new(), busy_before }
    }

    fn hold_to(body: fn()) {
        guest::undisturbed(body);
    }

    fn backend(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    fn now_ns(&self) -> u64 {
        guest::now_ns()
    }

    fn spawn(&mut self, script: &'static [Step]) -> TaskId {
        let actor = Arc::new(Actor::default());
        let plays = Arc::clone(&actor);
        let thread = std::thread::spawn(move || plays.main(script));
        let tid = actor.sleeping_tid();
        guest::let_use_any_cpu(tid);
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

impl KernelWorld {
    /// Who is not at rest, and why.
    fn unrest(&self) -> Vec<(TaskId, Option<Status>, &Actor)> {
        let restless = self.players.iter().filter(|p| !p.is_at_rest(self.kernel.status(p.task)));
        restless.map(|p| (p.task, self.kernel.status(p.task), &*p.actor)).collect()
    }
}

impl Drop for KernelWorld {
    fn drop(&mut self) {
        let cpus = self.kernel.topology().cpus();
        guest::note_disturbances(self.kernel.scheduler(), &cpus, self.busy_before);
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
