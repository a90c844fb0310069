//! A stage: an enclave whose agent is the test itself, on a CPU the enclave does not have, and
//! threads that do as they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use revenant::backend::Backend;
use revenant::backend::kernel::{Kernel, enclaves, members};
use revenant::cpu::{CpuId, CpuSet};
use revenant::message::{Message, MessageKind};
use revenant::status::Status;
use revenant::task::{TaskId, TaskState};
use revenant::transaction::{Batch, Outcome, Transaction};
use revenant_bpf::{Scheduler, abi};

use crate::guest::{self, wait_for};

/// A channel no test fills unless it means to.
pub(crate) const ROOMY: usize = 4096;

type Order = Box<dyn FnOnce() + Send>;

/// A thread that sleeps until it is told what to do, and does it.
#[derive(Debug)]
pub(crate) struct Performer {
    pub(crate) tid: u32,
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Performer {
    /// Starts one in the fair class; it sleeps.
    pub(crate) fn start() -> Self {
        let (orders, received) = channel::<Order>();
        let (tell_tid, told_tid) = channel();
        let thread = std::thread::spawn(move || {
            tell_tid.send(guest::own_tid()).expect("the starter waits for it");
            perform(&received);
        });
        let tid = told_tid.recv().expect("it says who it is");
        wait_for("it sleeps", || guest::sleeps(tid).then_some(()));
        guest::let_use_any_cpu(tid);
        Self { tid, orders, thread }
    }

    /// Tells the thread what to do next.
    pub(crate) fn order(&self, order: impl FnOnce() + Send + 'static) {
        // A thread that is gone has nothing left to do.
        let _ = self.orders.send(Box::new(order));
    }

    /// Puts the thread into SCHED_FIFO.
    pub(crate) fn become_realtime(&self) {
        let parameter = libc::sched_param { sched_priority: 1 };
        // SAFETY: `parameter` lives through the call.
        let result = unsafe {
            libc::sched_setscheduler(self.tid as i32, libc::SCHED_FIFO, &raw const parameter)
        };
        assert_eq!(result, 0, "tests are root");
    }

    /// Tells the thread to finish, and waits for it.
    pub(crate) fn dismiss(self) -> std::thread::Result<()> {
        drop(self.orders);
        self.thread.join()
    }

    /// Tells the thread to finish.
    pub(crate) fn let_go(self) -> JoinHandle<()> {
        drop(self.orders);
        self.thread
    }
}

fn perform(orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        order();
    }
}

/// Keeps a thread's CPU busy until this is dropped, or told to end.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
}

