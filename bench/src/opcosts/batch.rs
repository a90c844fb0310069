//! Remote commits: an agent on one CPU gives other CPUs their threads.

use std::sync::Arc;

use revenant::backend::Backend as _;
use revenant::backend::kernel::Kernel;
use revenant::cpu::{CpuId, CpuSet};
use revenant::message::{Message, MessageKind};
use revenant::transaction::{Batch, Outcome, Transaction};
use revenant_bpf::abi;

use super::member::{Member, await_message, confine, settle, spin_until};
use super::stage::{Engine, Stage};
use super::{OpcostError, Plan};
use crate::clock::monotonic_ns;
use crate::cost::Row;

/// Transactions of the batch, as in the paper.
const TEN: usize = 10;

/// Messages of a round are five a member.
const CHANNEL_MESSAGES: usize = 256;

/// This thread as the agent of an enclave whose every CPU has a member, asleep.
struct Troupe {
    kernel: Kernel,
    pairs: Vec<(Member, CpuId)>,
    batch: Batch,
    stage: Stage,
}

/// What a commit took.
struct Taken {
    agent_ns: u64,
    /// Until the first member ran.
    end_to_end_ns: u64,
    is_whole: bool,
}

/// One transaction.
pub(super) fn single(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let taken = commits(engine, plan, &plan.work_set())?;
    let agent = taken.iter().map(|taken| taken.agent_ns).collect();
    // Nothing, where the two sides overlap: on CPUs that really run at once.
    let after = |taken: &Taken| taken.end_to_end_ns.saturating_sub(taken.agent_ns);
    let target = taken.iter().map(after).collect();
    let end_to_end = taken.iter().map(|taken| taken.end_to_end_ns).collect();
    Ok(vec![
        Row::of("remote-commit", "agent side of one committed transaction", agent),
        Row::of("remote-target", "from the call's end to the thread's first moment", target),
        Row::of("remote-schedule", "from the call to the thread's first moment", end_to_end),
    ])
}

/// Ten transactions for ten CPUs, where there are so many beside the agent's.
pub(super) fn ten(engine: &Engine, plan: &Plan) -> Result<Vec<Row>, OpcostError> {
    let others = plan.allowed.iter().filter(|cpu| *cpu != plan.agent);
    let cpus: CpuSet = others.take(TEN).collect();
    if cpus.len() < TEN {
        return Ok(Vec::new());
    }
    let taken = commits(engine, plan, &cpus)?;
    let agent = taken.iter().map(|taken| taken.agent_ns).collect();
    let whole = Row::of("remote-commit-10", "agent side of ten transactions in one call", agent);
    let mut each = whole.clone().per(TEN as u32, "remote-commit-10-each");
    "the same for each of the ten".clone_into(&mut each.about);
    Ok(vec![whole, each])
}

fn commits(engine: &Engine, plan: &Plan, cpus: &CpuSet) -> Result<Vec<Taken>, OpcostError> {
    confine(&[plan.agent].into_iter().collect())?;
    let mut troupe = Troupe::gather(engine, cpus)?;
    let mut taken = Vec::with_capacity(plan.rounds());
    while taken.len() < plan.rounds() {
        let round = troupe.play()?;
        // One that was preempted on the way is another operation.
        if round.is_whole {
            taken.push(round);
        }
    }
    troupe.disband()?;
    Ok(taken.split_off(super::WARM_UP))
}

impl Troupe {
    fn gather(engine: &Engine, cpus: &CpuSet) -> Result<Self, OpcostError> {
        let stage = Stage::new(engine, cpus)?;
        let member = |cpu| Ok((Member::start(&stage, [cpu].into_iter().collect())?, cpu));
        let pairs = cpus.iter().map(member).collect::<Result<Vec<_>, OpcostError>>()?;
        let scheduler = Arc::clone(&stage.scheduler);
        let mut kernel =
            Kernel::open(scheduler, stage.enclave, abi::CHANNEL_DEFAULT, CHANNEL_MESSAGES)?;
        // Without an agent the kernel half serves them: they fall asleep.
        for (member, _) in &pairs {
            spin_until("a thread's sleep", || member.is_asleep(&stage))?;
        }
        stage.scheduler.attach_agent(stage.enclave, None)?;
        kernel.begin();
        let batch = Batch::with_capacity(pairs.len());
        Ok(Self { kernel, pairs, batch, stage })
    }

    /// Wakes everybody, commits everybody, and waits until all sleep again.
    fn play(&mut self) -> Result<Taken, OpcostError> {
        self.batch.clear();
        for (member, cpu) in &self.pairs {
            member.wake();
            let woken = await_message(&mut self.kernel, member.task, MessageKind::TaskWakeup)?;
            self.batch.push(Transaction::new(member.task, woken.seq, *cpu));
        }
        settle();
        let seq_read = self.kernel.agent_seq();
        let began_ns = monotonic_ns();
        self.kernel.commit(began_ns, seq_read, &mut self.batch);
        let agent_ns = monotonic_ns() - began_ns;
        let is_committed = |t: &Transaction| t.outcome == Some(Outcome::Committed);
        let is_whole = self.batch.transactions().iter().all(is_committed);
        let first_ns = self.await_sleep()?;
        Ok(Taken { agent_ns, end_to_end_ns: first_ns.saturating_sub(began_ns), is_whole })
    }

    /// Reads messages until every member sleeps; what a higher class was in the way of is committed
    /// again. When the first began to run.
    fn await_sleep(&mut self) -> Result<u64, OpcostError> {
        let (mut first_ns, mut asleep) = (u64::MAX, 0);
        let all = self.pairs.len();
        spin_until("everybody's sleep", || {
            self.keep_failed();
            while let Some(message) = self.kernel.next_message() {
                match message.kind {
                    MessageKind::TaskOnCpu => first_ns = first_ns.min(message.time_ns),
                    MessageKind::TaskBlocked => asleep += 1,
                    MessageKind::TaskPreempted | MessageKind::TaskLatchFailed => {
                        self.give_again(&message);
                    }
                    _ => {}
                }
            }
            if !self.batch.is_empty() {
                let seq_read = self.kernel.agent_seq();
                self.kernel.commit(monotonic_ns(), seq_read, &mut self.batch);
            }
            asleep == all
        })?;
        Ok(first_ns)
    }

    /// Makes the next batch of the transactions that failed.
    fn keep_failed(&mut self) {
        let mut failed = Batch::with_capacity(self.pairs.len());
        for t in self.batch.transactions() {
            if t.outcome != Some(Outcome::Committed) {
                failed.push(Transaction::new(t.task, t.seq, t.cpu));
            }
        }
        self.batch = failed;
    }

    /// A member lost its CPU.
    fn give_again(&mut self, message: &Message) {
        let mut batch = Batch::with_capacity(self.pairs.len());
        for t in self.batch.transactions().iter().filter(|t| t.task != message.task) {
            batch.push(Transaction::new(t.task, t.seq, t.cpu));
        }
        for (member, cpu) in self.pairs.iter().filter(|(member, _)| member.task == message.task) {
            batch.push(Transaction::new(member.task, message.seq, *cpu));
        }
        self.batch = batch;
    }

    fn disband(self) -> Result<(), OpcostError> {
        self.stage.scheduler.detach_agent(self.stage.enclave, None)?;
        self.pairs.iter().for_each(|(member, _)| member.let_go());
        Ok(())
    }
}
