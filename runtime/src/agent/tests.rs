use std::collections::VecDeque;

use super::*;
use crate::cpu::CpuId;
use crate::hint::{ClassId, Hints};
use crate::message::Message;
use crate::policy::{Fifo, PolicyCounters};
use crate::status::Status;
use crate::task::{Seq, Task, TaskId};
use crate::topology::Topology;
use crate::transaction::Transaction;

/// A backend that says what it is told to.
struct Script {
    topology: Topology,
    messages: VecDeque<Message>,
    has_overflowed: bool,
    statuses: Vec<(TaskId, Status)>,
    outcome: Outcome,
    committed: Vec<Transaction>,
}

fn script(messages: impl IntoIterator<Item = Message>) -> Script {
    Script {
        topology: Topology::flat(2),
        messages: messages.into_iter().collect(),
        has_overflowed: false,
        statuses: Vec::new(),
        outcome: Outcome::Committed,
        committed: Vec::new(),
    }
}

impl Backend for Script {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn agent_seq(&self) -> Seq {
        Seq(0)
    }

    fn next_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.has_overflowed)
    }

    fn hints(&self, _task: TaskId) -> Hints {
        Hints { class: ClassId(7), ..Hints::default() }
    }

    fn rescan(&mut self, visit: &mut dyn FnMut(TaskId, Status, Hints)) {
        self.statuses.iter().for_each(|(id, status)| visit(*id, *status, Hints::default()));
    }

    fn commit(&mut self, _now_ns: u64, _seq_read: Seq, batch: &mut Batch) {
        for transaction in batch.transactions_mut() {
            transaction.outcome = Some(self.outcome);
            self.committed.push(*transaction);
        }
    }
}

/// FIFO that notes what it hears.
#[derive(Default)]
struct Listener {
    fifo: Fifo,
    heard: Vec<String>,
}

impl Policy for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.fifo.attach(enclave);
        self.heard.push("attach".into());
    }

    fn task_new(&mut self, now_ns: u64, task: &Task) {
        self.heard.push(format!("new {}", task.id.index));
        self.fifo.task_new(now_ns, task);
    }

    fn task_dead(&mut self, _now_ns: u64, task: &Task) {
        self.heard.push(format!("dead {} after {} ns", task.id.index, task.runtime_ns));
    }

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        self.fifo.schedule(now_ns, enclave, batch);
        Some(99)
    }

    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction) {
        self.heard.push(format!("failed {}", task.id.index));
        self.fifo.commit_failed(now_ns, task, transaction);
    }

    fn counters(&self) -> PolicyCounters {
        self.fifo.counters()
    }
}

fn id(index: u32) -> TaskId {
    TaskId { index, generation: 0 }
}

fn message(kind: MessageKind, index: u32, seq: u32) -> Message {
    Message { kind, task: id(index), seq: Seq(seq), ..Message::default() }
}

fn agent() -> Agent<Listener> {
    Agent::new(Listener::default(), Enclave::new(Topology::flat(2), 512))
}

#[test]
fn a_turn_drains_decides_and_counts() {
    let mut agent = agent();
    let mut backend = script((0..3).map(|index| message(MessageKind::TaskNew, index, 1)));
    let turn = agent.turn(10, &mut backend);
    assert_eq!(turn, Turn { messages: 3, committed: 2, failed: 0, wake_at_ns: Some(99) });
    let placed: Vec<_> = backend.committed.iter().map(|t| (t.task.index, t.cpu)).collect();
    assert_eq!(placed, [(0, CpuId(0)), (1, CpuId(1))]);
    let counters = agent.counters();
    assert_eq!((counters.turns, counters.messages), (1, 3));
    assert_eq!(counters.outcomes[Outcome::Committed as usize], 2);
    let task = agent.enclave().task(id(0)).unwrap();
    assert_eq!((task.state, task.hints.class), (TaskState::Latched, ClassId(7)));
}

#[test]
fn a_failed_transaction_gives_its_task_back() {
    let mut agent = agent();
    let mut backend = script([message(MessageKind::TaskNew, 4, 1)]);
    backend.outcome = Outcome::Stale;
    assert_eq!(agent.turn(10, &mut backend).failed, 1);
    assert_eq!(agent.policy().heard, ["attach", "new 4", "failed 4"]);
    assert_eq!(agent.counters().outcomes[Outcome::Stale as usize], 1);
    backend.outcome = Outcome::Committed;
    assert_eq!(agent.turn(20, &mut backend).committed, 1);
}

#[test]
fn old_and_unknown_messages_are_counted_and_not_passed_on() {
    let mut agent = agent();
    let new = message(MessageKind::TaskNew, 1, 1);
    let mut backend = script([new, new, message(MessageKind::TaskBlocked, 2, 5)]);
    agent.turn(10, &mut backend);
    let counters = agent.counters();
    assert_eq!(
        (counters.messages, counters.messages_old, counters.messages_unknown, counters.rescans),
        (1, 1, 1, 0)
    );
    assert_eq!(agent.policy().heard, ["attach", "new 1"]);
}

#[test]
fn an_overflow_rebuilds_the_image_and_the_policys_queue() {
    let mut agent = agent();
    agent.turn(10, &mut script([message(MessageKind::TaskNew, 1, 1)]));
    let mut backend = script([]);
    backend.has_overflowed = true;
    let waits = Status { seq: Seq(3), state: TaskState::Queued, ..Status::default() };
    let blocked = Status { seq: Seq(4), state: TaskState::Blocked, ..Status::default() };
    backend.statuses = vec![(id(5), waits), (id(6), blocked)];
    assert_eq!(agent.turn(20, &mut backend).committed, 1);
    assert_eq!(agent.policy().heard, ["attach", "new 1", "attach", "new 5"]);
    assert_eq!((backend.committed[0].task, backend.committed[0].seq), (id(5), Seq(3)));
    assert_eq!((agent.counters().rescans, agent.enclave().tasks_live()), (1, 2));
    // What was under way when the image was rebuilt is old news.
    agent.turn(30, &mut script([message(MessageKind::TaskNew, 6, 1)]));
    assert_eq!(agent.counters().messages_old, 1);
}

#[test]
fn a_gap_is_a_loss_even_if_nobody_owns_up_to_it() {
    let mut agent = agent();
    let mut backend =
        script([message(MessageKind::TaskNew, 1, 1), message(MessageKind::TaskBlocked, 1, 3)]);
    agent.turn(10, &mut backend);
    assert_eq!((agent.counters().messages_gap, agent.counters().rescans), (1, 1));
}

#[test]
fn a_storm_of_messages_does_not_keep_the_agent_from_deciding() {
    let mut agent = agent();
    let storm = MESSAGES_PER_TURN as u32 + 10;
    let mut backend = script((0..storm).map(|index| message(MessageKind::TaskNew, index, 1)));
    let turn = agent.turn(10, &mut backend);
    assert_eq!((turn.messages, turn.committed), (MESSAGES_PER_TURN, 2));
    assert_eq!(agent.turn(20, &mut backend).messages, 10);
}

#[test]
fn a_dead_task_is_announced_with_all_it_received() {
    let mut agent = agent();
    let dead = Message { runtime_ns: 77, ..message(MessageKind::TaskDead, 1, 3) };
    let life = [message(MessageKind::TaskNew, 1, 1), message(MessageKind::TaskOnCpu, 1, 2), dead];
    agent.turn(10, &mut script(life));
    assert_eq!(agent.policy().heard, ["attach", "new 1", "dead 1 after 77 ns"]);
    assert_eq!(agent.enclave().idle().len(), 2);
}