impl Spin {
    /// What the thread does.
    pub(crate) fn order(&self) -> impl FnOnce() + Send + 'static {
        let (is_over, rounds) = (Arc::clone(&self.is_over), Arc::clone(&self.rounds));
        move || {
            while !is_over.load(Ordering::SeqCst) {
                rounds.fetch_add(1, Ordering::Relaxed);
                // Also ends a virtual CPU's turn under emulation.
                std::hint::spin_loop();
            }
        }
    }

    /// How far it came.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Waits until it goes on.
    pub(crate) fn wait_for_progress(&self) {
        let before = self.rounds();
        wait_for("a thread makes progress", || (self.rounds() > before).then_some(()));
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says that something is over when it is dropped, also by a panic.
pub(crate) struct Over(pub(crate) Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A thread of a higher class that has a CPU until it is told to end.
#[derive(Debug)]
pub(crate) struct Hog {
    performer: Performer,
    spin: Spin,
}

impl Hog {
    /// Starts one of class SCHED_FIFO on `cpu`, and waits until it has it.
    pub(crate) fn above_everything(cpu: usize) -> Self {
        let (performer, spin) = (Performer::start(), Spin::default());
        guest::bind(performer.tid, [cpu]).expect("the CPU is online");
        performer.become_realtime();
        performer.order(spin.order());
        spin.wait_for_progress();
        Self { performer, spin }
    }

    pub(crate) fn end(self) {
        self.spin.end();
        self.performer.dismiss().expect("it only spun");
    }
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) kernel: Kernel,
    performers: Vec<(TaskId, Performer)>,
    /// Ended with the stage, in whatever order a test forgets them.
    spins: Vec<Arc<AtomicBool>>,
    /// Every message that was read.
    pub(crate) said: Vec<Message>,
    heard: usize,
    cpus: CpuSet,
    busy_before: u64,
    /// The scheduler may have ended when the stage does.
    pub(crate) may_end: bool,
}

/// No two stages of this process share a name.
static STAGES: AtomicU64 = AtomicU64::new(0);

/// The specification of a test's enclave: the test takes its time between turns, and is no agent
/// that could hang; nor does it serve tasks that it only looks at.
pub(crate) fn patient(cpus: impl IntoIterator<Item = u16>) -> enclaves::Spec {
    enclaves::Spec {
        name: format!("stage-{}", STAGES.fetch_add(1, Ordering::Relaxed)),
        cpus: cpus.into_iter().map(CpuId).collect(),
        silence_limit: Duration::ZERO,
        orphan_limit: Duration::ZERO,
        // Shorter than the kernel's 30 s, after which all tests would find no scheduler.
        watchdog: Duration::from_secs(25),
        flags: 0,
    }
}

impl Stage {
    /// An enclave of `cpus` CPUs, from 1.
    pub(crate) fn new(cpus: u16) -> Self {
        Self::of(&patient(1..=cpus))
    }

    /// An enclave made to `spec`.
    pub(crate) fn of(spec: &enclaves::Spec) -> Self {
        Self::with_room(spec, ROOMY)
    }

    /// With a channel that holds `capacity` messages.
    pub(crate) fn with_room(spec: &enclaves::Spec, capacity: usize) -> Self {
        let mut stage = Self::unattended(spec, capacity);
        stage.scheduler().attach_agent(stage.enclave(), None).expect("it has no agent");
        stage.kernel.begin();
        stage
    }

    /// An enclave without an agent.
    pub(crate) fn unattended(spec: &enclaves::Spec, capacity: usize) -> Self {
        guest::stay_on_the_first_cpu();
        let scheduler = guest::scheduler();
        let enclave = enclaves::create(&scheduler, spec).expect("its CPUs are free");
        let busy_before = guest::busy_before(&scheduler, &spec.cpus);
        let mut kernel = Kernel::open(scheduler, enclave, 0, capacity).expect("a ring");
        kernel.begin();
        let cpus = spec.cpus;
        let (performers, spins, said) = (Vec::new(), Vec::new(), Vec::new());
        Self { kernel, performers, spins, said, heard: 0, cpus, busy_before, may_end: false }
    }

    pub(crate) fn scheduler(&self) -> Arc<Scheduler> {
        Arc::clone(self.kernel.scheduler())
    }

    pub(crate) fn enclave(&self) -> u32 {
        self.kernel.enclave()
    }

    pub(crate) fn record(&self) -> &abi::Enclave {
        &self.kernel.scheduler().enclaves()[self.enclave() as usize]
    }

    /// A thread joins, asleep.
    pub(crate) fn member(&mut self) -> TaskId {
        self.joined(Performer::start())
    }

    /// A thread joins, as it is.
    pub(crate) fn joined(&mut self, performer: Performer) -> TaskId {
        let task = members::join(self.kernel.scheduler(), self.enclave(), performer.tid)
            .expect("it is in no enclave");
        self.performers.push((task, performer));
        task
    }

    pub(crate) fn performer(&self, task: TaskId) -> &Performer {
        let found = self.performers.iter().find(|(id, _)| *id == task);
        &found.expect("it is on this stage").1
    }

    /// Takes a performer off the stage; its thread is the caller's.
    pub(crate) fn take(&mut self, task: TaskId) -> Performer {
        let place = self.performers.iter().position(|(id, _)| *id == task);
        self.performers.swap_remove(place.expect("it is on this stage")).1
    }

    pub(crate) fn tid(&self, task: TaskId) -> u32 {
        self.performer(task).tid
    }

    /// Tells a member what to do next.
    pub(crate) fn order(&self, task: TaskId, order: impl FnOnce() + Send + 'static) {
        self.performer(task).order(order);
    }

    /// A member that wants to spin, queued.
    pub(crate) fn spinner(&mut self) -> (TaskId, Spin) {
        let task = self.member();
        let spin = Spin::default();
        self.spins.push(Arc::clone(&spin.is_over));
        self.order(task, spin.order());
        self.await_state(task, TaskState::Queued);
        (task, spin)
    }

    /// A member that spins, where somebody else lets it.
    pub(crate) fn running_somewhere(&mut self) -> Spin {
        let (task, spin) = (self.member(), Spin::default());
        self.spins.push(Arc::clone(&spin.is_over));
        self.order(task, spin.order());
        spin
    }

    /// A member that spins on `cpu`.
    pub(crate) fn spinner_on(&mut self, cpu: u16) -> (TaskId, Spin) {
        let (task, spin) = self.spinner();
        self.run_on(task, cpu);
        (task, spin)
    }

    /// Gives a task a CPU, which it may have left again when this returns.
    pub(crate) fn run_on_or_past(&mut self, task: TaskId, cpu: u16) {
        let transaction = self.open(task, cpu);
        assert_eq!(self.commit(transaction), Outcome::Committed);
    }

    /// Keeps a thread until the stage ends.
    pub(crate) fn adopt(&mut self, performer: Performer) {
        self.performers.push((TaskId::from_bits(u64::MAX), performer));
    }

    pub(crate) fn status(&self, task: TaskId) -> Option<Status> {
        self.kernel.status(task)
    }

    /// Waits for something that happens by itself, unless this stage is disturbed.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < self.patience(), "this never happens: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What lost its CPU to a higher class waits for a commit that its test does not know of.
    fn patience(&self) -> Duration {
        let is_disturbed =
            guest::busy_times(self.kernel.scheduler(), &self.cpus) > self.busy_before;
        if is_disturbed { Duration::from_secs(5) } else { guest::FOR_EVER }
    }

    pub(crate) fn await_state(&self, task: TaskId, state: TaskState) {
        self.wait(&format!("{task} becomes {state:?}"), || {
            let status = self.status(task);
            let present = status.map_or(TaskState::Dead, |status| status.state);
            (present == state).then_some(())
        });
    }

    /// Waits until nothing that was committed is under way.
    pub(crate) fn settle(&self) {
        let is_latched = |cpu: CpuId| {
            self.kernel.scheduler().cpus()[cpu.index()].latched.load(Ordering::SeqCst) != 0
        };
        self.wait("what was committed runs", || (!self.cpus.iter().any(is_latched)).then_some(()));
    }

    /// A transaction that names the task's present sequence number.
    pub(crate) fn open(&self, task: TaskId, cpu: u16) -> Transaction {
        let seq = self.status(task).map_or_else(Default::default, |status| status.seq);
        Transaction::new(task, seq, CpuId(cpu))
    }

    /// Commits one transaction.
    pub(crate) fn commit(&mut self, transaction: Transaction) -> Outcome {
        self.commit_all(&[transaction])[0]
    }

    /// Commits transactions, each for itself.
    pub(crate) fn commit_all(&mut self, transactions: &[Transaction]) -> Vec<Outcome> {
        let mut batch = Batch::with_capacity(transactions.len());
        transactions.iter().for_each(|transaction| assert!(batch.push(*transaction)));
        self.commit_batch(&mut batch)
    }

    pub(crate) fn commit_batch(&mut self, batch: &mut Batch) -> Vec<Outcome> {
        let seq = self.kernel.agent_seq();
        self.kernel.commit(guest::now_ns(), seq, batch);
        let outcomes = batch.transactions().iter().map(|transaction| transaction.outcome);
        outcomes.map(|outcome| outcome.expect("a commit fills in every outcome")).collect()
    }

    /// Gives a task a CPU, and waits until it has it.
    pub(crate) fn run_on(&mut self, task: TaskId, cpu: u16) {
        let transaction = self.open(task, cpu);
        assert_eq!(self.commit(transaction), Outcome::Committed);
        self.await_state(task, TaskState::OnCpu);
    }

    /// Reads what there is to read.
    pub(crate) fn drain(&mut self) {
        while let Some(message) = self.kernel.next_message() {
            self.said.push(message);
        }
    }

    /// The next message of this kind that was not heard yet.
    pub(crate) fn hear(&mut self, kind: MessageKind) -> Message {
        self.hear_what(&format!("{kind:?}"), |message| message.kind == kind)
    }

    /// The next message of this kind about `task`.
    pub(crate) fn hear_of(&mut self, task: TaskId, kind: MessageKind) -> Message {
        let is_it = |message: &Message| message.kind == kind && message.task == task;
        self.hear_what(&format!("{kind:?} of {task}"), is_it)
    }

    /// The next message that is meant; those before it count as heard.
    pub(crate) fn hear_what(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        let began = Instant::now();
        loop {
            self.drain();
            if let Some(place) = self.said[self.heard..].iter().position(&is_it) {
                self.heard += place + 1;
                return self.said[self.heard - 1];
            }
            let unheard = &self.said[self.heard..];
            assert!(began.elapsed() < self.patience(), "no {what} in\n{}", transcript(unheard));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was said of `task` so far, in order.
    pub(crate) fn kinds_of(&mut self, task: TaskId) -> Vec<MessageKind> {
        self.drain();
        self.said.iter().filter(|message| message.task == task).map(|m| m.kind).collect()
    }

    /// How often a kind of message came so far.
    pub(crate) fn count(&mut self, kind: MessageKind) -> usize {
        self.drain();
        self.said.iter().filter(|message| message.kind == kind).count()
    }
}

/// The last messages, as a person reads them.
fn transcript(messages: &[Message]) -> String {
    let messages = &messages[messages.len().saturating_sub(40)..];
    let line = |m: &Message| {
        let (seq, task, cpu) = (m.seq.0, m.task, m.cpu.0);
        format!("{} {:?} {task} #{seq} cpu {cpu} {}", m.time_ns, m.kind, m.runtime_ns)
    };
    messages.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Drop for Stage {
    fn drop(&mut self) {
        let scheduler = self.scheduler();
        guest::note_disturbances(&scheduler, &self.cpus, self.busy_before);
        if std::thread::panicking() {
            self.drain();
            println!("the messages of this enclave:\n{}", transcript(&self.said));
        }
        // Every thread finishes, in the fair class.
        self.spins.iter().for_each(|is_over| is_over.store(true, Ordering::SeqCst));
        let destroyed = enclaves::destroy(&scheduler, self.enclave());
        for (_, performer) in self.performers.drain(..) {
            let ended = performer.dismiss();
            assert!(ended.is_ok() || std::thread::panicking());
        }
        assert!(destroyed.is_ok() || std::thread::panicking(), "{destroyed:?}");
        let exit = scheduler.exit().filter(|_| !self.may_end);
        assert!(exit.is_none() || std::thread::panicking(), "the scheduler ended: {exit:?}");
    }
}
