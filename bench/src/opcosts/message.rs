//! A message's way to the policy of a global agent: from the kernel half's stamp to the callback.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use revenant::agent::Agent;
use revenant::backend::Backend;
use revenant::backend::kernel::Kernel;
use revenant::cpu::CpuSet;
use revenant::enclave::Enclave;
use revenant::hint::Hints;
use revenant::message::{Message, MessageKind};
use revenant::policy::{Fifo, Policy};
use revenant::status::Status;
use revenant::task::{Seq, Task, TaskId};
use revenant::topology::Topology;
use revenant::transaction::{Batch, Transaction};
use revenant_bpf::abi;

use super::member::{Member, confine, spin_until};
use super::stage::{Engine, Stage};
use super::{OpcostError, Plan, warm};
use crate::clock::monotonic_ns;
use crate::cost::Row;
use crate::discipline::Discipline;

/// What an agent of this size has, too.
const CHANNEL_MESSAGES: usize = 4096;

/// The backend, noting the stamp of the message it hands over.
struct Stamped {
    kernel: Kernel,
    stamp_ns: Rc<Cell<u64>>,
}

/// First in, first out, noting how old the news of a wake-up is.
struct Recording {
    fifo: Fifo,
    stamp_ns: Rc<Cell<u64>>,
    ages_ns: Vec<u64>,
    heard: Arc<AtomicUsize>,
}

/// Wake-ups of one sleeping thread, told by a thread of the fair class on the same CPU, which then
/// waits: so the agent finds the thread waiting for a CPU that is busy.
pub(super) fn rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    confine(&plan.work_set())?;
    let stage = Stage::new(engine, &plan.work_set())?;
    let member = Member::start(&stage, plan.work_set())?;
    let (ends, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let rounds = plan.rounds();
    let ages_ns = std::thread::scope(|scope| {
        let agent = scope.spawn(|| serve(&stage, *plan, &ends, &heard));
        let woken = wake_repeatedly(&stage, &member, rounds, &heard);
        ends.store(true, Ordering::Relaxed);
        let ages_ns = agent.join().expect("the agent does not panic");
        woken.and(ages_ns)
    })?;
    member.let_go();
    let about = "a wake-up, until a spinning agent's policy hears it";
    Ok(vec![Row::of("message-global", about, warm(ages_ns))])
}

fn wake_repeatedly(
    stage: &Stage,
    member: &Member,
    rounds: usize,
    heard: &AtomicUsize,
) -> Result<(), OpcostError> {
    let record = &stage.scheduler.enclaves()[stage.enclave as usize];
    spin_until("an agent", || record.state.load(Ordering::Acquire) == abi::ENCLAVE_ATTACHED)?;
    for round in 0..rounds {
        // Leaves the CPU to the thread, which falls asleep again.
        spin_until("a thread's sleep", || {
            pause(Duration::from_millis(1));
            member.is_asleep(stage)
        })?;
        member.wake();
        spin_until("the news of a wake-up", || heard.load(Ordering::Relaxed) > round)?;
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "another thread needs this one's CPU for a while")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// An agent as it serves any enclave, but for hand-offs.
fn serve(
    stage: &Stage,
    plan: Plan,
    ends: &AtomicBool,
    heard: &Arc<AtomicUsize>,
) -> Result<Vec<u64>, OpcostError> {
    confine(&[plan.agent].into_iter().collect::<CpuSet>())?;
    Discipline::RoundRobin
        .adopt()
        .map_err(|source| OpcostError::System { action: "be a real-time thread", source })?;
    let scheduler = Arc::clone(&stage.scheduler);
    let kernel = Kernel::open(scheduler, stage.enclave, abi::CHANNEL_DEFAULT, CHANNEL_MESSAGES)?;
    let stamp_ns = Rc::new(Cell::new(0));
    let policy = Recording {
        fifo: Fifo::default(),
        stamp_ns: Rc::clone(&stamp_ns),
        ages_ns: Vec::with_capacity(2 * plan.rounds()),
        heard: Arc::clone(heard),
    };
    let mut agent = Agent::new(policy, Enclave::new(kernel.topology().clone(), abi::TASKS_MAX));
    let mut backend = Stamped { kernel, stamp_ns };
    stage.scheduler.attach_agent(stage.enclave, Some(u32::from(plan.agent.0)))?;
    backend.kernel.begin();
    agent.rescan(monotonic_ns(), &mut backend);
    let record = &stage.scheduler.enclaves()[stage.enclave as usize];
    while !ends.load(Ordering::Relaxed) {
        let now_ns = monotonic_ns();
        record.heartbeat_ns.store(now_ns, Ordering::Relaxed);
        let turn = agent.turn(now_ns, &mut backend);
        if turn.messages == 0 && turn.committed == 0 {
            std::hint::spin_loop();
        }
    }
    stage.scheduler.detach_agent(stage.enclave, Some(u32::from(plan.agent.0)))?;
    Ok(agent.policy().ages_ns.clone())
}

impl Backend for Stamped {
    fn topology(&self) -> &Topology {
        self.kernel.topology()
    }

    fn agent_seq(&self) -> Seq {
        self.kernel.agent_seq()
    }

    fn next_message(&mut self) -> Option<Message> {
        let message = self.kernel.next_message()?;
        self.stamp_ns.set(message.time_ns);
        Some(message)
    }

    fn take_overflow(&mut self) -> bool {
        self.kernel.take_overflow()
    }

    fn hints(&self, task: TaskId) -> Hints {
        self.kernel.hints(task)
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.kernel.rescan(visit);
    }

    fn commit(&mut self, now_ns: u64, seq_read: Seq, batch: &mut Batch) {
        self.kernel.commit(now_ns, seq_read, batch);
    }
}

impl Policy for Recording {
    fn name(&self) -> &'static str {
        self.fifo.name()
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.fifo.attach(enclave);
    }

    fn task_new(&mut self, now_ns: u64, task: &Task) {
        self.fifo.task_new(now_ns, task);
    }

    fn task_wakeup(&mut self, now_ns: u64, task: &Task) {
        let age_ns = monotonic_ns().saturating_sub(self.stamp_ns.get());
        if self.ages_ns.len() < self.ages_ns.capacity() {
            self.ages_ns.push(age_ns);
        }
        self.heard.fetch_add(1, Ordering::Relaxed);
        self.fifo.task_wakeup(now_ns, task);
    }

    fn other(&mut self, now_ns: u64, message: &Message, enclave: &Enclave) {
        debug_assert!(message.kind != MessageKind::TaskWakeup, "it has its own callback");
        self.fifo.other(now_ns, message, enclave);
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.fifo.schedule(now_ns, enclave, batch)
    }

    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction) {
        self.fifo.commit_failed(now_ns, task, transaction);
    }
}
