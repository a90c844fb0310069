//! A troupe: members that a policy serves, for tests in which much happens and no one thing matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use revenant::agent::Agent;
use revenant::backend::Backend;
use revenant::enclave::Enclave;
use revenant::hint::Hints;
use revenant::message::Message;
use revenant::policy::Fifo;
use revenant::status::Status;
use revenant::task::{Seq, TaskId};
use revenant::topology::Topology;
use revenant::transaction::Batch;
use revenant_bpf::abi;

use crate::guest::{self, bind};
use crate::stage::Stage;

/// Where randomness begins: `REVENANT_SEED`, to see a failure again, or the time.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("REVENANT_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(guest::now_ns)
}

/// A stage as its policy's backend, which keeps what it reads.
pub(crate) struct Recorded<'a>(pub(crate) &'a mut Stage);

impl Backend for Recorded<'_> {
    fn topology(&self) -> &Topology {
        self.0.kernel.topology()
    }

    fn agent_seq(&self) -> Seq {
        self.0.kernel.agent_seq()
    }

    fn next_message(&mut self) -> Option<Message> {
        let message = self.0.kernel.next_message()?;
        self.0.said.push(message);
        Some(message)
    }

    fn take_overflow(&mut self) -> bool {
        self.0.kernel.take_overflow()
    }

    fn hints(&self, task: TaskId) -> Hints {
        self.0.kernel.hints(task)
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.0.kernel.rescan(visit);
    }

    fn commit(&mut self, now_ns: u64, seq_read: Seq, batch: &mut Batch) {
        self.0.kernel.commit(now_ns, seq_read, batch);
    }
}

/// See the module.
pub(crate) struct Troupe {
    agent: Agent<Fifo>,
    tasks: Vec<TaskId>,
    finished: Arc<AtomicUsize>,
}

impl Troupe {
    /// `size` members, asleep.
    pub(crate) fn new(stage: &mut Stage, size: usize) -> Self {
        let enclave = Enclave::new(stage.kernel.topology().clone(), abi::TASKS_MAX);
        let agent = Agent::new(Fifo::default(), enclave);
        let tasks = (0..size).map(|_| stage.member()).collect();
        Self { agent, tasks, finished: Arc::default() }
    }

    /// One thing that may happen to a member, or that it does.
    pub(crate) fn act(&self, stage: &mut Stage, actor: usize, what: usize) {
        let task = self.tasks[actor];
        match what {
            0 => stage.order(task, || (0..2_000).for_each(|_| std::hint::spin_loop())),
            1 => stage.order(task, std::thread::yield_now),
            2 => stage.order(task, || std::thread::sleep(Duration::from_millis(1))),
            // Either has all CPUs of the enclave: the policy knows nothing of affinities.
            3 => bind(stage.tid(task), 1..4).expect("it is alive"),
            _ => bind(stage.tid(task), 0..4).expect("it is alive"),
        }
    }

    /// Some turns of the policy.
    pub(crate) fn serve(&mut self, stage: &mut Stage, turns: usize) {
        for _ in 0..turns {
            self.agent.turn(guest::now_ns(), &mut Recorded(stage));
        }
    }

    /// Serves until every member has done all it was told.
    pub(crate) fn finish(&mut self, stage: &mut Stage) {
        self.finished.store(0, Ordering::SeqCst);
        for task in &self.tasks {
            let finished = Arc::clone(&self.finished);
            stage.order(*task, move || {
                finished.fetch_add(1, Ordering::SeqCst);
            });
        }
        let began = Instant::now();
        while self.finished.load(Ordering::SeqCst) < self.tasks.len() {
            self.serve(stage, 1);
            assert!(began.elapsed() < guest::FOR_EVER, "not all members get on: {self:?}");
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl std::fmt::Debug for Troupe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} finished; {:?}", self.finished, self.agent.counters())
    }
}
