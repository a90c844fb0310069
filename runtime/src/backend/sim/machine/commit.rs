//! The machine as a backend: what its agent reads, and what becomes of transactions.

use std::cell::RefCell;

use rand::RngExt;

use super::{IDLE, Machine};
use crate::backend::Backend;
use crate::hint::Hints;
use crate::message::{Message, MessageKind};
use crate::status::Status;
use crate::task::{Seq, TaskId, TaskState};
use crate::topology::Topology;
use crate::transaction::{Batch, Committer, CpuFacts, Outcome, TargetFacts, Transaction, check};

impl Machine {
    fn check(&self, seq_read: Seq, transaction: &Transaction) -> Outcome {
        let target = self.tasks.get(transaction.task).map(|work| TargetFacts {
            is_agent: false,
            is_gone: false,
            seq: work.status.seq,
            is_ours: true,
            is_runnable: work.status.state != TaskState::Blocked,
            on_cpu: work.has_cpu().then_some(work.status.cpu),
            in_enclave: true,
        });
        let virtual_cpu = self.cpus.get(transaction.cpu.index()).unwrap_or(&IDLE);
        let cpu = CpuFacts {
            exists: self.topology.cpus().contains(transaction.cpu),
            is_online: true,
            is_occupied: virtual_cpu.current.is_some() || virtual_cpu.latched.is_some(),
            is_available: virtual_cpu.latched.is_none(),
        };
        let committer = Committer { seq_read, seq_now: self.wire.agent_seq(), ..Committer::REMOTE };
        check(transaction, committer, target.as_ref(), &cpu)
    }

    /// Latches a task whose transaction passed the checks.
    fn latch(&mut self, transaction: &Transaction, decided_ns: u64) {
        let cpu = transaction.cpu;
        let work = self.tasks.live(transaction.task);
        if work.status.state == TaskState::OnCpu {
            return self.renew_slice(transaction);
        }
        work.status.state = TaskState::Latched;
        work.status.cpu = cpu;
        let virtual_cpu = &mut self.cpus[cpu.index()];
        let is_idle = virtual_cpu.current.is_none();
        let effect_ns = if is_idle { self.costs.start_ns } else { self.costs.preempt_ns };
        virtual_cpu.latched = Some(transaction.task);
        virtual_cpu.slice_ns = transaction.slice_ns;
        virtual_cpu.known_ns = decided_ns;
        virtual_cpu.begins_ns = decided_ns + effect_ns;
        match is_idle {
            true => self.begin_at(cpu, decided_ns + effect_ns),
            false => self.refresh_deadline(cpu),
        }
    }

    fn renew_slice(&mut self, transaction: &Transaction) {
        let work = self.tasks.live(transaction.task);
        work.end_stint(self.now_ns);
        work.status.since_ns = self.now_ns;
        let left_ns = work.left_ns.min(transaction.slice_ns);
        self.set_end(transaction.cpu, self.now_ns.saturating_add(left_ns));
        self.post(MessageKind::TaskOnCpu, transaction.task);
    }

    /// When a commit made now takes effect, the agent's own costs included.
    fn decided_ns(&mut self, transactions: usize) -> u64 {
        let decided_ns = self.now_ns + self.agent_cost_ns(transactions);
        if self.faults.late_commit > 0.0 && self.random.random_bool(self.faults.late_commit) {
            self.counters.late_commits += 1;
            return decided_ns + self.faults.late_commit_ns;
        }
        decided_ns
    }

    /// How long a turn with that many transactions takes.
    pub(in crate::backend::sim) fn agent_cost_ns(&self, transactions: usize) -> u64 {
        self.costs.turn_ns + self.costs.transaction_ns * transactions as u64
    }
}

impl Backend for Machine {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn agent_seq(&self) -> Seq {
        self.wire.agent_seq()
    }

    fn next_message(&mut self) -> Option<Message> {
        self.wire.next(self.now_ns)
    }

    fn take_overflow(&mut self) -> bool {
        self.wire.take_lost()
    }

    fn hints(&self, task: TaskId) -> Hints {
        self.tasks.get(task).map_or(Hints::default(), |work| work.hints)
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.tasks.iter().for_each(|work| visit(work.id, work.status, work.hints));
    }

    fn commit(&mut self, _now_ns: u64, seq_read: Seq, batch: &mut Batch) {
        let decided_ns = self.decided_ns(batch.transactions().len());
        // Checks and effects alternate, and both are this machine's.
        let machine = RefCell::new(self);
        batch.resolve(
            |transaction| machine.borrow().check(seq_read, transaction),
            |transaction| machine.borrow_mut().latch(transaction, decided_ns),
        );
    }
}
