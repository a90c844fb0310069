//! Transactions: an agent's decisions, and the checks that make a stale one fail safely.

use crate::cpu::CpuId;
use crate::task::{Seq, TaskId};

/// Run without end: until the task blocks, finishes, or another transaction takes its CPU.
pub const SLICE_INFINITE_NS: u64 = u64::MAX;

/// "Run `task` on `cpu` for `slice_ns`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Whom to run.
    pub task: TaskId,
    /// The task's sequence number the decision rests on. If a message has bumped it since, the
    /// decision is stale.
    pub seq: Seq,
    /// Where.
    pub cpu: CpuId,
    /// For how long at most.
    pub slice_ns: u64,
    /// Fail instead of preempting what runs there.
    pub idle_only: bool,
    /// The task may be the one that runs there already: its slice is renewed.
    pub allow_on_cpu: bool,
    /// Filled in by the commit.
    pub outcome: Option<Outcome>,
}

impl Transaction {
    /// An open transaction without a limit on time, preempting what runs on `cpu`.
    pub const fn new(task: TaskId, seq: Seq, cpu: CpuId) -> Self {
        Self {
            task,
            seq,
            cpu,
            slice_ns: SLICE_INFINITE_NS,
            idle_only: false,
            allow_on_cpu: false,
            outcome: None,
        }
    }
}

/// What became of a transaction. All but `Committed` left the world as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Outcome {
    /// The task is latched to the CPU.
    Committed,
    /// A message about the task is under way that the agent had not read.
    Stale,
    /// No such task.
    NotFound,
    /// The task is blocked.
    NotRunnable,
    /// The task runs, or is latched, already.
    OnCpu,
    /// A higher scheduling class has the CPU, or the CPU can take no further task.
    CpuUnavailable,
    /// The CPU is offline.
    CpuOffline,
    /// No such CPU.
    InvalidCpu,
    /// The task is not one to schedule: an agent, or no longer in this scheduling class.
    InvalidTarget,
    /// The task or the CPU belongs to another enclave.
    NotPermitted,
    /// The agent had unread messages of its own, or found a task where it asked for an idle CPU.
    AgentStale,
    /// Another transaction of an all-or-none batch failed.
    Aborted,
}

impl Outcome {
    /// Every outcome, in declaration order: for counters by reason.
    pub const ALL: [Self; 12] = [
        Self::Committed,
        Self::Stale,
        Self::NotFound,
        Self::NotRunnable,
        Self::OnCpu,
        Self::CpuUnavailable,
        Self::CpuOffline,
        Self::InvalidCpu,
        Self::InvalidTarget,
        Self::NotPermitted,
        Self::AgentStale,
        Self::Aborted,
    ];

    /// The name used in counters, JSON and on screens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Stale => "stale",
            Self::NotFound => "not-found",
            Self::NotRunnable => "not-runnable",
            Self::OnCpu => "on-cpu",
            Self::CpuUnavailable => "cpu-unavailable",
            Self::CpuOffline => "cpu-offline",
            Self::InvalidCpu => "invalid-cpu",
            Self::InvalidTarget => "invalid-target",
            Self::NotPermitted => "not-permitted",
            Self::AgentStale => "agent-stale",
            Self::Aborted => "aborted",
        }
    }
}

/// What a backend knows of a transaction's task at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// It is an agent.
    pub is_agent: bool,
    /// It died or departed, and the agent has not read so yet.
    pub is_gone: bool,
    /// Its sequence number.
    pub seq: Seq,
    /// It is in the scheduling class this backend serves.
    pub is_ours: bool,
    /// It wants to run.
    pub is_runnable: bool,
    /// Where it runs or is latched.
    pub on_cpu: Option<CpuId>,
    /// It belongs to the committing agent's enclave.
    pub in_enclave: bool,
}

/// What a backend knows of a transaction's CPU at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuFacts {
    /// The machine has it and the enclave owns it.
    pub exists: bool,
    /// It is online.
    pub is_online: bool,
    /// A task of ours runs there or is latched to it.
    pub is_occupied: bool,
    /// It can take the task: no higher class runs there, and there is room for one more task.
    pub is_available: bool,
}

/// Who commits, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committer {
    /// The agent gives up this very CPU to the task (a per-CPU agent). Only then is its own
    /// sequence number checked: a remote commit that insisted on it could livelock under a steady
    /// stream of messages.
    pub is_local: bool,
    /// The agent's sequence number as it read it before draining its channel.
    pub seq_read: Seq,
    /// The agent's sequence number now.
    pub seq_now: Seq,
}

