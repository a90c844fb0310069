//! A local agent: it sleeps on the CPU it schedules, is woken by a message, and gives the CPU up to
//! the thread it committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use revenant::backend::Backend as _;
use revenant::backend::kernel::Kernel;
use revenant::message::MessageKind;
use revenant::task::{Seq, TaskId};
use revenant::transaction::{Batch, Outcome, Transaction};
use revenant_bpf::abi::Route;

use super::member::{Member, confine, spin_until};
use super::stage::{Engine, Stage};
use super::{OpcostError, Plan, warm};
use crate::clock::monotonic_ns;
use crate::cost::Row;
use crate::discipline::Discipline;

const CHANNEL_MESSAGES: usize = 256;

/// How long the agent sleeps at most, to see that it should end.
const NAP_MS: i32 = 20;

/// What the agent and the thread that wakes its member tell each other.
#[derive(Default)]
struct Signals {
    /// The agent reads its channel.
    serves: AtomicBool,
    /// How often the member fell asleep.
    asleep: AtomicUsize,
    /// The agent is to end.
    ends: AtomicBool,
}

/// What the agent measured.
#[derive(Default)]
struct Measured {
    delivered_ns: Vec<u64>,
    scheduled_ns: Vec<u64>,
}

/// The agent's side of the stage.
struct LocalAgent {
    kernel: Kernel,
    batch: Batch,
    /// When the commit under way began.
    began_ns: Option<u64>,
    waiting: Option<(TaskId, Seq)>,
    measured: Measured,
}

/// Wake-ups of one sleeping thread, told by a thread on another CPU.
pub(super) fn rows(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    confine(&[plan.agent].into_iter().collect())?;
    let stage = Stage::new(engine, &plan.work_set())?;
    let member = Member::start(&stage, plan.work_set())?;
    let signals = Signals::default();
    let measured = std::thread::scope(|scope| {
        let agent = scope.spawn(|| serve(&stage, plan, &signals));
        let woken = wake_repeatedly(&member, plan.rounds(), &signals);
        signals.ends.store(true, Ordering::Relaxed);
        let measured = agent.join().expect("the agent does not panic");
        woken.and(measured)
    })?;
    member.let_go();
    let Measured { delivered_ns, scheduled_ns } = measured;
    Ok(vec![
        Row::of(
            "message-local",
            "a wake-up, until a sleeping agent has read it",
            warm(delivered_ns),
        ),
        Row::of(
            "local-schedule",
            "from the agent's commit, through its sleep, to the thread's first moment",
            warm(scheduled_ns),
        ),
    ])
}

fn wake_repeatedly(member: &Member, rounds: usize, signals: &Signals) -> Result<(), OpcostError> {
    // Before that, messages go to nobody.
    spin_until("an agent", || signals.serves.load(Ordering::Relaxed))?;
    (1..=rounds).try_for_each(|round| {
        member.wake();
        spin_until("a thread's next sleep", || signals.asleep.load(Ordering::Relaxed) >= round)
    })
}

fn serve(stage: &Stage, plan: &Plan, signals: &Signals) -> Result<Measured, OpcostError> {
    confine(&plan.work_set())?;
    Discipline::RoundRobin
        .adopt()
        .map_err(|source| OpcostError::System { action: "be a real-time thread", source })?;
    let (cpu, channel) = (plan.work, u32::from(plan.work.0) + 1);
    let scheduler = Arc::clone(&stage.scheduler);
    let mut kernel =
        Kernel::open(scheduler, stage.enclave, channel, CHANNEL_MESSAGES)?.local_to(cpu);
    route_all(stage, channel)?;
    stage.scheduler.attach_agent(stage.enclave, Some(u32::from(cpu.0)))?;
    kernel.begin();
    stage.scheduler.channel(stage.enclave, channel).wakes.store(1, Ordering::Relaxed);
    let mut agent = LocalAgent {
        kernel,
        batch: Batch::with_capacity(1),
        began_ns: None,
        waiting: None,
        measured: Measured::default(),
    };
    signals.serves.store(true, Ordering::Relaxed);
    while !signals.ends.load(Ordering::Relaxed) {
        // What failed is tried again, after a look at the news.
        if agent.waiting.is_none() {
            agent.sleep();
        }
        agent.read(&signals.asleep);
        agent.commit();
    }
    stage.scheduler.channel(stage.enclave, channel).wakes.store(0, Ordering::Relaxed);
    stage.scheduler.detach_agent(stage.enclave, Some(u32::from(cpu.0)))?;
    Ok(agent.measured)
}

/// Sends every member's messages to `channel`, once it has no unread ones.
fn route_all(stage: &Stage, channel: u32) -> Result<(), OpcostError> {
    for word in stage.scheduler.status_words().iter() {
        let Some(words) = word.read() else { continue };
        let is_ours = word.enclave.load(Ordering::Relaxed) == stage.enclave;
        if !is_ours || (words.seq_state_cpu >> 32) & 0xff == 0 {
            continue;
        }
        let mut routed = Ok(());
        spin_until("a quiet thread", || {
            let seq = word.read().map_or(0, |words| words.seq_state_cpu as u32);
            let enclave = stage.enclave;
            let mut route = Route { task: words.task, enclave, seq, channel, ..Route::default() };
            routed = stage.scheduler.route(&mut route);
            !matches!(&routed, Err(error) if error.errno() == libc::ESTALE)
        })?;
        routed?;
    }
    Ok(())
}

impl LocalAgent {
    /// Gives up the CPU until there is a message.
    fn sleep(&self) {
        let mut poll =
            libc::pollfd { fd: self.kernel.ring().raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which lives through the call. A signal ends it early, at no harm.
        let _interrupted = unsafe { libc::poll(&raw mut poll, 1, NAP_MS) };
    }

    fn read(&mut self, asleep: &AtomicUsize) {
        while let Some(message) = self.kernel.next_message() {
            match message.kind {
                MessageKind::TaskWakeup => {
                    let now_ns = monotonic_ns();
                    self.measured.delivered_ns.push(now_ns.saturating_sub(message.time_ns));
                    self.waiting = Some((message.task, message.seq));
                }
                MessageKind::TaskOnCpu => {
                    if let Some(began_ns) = self.began_ns.take() {
                        let took_ns = message.time_ns.saturating_sub(began_ns);
                        self.measured.scheduled_ns.push(took_ns);
                    }
                }
                MessageKind::TaskBlocked => {
                    asleep.fetch_add(1, Ordering::Relaxed);
                }
                kind if kind.is_about_task() && kind != MessageKind::TaskDead => {
                    self.waiting = Some((message.task, message.seq));
                }
                _ => {}
            }
        }
    }

    fn commit(&mut self) {
        let Some((task, seq)) = self.waiting.take() else { return };
        let cpu = self.kernel.topology().cpus().first().expect("a local agent has its CPU");
        self.batch.clear();
        self.batch.push(Transaction::new(task, seq, cpu));
        let seq_read = self.kernel.agent_seq();
        let began_ns = monotonic_ns();
        self.kernel.commit(began_ns, seq_read, &mut self.batch);
        match self.batch.transactions()[0].outcome {
            Some(Outcome::Committed) => self.began_ns = Some(began_ns),
            // Unless there is news of it, which is read next.
            _ => self.waiting = Some((task, seq)),
        }
    }
}
