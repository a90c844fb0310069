//! The native threads' arm: the test is the agent, on whatever CPU it finds.

#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use revenant::backend::Backend;
use revenant::backend::threads::{Context, Crew, Options, Threads, Work, placement, start};
use revenant::status::Status;
use revenant::task::TaskId;
use revenant::topology::Topology;

use crate::world::{Step, World, is_at_rest};

/// One world at a time: each has threads on every CPU.
static ALONE: Mutex<()> = Mutex::new(());

/// What a world that never comes to rest looks like.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Plays a script. Takes no lock: waiting for one would be a block that no script asked for.
#[derive(Debug, Default)]
struct Actor {
    /// Steps begun.
    begun: AtomicUsize,
    /// Steps below this one were told to end.
    told: AtomicUsize,
    thread: OnceLock<Thread>,
}

impl Actor {
    fn play(&self, script: &[Step], context: &Context<'_>) {
        self.thread.get_or_init(std::thread::current);
        for (index, step) in script.iter().enumerate() {
            self.begun.store(index + 1, Ordering::SeqCst);
            let is_told = || self.told.load(Ordering::SeqCst) > index;
            match step {
                Step::Spin => while !is_told() {},
                Step::Block => {
                    while !is_told() {
                        std::thread::park();
                    }
                }
                Step::Yield => context.yield_now(),
            }
        }
    }

    fn tell(&self, until: usize) {
        self.told.fetch_max(until, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

struct Player {
    task: TaskId,
    script: &'static [Step],
    actor: Arc<Actor>,
}

impl Player {
    /// Whether the task will stay as it is until somebody does something.
    fn is_at_rest(&self, status: Option<Status>) -> bool {
        let begun = self.actor.begun.load(Ordering::SeqCst);
        is_at_rest(status, self.script, (begun, self.actor.told.load(Ordering::SeqCst)))
    }
}

/// The threads backend without its dispatcher.
pub(crate) struct ThreadsWorld {
    threads: Threads,
    crew: Option<Crew>,
    players: Vec<Player>,
    _alone: MutexGuard<'static, ()>,
}

impl World for ThreadsWorld {
    type Backend = Threads;

    fn new(cpus: usize, channel_capacity: usize) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = placement::allowed_cpus().expect("the affinity mask can be read");
        assert!(allowed.len() >= cpus, "this body needs {cpus} CPUs, and there are {allowed}");
        let (threads, crew) = start(&Options {
            is_cramped: false,
            worker_cpus: allowed.iter().take(cpus).collect(),
            allowed_cpus: allowed,
            workers_per_cpu: 16,
            tasks_max: 64,
            classes: 1,
            spin_ns: 0,
            stack_bytes: 1 << 20,
            // There is a ring a CPU, and none holds TASK_NEW.
            ring_messages: channel_capacity / 4,
            topology: Topology::of_this_machine().expect("/sys is mounted"),
            name: "conformance".to_owned(),
        })
        .expect("threads start");
        let players = Vec::new();
        Self { threads, crew: Some(crew), players, _alone: alone }
    }

    fn backend(&mut self) -> &mut Threads {
        &mut self.threads
    }

    fn now_ns(&self) -> u64 {
        // CLOCK_MONOTONIC, as the backend reads it; only differences matter here.
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid place to write.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    fn spawn(&mut self, script: &'static [Step]) -> TaskId {
        let actor = Arc::new(Actor::default());
        let plays = Arc::clone(&actor);
        let work = Work::Once(Box::new(move |turn| {
            if let Ok(context) = turn {
                plays.play(script, context);
            }
        }));
        let task = self.threads.submit(self.now_ns(), work).expect("the table has room");
        self.players.push(Player { task, script, actor });
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
        // Twice in a row, so that a change that is just being published is not missed.
        while rests < 2 {
            assert!(
                began.elapsed() < FOR_EVER,
                "the world never comes to rest: {:?} {:?}",
                self.unrest(),
                self.threads
            );
            self.threads.poll(self.now_ns());
            let at_rest = |p: &Player| p.is_at_rest(self.threads.status(p.task));
            rests = if self.players.iter().all(at_rest) { rests + 1 } else { 0 };
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn status(&mut self, task: TaskId) -> Option<Status> {
        self.threads.status(task)
    }
}

impl ThreadsWorld {
    /// Who is not at rest, and why.
    fn unrest(&self) -> Vec<(TaskId, Option<Status>, &Actor)> {
        let restless = self.players.iter().filter(|p| !p.is_at_rest(self.threads.status(p.task)));
        restless.map(|p| (p.task, self.threads.status(p.task), &*p.actor)).collect()
    }
}

impl Drop for ThreadsWorld {
    fn drop(&mut self) {
        // Every script ends, however many steps it has left.
        self.players.iter().for_each(|player| player.actor.tell(usize::MAX));
        let left = self.crew.take().map_or(0, |crew| crew.abandon(FOR_EVER));
        assert!(left == 0 || std::thread::panicking(), "{left} threads did not end");
    }
}

#[test]
fn the_enclave_is_what_was_asked_for() {
    let world = ThreadsWorld::new(1, 64);
    assert_eq!(world.threads.topology().cpus().len(), 1);
}