impl Committer {
    /// A global agent, committing to CPUs other than its own.
    pub const REMOTE: Self = Self { is_local: false, seq_read: Seq(0), seq_now: Seq(0) };
}

/// The checks of a commit, in ghOSt's order: the first that fails names the outcome.
pub fn check(
    transaction: &Transaction,
    committer: Committer,
    target: Option<&TargetFacts>,
    cpu: &CpuFacts,
) -> Outcome {
    if !cpu.exists {
        return Outcome::InvalidCpu;
    }
    if !cpu.is_online {
        return Outcome::CpuOffline;
    }
    let Some(target) = target else {
        return Outcome::NotFound;
    };
    if target.is_agent {
        return Outcome::InvalidTarget;
    }
    if target.is_gone || target.seq != transaction.seq {
        return Outcome::Stale;
    }
    if !target.is_ours {
        return Outcome::InvalidTarget;
    }
    if !target.is_runnable {
        return Outcome::NotRunnable;
    }
    let renews_slice = transaction.allow_on_cpu && target.on_cpu == Some(transaction.cpu);
    if target.on_cpu.is_some() && !renews_slice {
        return Outcome::OnCpu;
    }
    if !target.in_enclave {
        return Outcome::NotPermitted;
    }
    if transaction.idle_only && cpu.is_occupied {
        return Outcome::AgentStale;
    }
    if !cpu.is_available {
        return Outcome::CpuUnavailable;
    }
    if committer.is_local && committer.seq_read != committer.seq_now {
        return Outcome::AgentStale;
    }
    Outcome::Committed
}

/// Whether the transactions of a batch stand alone or together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchMode {
    /// Group commit: one call for all, each with its own outcome.
    #[default]
    Group,
    /// All are committed or none is; core scheduling needs it.
    AllOrNone,
}

/// Transactions committed by one call. Its capacity is fixed at start-up.
#[derive(Debug)]
pub struct Batch {
    /// How they stand together.
    pub mode: BatchMode,
    transactions: Vec<Transaction>,
    refused: u64,
}

impl Batch {
    /// An empty batch that never grows beyond `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { mode: BatchMode::Group, transactions: Vec::with_capacity(capacity), refused: 0 }
    }

    /// Adds a transaction, unless the batch is full: then it is counted and `false` comes back, and
    /// the caller keeps its task for the next turn.
    pub fn push(&mut self, transaction: Transaction) -> bool {
        let fits = self.transactions.len() < self.transactions.capacity();
        if fits {
            self.transactions.push(transaction);
        } else {
            self.refused += 1;
        }
        fits
    }

    /// The transactions, in the order of the policy's decisions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The transactions, for a backend to fill in outcomes.
    pub fn transactions_mut(&mut self) -> &mut [Transaction] {
        &mut self.transactions
    }

    /// Whether a transaction for `cpu` is among them.
    pub fn names(&self, cpu: CpuId) -> bool {
        self.transactions.iter().any(|transaction| transaction.cpu == cpu)
    }

    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Transactions that did not fit, in the batch's life.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Makes the batch ready for the next turn.
    pub fn clear(&mut self) {
        self.transactions.clear();
        self.mode = BatchMode::Group;
    }

    /// Commits through `check_one` and `apply_one`, honouring the mode.
    ///
    /// Both halves are the backend's. A backend whose world can change between the two must instead
    /// fill in outcomes itself.
    pub fn resolve(
        &mut self,
        mut check_one: impl FnMut(&Transaction) -> Outcome,
        mut apply_one: impl FnMut(&Transaction),
    ) {
        match self.mode {
            BatchMode::Group => {
                for transaction in &mut self.transactions {
                    let outcome = check_one(transaction);
                    if outcome == Outcome::Committed {
                        apply_one(transaction);
                    }
                    transaction.outcome = Some(outcome);
                }
            }
            BatchMode::AllOrNone => self.resolve_together(check_one, apply_one),
        }
    }

    fn resolve_together(
        &mut self,
        mut check_one: impl FnMut(&Transaction) -> Outcome,
        mut apply_one: impl FnMut(&Transaction),
    ) {
        for transaction in &mut self.transactions {
            transaction.outcome = Some(check_one(transaction));
        }
        let all = self.transactions.iter().all(|t| t.outcome == Some(Outcome::Committed));
        for transaction in &mut self.transactions {
            if all {
                apply_one(transaction);
            } else if transaction.outcome == Some(Outcome::Committed) {
                transaction.outcome = Some(Outcome::Aborted);
            }
        }
    }
}

#[cfg(test)]
mod tests;
