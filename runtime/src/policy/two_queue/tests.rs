use super::*;
use crate::hint::{ClassId, Hints, Tier};
use crate::message::{Message, MessageKind};
use crate::policy::deliver;
use crate::task::{Seq, TaskId};
use crate::topology::Topology;

const US: u64 = 1_000;
const D_NS: u64 = 50 * US;

/// A policy on one CPU, told what happens task by task.
struct Bench {
    policy: TwoQueue,
    enclave: Enclave,
    seqs: [u32; 8],
    now_ns: u64,
}

impl Bench {
    fn new() -> Self {
        let options =
            TwoQueueOptions { demotion: Demotion::FixedNs(D_NS), ..TwoQueueOptions::default() };
        let mut policy = TwoQueue::new(options);
        let enclave = Enclave::new(Topology::flat(1), 8);
        policy.attach(&enclave);
        Self { policy, enclave, seqs: [0; 8], now_ns: 1_000 * US }
    }

    fn hear_of(&mut self, index: u32, kind: MessageKind, runtime_ns: u64, tier: Tier) {
        self.seqs[index as usize] += 1;
        let task = TaskId { index, generation: 0 };
        let seq = Seq(self.seqs[index as usize]);
        let time_ns = self.now_ns;
        let message = Message { kind, cpu: CpuId(0), seq, task, time_ns, runtime_ns };
        let hints = Hints { class: ClassId(0), tier, ..Hints::default() };
        let _ = self.enclave.apply(&message, hints);
        let record = self.enclave.task(task).copied();
        deliver(&mut self.policy, self.now_ns, &message, record.as_ref(), &self.enclave);
    }

    fn hear(&mut self, index: u32, kind: MessageKind, runtime_ns: u64) {
        self.hear_of(index, kind, runtime_ns, Tier::LatencyCritical);
    }

    /// A task enters that has run before.
    fn enter(&mut self, index: u32, runtime_ns: u64) {
        self.hear(index, MessageKind::TaskNew, runtime_ns);
    }

    /// A task runs from now on.
    fn run(&mut self, index: u32) {
        self.hear(index, MessageKind::TaskOnCpu, 0);
    }

    /// Who is started next, and when the policy wants to be asked again.
    fn decide(&mut self) -> (Option<u32>, Option<u64>) {
        let mut batch = Batch::with_capacity(4);
        let wake_ns = self.policy.schedule(self.now_ns, &self.enclave, &mut batch);
        assert!(batch.transactions().len() <= 1, "one CPU, one transaction");
        (batch.transactions().first().map(|transaction| transaction.task.index), wake_ns)
    }
}

#[test]
fn a_task_preempted_below_d_goes_back_to_the_front() {
    let mut bench = Bench::new();
    (0..3).for_each(|index| bench.enter(index, 0));
    bench.run(2);
    bench.now_ns += 10 * US;
    bench.hear(2, MessageKind::TaskPreempted, 10 * US);
    assert_eq!(bench.decide().0, Some(2));
    assert_eq!(bench.policy.counters().demoted, 0);
}

#[test]
fn a_task_preempted_beyond_d_waits_for_all_fresh_ones() {
    let mut bench = Bench::new();
    bench.enter(0, 0);
    bench.enter(1, 0);
    bench.run(0);
    bench.now_ns += D_NS;
    bench.hear(0, MessageKind::TaskPreempted, D_NS);
    assert_eq!(bench.decide().0, Some(1));
    assert_eq!(bench.policy.counters().demoted, 1);
}

#[test]
fn a_task_just_demoted_goes_before_long_ones() {
    let mut bench = Bench::new();
    bench.enter(0, 9_000 * US);
    bench.enter(1, 700 * US);
    bench.enter(2, 60 * US);
    assert_eq!(bench.decide().0, Some(2));
    // The other two are long, and so equals, in the order they came.
    assert_eq!(bench.policy.waiting.pop_demoted(&bench.enclave).map(|task| task.id.index), Some(0));
}

#[test]
fn it_asks_to_be_woken_when_a_fresh_task_will_have_run_for_d() {
    let mut bench = Bench::new();
    bench.enter(0, 0);
    bench.run(0);
    let began_ns = bench.now_ns;
    bench.now_ns += 20 * US;
    assert_eq!(bench.decide(), (None, None), "nobody waits");
    bench.enter(1, 0);
    assert_eq!(bench.decide(), (None, Some(began_ns + D_NS)));
    bench.now_ns = began_ns + D_NS;
    assert_eq!(bench.decide().0, Some(1));
}

#[test]
fn nobody_loses_a_cpu_that_nobody_wants() {
    let mut bench = Bench::new();
    bench.enter(0, 0);
    bench.run(0);
    bench.now_ns += 1_000_000 * US;
    assert_eq!(bench.decide(), (None, None));
}

#[test]
fn long_tasks_take_turns_of_service_however_often_they_are_interrupted() {
    let mut bench = Bench::new();
    bench.enter(0, 10_000 * US);
    bench.enter(1, 10_000 * US);
    let mut runtime_ns = 10_000 * US;
    // Interrupted every 300 us, it goes on three times and then has had its turn of 1 ms.
    for next in [0, 0, 0, 1] {
        bench.run(0);
        bench.now_ns += 300 * US;
        runtime_ns += 300 * US;
        bench.hear(0, MessageKind::TaskPreempted, runtime_ns);
        let front = bench.policy.waiting.demoted(&bench.enclave).map(|(_, task)| task.id.index);
        assert_eq!(front, Some(next), "after {runtime_ns} ns");
    }
}

#[test]
fn demoted_tasks_take_the_cpu_from_batch_tasks() {
    let mut bench = Bench::new();
    bench.hear_of(0, MessageKind::TaskNew, 0, Tier::Batch);
    bench.run(0);
    bench.enter(1, 10_000 * US);
    assert_eq!(bench.decide().0, Some(1));
    assert_eq!(bench.policy.counters().preempted_batch, 1);
}

#[test]
fn a_task_announced_again_and_again_waits_once() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.enter(0, 0);
        bench.enter(1, D_NS);
    }
    assert_eq!(bench.decide().0, Some(0));
    assert_eq!(bench.policy.waiting.demoted_len(), 1);
}
