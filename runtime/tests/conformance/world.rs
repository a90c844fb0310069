//! What a backend must offer to be held to its contract.

use revenant::backend::Backend;
use revenant::cpu::CpuId;
use revenant::message::{Message, MessageKind};
use revenant::status::Status;
use revenant::task::{Seq, TaskId, TaskState};
use revenant::transaction::{Batch, Outcome, Transaction};

/// What a task does, step by step, while it has a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Runs until told.
    Spin,
    /// Blocks until told.
    Block,
    /// Gives up its CPU once.
    Yield,
}

/// A task that finishes once it has been told.
pub(crate) const SPIN: &[Step] = &[Step::Spin];

/// A channel no body fills unless it means to.
pub(crate) const ROOMY: usize = 64;

/// A backend with tasks that do as they are told, and nothing else going on.
pub(crate) trait World: Sized {
    /// The backend.
    type Backend: Backend;

    /// An enclave of `cpus` CPUs whose channel holds `channel_capacity` messages, a power of two.
    fn new(cpus: usize, channel_capacity: usize) -> Self;

    /// Holds the backend to a body. A backend that cannot keep the rest of the machine quiet runs it
    /// again if it failed in a world that was disturbed.
    fn hold_to(body: fn()) {
        body();
    }

    /// The backend.
    fn backend(&mut self) -> &mut Self::Backend;

    /// Its clock.
    fn now_ns(&self) -> u64;

    /// A task enters; it finishes after the last step.
    fn spawn(&mut self, script: &'static [Step]) -> TaskId;

    /// Ends the task's present spin or block. Has no effect on a task that is gone, and may have none on
    /// one that has not begun to spin or block.
    fn tell(&mut self, task: TaskId);

    /// Lets time pass until nothing more happens by itself: what was committed runs, what was told
    /// has gone on.
    fn settle(&mut self);

    /// The task's status word, unless the task is gone.
    fn status(&mut self, task: TaskId) -> Option<Status>;

    /// The next message about a task. What is said of CPUs is the rest of the machine's doing: the
    /// kernel's own threads take one whenever they like.
    fn next_message(&mut self) -> Option<Message> {
        std::iter::from_fn(|| self.backend().next_message()).find(|m| m.kind.is_about_task())
    }

    /// Every message about a task that can be read.
    fn messages(&mut self) -> Vec<Message> {
        self.settle();
        std::iter::from_fn(|| self.next_message()).collect()
    }

    /// The CPUs.
    fn cpus(&mut self) -> Vec<CpuId> {
        self.backend().topology().cpus().iter().collect()
    }

    /// An open transaction that names the task's present sequence number.
    fn open(&mut self, task: TaskId, cpu: CpuId) -> Transaction {
        let seq = self.status(task).map_or(Seq(0), |status| status.seq);
        Transaction::new(task, seq, cpu)
    }

    /// Commits one transaction, and lets it take effect.
    fn commit(&mut self, transaction: Transaction) -> Outcome {
        let mut batch = Batch::with_capacity(1);
        batch.push(transaction);
        self.commit_batch(&mut batch)[0]
    }

    /// Commits a batch, and lets it take effect.
    fn commit_batch(&mut self, batch: &mut Batch) -> Vec<Outcome> {
        let now_ns = self.now_ns();
        let seq = self.backend().agent_seq();
        self.backend().commit(now_ns, seq, batch);
        self.settle();
        let outcomes = batch.transactions().iter().map(|transaction| transaction.outcome);
        outcomes.map(|outcome| outcome.expect("a commit fills in every outcome")).collect()
    }

    /// Gives a task a CPU, unless it woke on one that nobody had taken meanwhile.
    fn give_cpu(&mut self, task: TaskId, cpu: CpuId) {
        if self.status(task).is_some_and(|status| status.state != TaskState::OnCpu) {
            let transaction = self.open(task, cpu);
            assert_eq!(self.commit(transaction), Outcome::Committed);
        }
    }

    /// Runs a new task on `cpu`; it stays there until told.
    fn spawn_on(&mut self, cpu: CpuId) -> TaskId {
        let task = self.spawn(SPIN);
        self.settle();
        let transaction = self.open(task, cpu);
        assert_eq!(self.commit(transaction), Outcome::Committed);
        task
    }
}

/// What was said about `task`, in order.
pub(crate) fn kinds_of(messages: &[Message], task: TaskId) -> Vec<MessageKind> {
    messages.iter().filter(|message| message.task == task).map(|message| message.kind).collect()
}

/// Whether a task on a thread will stay as it is until somebody does something: it has begun so many
/// steps of `script`, and those below `told` were told to end.
pub(crate) fn is_at_rest(
    status: Option<Status>,
    script: &[Step],
    (begun, told): (usize, usize),
) -> bool {
    let Some(status) = status else { return true };
    let waits_in = |step: Step| {
        let present = begun.checked_sub(1).and_then(|index| script.get(index));
        present == Some(&step) && told < begun
    };
    match status.state {
        TaskState::Queued | TaskState::Dead => true,
        TaskState::OnCpu => waits_in(Step::Spin),
        TaskState::Blocked => waits_in(Step::Block),
        TaskState::Latched => false,
    }
}
