//! What every policy keeps to, over random loads, machines and costs.
//!
//! A failing case is shrunk and printed with everything that makes it: it replays as a unit test.

use proptest::prelude::*;
use revenant::backend::sim::{Arrival, Costs, ENDLESS_NS, Machine, SimOptions, Simulation};
use revenant::cpu::CpuId;
use revenant::hint::{ClassId, Tier};
use revenant::policy::{
    AnyPolicy, Demotion, Policy, PolicyKind, PolicyOptions, TwoQueue, TwoQueueOptions,
};
use revenant::task::TaskState;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;

fn policy(kind: PolicyKind) -> AnyPolicy {
    kind.build(&PolicyOptions::default()).unwrap()
}

fn arrival(time_ns: u64, service_ns: u64, tier: Tier) -> Arrival {
    Arrival { time_ns, service_ns, class: ClassId(0), tier }
}

fn a_kind() -> impl Strategy<Value = PolicyKind> {
    proptest::sample::select(PolicyKind::ALL.to_vec())
}

/// Short and long tasks, a few of them batch, some at the same moment.
fn arrivals(batch_share: f64) -> impl Strategy<Value = Vec<Arrival>> {
    let service_ns = prop_oneof![8 => 1..50 * US, 2 => 50 * US..500 * US, 1 => MS..5 * MS];
    let gap_ns = prop_oneof![1 => Just(0), 4 => 1..60 * US];
    let task = (gap_ns, service_ns, proptest::bool::weighted(batch_share));
    proptest::collection::vec(task, 1..120).prop_map(|tasks| {
        let mut time_ns = 0;
        let arrive = |(gap_ns, service_ns, is_batch)| {
            time_ns += gap_ns;
            let tier = if is_batch { Tier::Batch } else { Tier::LatencyCritical };
            arrival(time_ns, service_ns, tier)
        };
        tasks.into_iter().map(arrive).collect()
    })
}

fn costs() -> impl Strategy<Value = Costs> {
    prop_oneof![Just(Costs::ZERO), Just(Costs::per_preemption(5 * US)), Just(Costs::THREADS)]
}

fn options(cpus: usize, costs: Costs) -> SimOptions {
    SimOptions { costs, tasks_max: 256, ..SimOptions::ideal(cpus) }
}

/// Steps until nothing more happens now.
fn settle<P: Policy>(simulation: &mut Simulation<P, impl Iterator<Item = Arrival>>) {
    let now_ns = simulation.machine().now_ns();
    while simulation.step(now_ns, &mut |_| {}) {}
}

fn waiting(simulation: &Simulation<AnyPolicy, impl Iterator<Item = Arrival>>, tier: Tier) -> usize {
    let tasks = simulation.agent().enclave().tasks();
    tasks.filter(|task| task.state == TaskState::Queued && task.hints.tier == tier).count()
}

fn runs_batch(machine: &Machine, cpu: CpuId) -> bool {
    machine
        .running(cpu)
        .is_some_and(|task| revenant::backend::Backend::hints(machine, task).tier == Tier::Batch)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_task_finishes_and_none_gets_more_than_its_service(
        kind in a_kind(),
        cpus in 1usize..6,
        costs in costs(),
        arrivals in arrivals(0.2),
    ) {
        let due_ns: u64 = arrivals.iter().map(|arrival| arrival.service_ns).sum();
        let count = arrivals.len();
        let mut simulation =
            Simulation::new(&options(cpus, costs), policy(kind), arrivals.into_iter());
        let (mut done, mut received_ns) = (0, 0);
        simulation.run(|completion| {
            done += 1;
            received_ns += completion.service_ns;
        });
        prop_assert_eq!((done, received_ns), (count, due_ns));
        // The agent hears of the last one's end.
        simulation.run_until(simulation.machine().now_ns() + MS, |_| {});
        prop_assert_eq!(simulation.agent().enclave().tasks_live(), 0);
        prop_assert_eq!(simulation.agent().enclave().idle().len(), cpus);
    }

    #[test]
    fn no_cpu_idles_while_a_task_waits_that_may_use_it(
        kind in a_kind(),
        cpus in 1usize..6,
        arrivals in arrivals(0.2),
    ) {
        let mut simulation =
            Simulation::new(&options(cpus, Costs::ZERO), policy(kind), arrivals.into_iter());
        while simulation.step(u64::MAX, &mut |_| {}) {
            settle(&mut simulation);
            let idle = simulation.agent().enclave().idle().len();
            // A task placed on a CPU waits for that CPU, and for no other.
            let critical = match kind {
                PolicyKind::FifoPerCpu => 0,
                _ => waiting(&simulation, Tier::LatencyCritical),
            };
            prop_assert!(idle == 0 || critical + waiting(&simulation, Tier::Batch) == 0);
        }
    }

    #[test]
    fn no_batch_task_has_a_cpu_that_a_critical_one_waits_for(
        kind in a_kind(),
        cpus in 1usize..6,
        arrivals in arrivals(0.5),
    ) {
        let mut simulation =
            Simulation::new(&options(cpus, Costs::ZERO), policy(kind), arrivals.into_iter());
        while simulation.step(u64::MAX, &mut |_| {}) {
            settle(&mut simulation);
            if kind == PolicyKind::FifoPerCpu || waiting(&simulation, Tier::LatencyCritical) == 0 {
                continue;
            }
            // But for the share that nobody can take from them.
            if simulation.agent().policy().counters().batch_shares_granted > 0 {
                break;
            }
            let machine = simulation.machine();
            let holder = (0..cpus as u16).map(CpuId).find(|cpu| runs_batch(machine, *cpu));
            prop_assert_eq!(holder, None, "at {} ns", machine.now_ns());
        }
    }

    #[test]
    fn tasks_in_a_hurry_are_delayed_by_batch_for_no_longer_than_a_preemption(
        kind in a_kind(),
        cpus in 1usize..4,
        gaps_ns in proptest::collection::vec(100 * US..300 * US, 1..40),
    ) {
        // Twice as many endless batch tasks as CPUs; then short tasks, one at a time.
        let batch = (0..2 * cpus).map(|_| arrival(0, ENDLESS_NS, Tier::Batch));
        let mut time_ns = 0;
        let shorts: Vec<Arrival> = gaps_ns
            .iter()
            .map(|gap_ns| {
                time_ns += gap_ns;
                arrival(time_ns, 10 * US, Tier::LatencyCritical)
            })
            .collect();
        let end_ns = time_ns + MS;
        let costs = Costs::per_preemption(5 * US);
        let arrivals = batch.chain(shorts.clone());
        let mut simulation = Simulation::new(&options(cpus, costs), policy(kind), arrivals);
        let mut latencies_ns = Vec::new();
        simulation.run_until(end_ns, |completion| latencies_ns.push(completion.latency_ns()));
        prop_assert_eq!(latencies_ns.len(), shorts.len());
        // Its own preemption, and at worst one of two batch tasks under way on that CPU.
        prop_assert!(latencies_ns.iter().all(|ns| *ns <= 20 * US), "{latencies_ns:?}");
        // And batch gets the rest, less two switches a short task and one a turn.
        let machine = simulation.machine();
        let running = (0..cpus as u16).filter_map(|cpu| machine.running(CpuId(cpu)));
        let stints_ns = running.map(|task| end_ns - machine.status(task).unwrap().since_ns);
        let batch_ns = machine.counters().batch_ns + stints_ns.sum::<u64>();
        let short_ns = shorts.len() as u64 * 20 * US;
        prop_assert!(batch_ns as f64 > 0.98 * (cpus as u64 * end_ns - short_ns) as f64);
    }
}

/// The longest that a batch task waits under latency-critical ones that never leave it a CPU, if
/// `count` of them share `cpus`: the tier is owed a slice of 500 us for every 50 ms of a CPU, twice
/// that after it had one in advance, and has it 10 ms later at most; then the others go first.
fn batch_bound_ns(cpus: usize, count: usize) -> u64 {
    (count as u64 + 1) * (50 * MS / cpus as u64 + 12 * MS) + 50 * MS
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batch_tasks_run_again_and_again_under_permanent_critical_load(
        kind in a_kind(),
        cpus in 1usize..5,
        count in 1usize..5,
        service_ns in prop_oneof![Just(20 * US), Just(3 * MS), Just(ENDLESS_NS)],
        costs in costs(),
    ) {
        let bound_ns = batch_bound_ns(cpus, count);
        let end_ns = 4 * bound_ns;
        let batch = (0..count).map(|_| arrival(0, ENDLESS_NS, Tier::Batch));
        // More than the machine can do, without a pause.
        let gap_ns = (service_ns / cpus as u64 / 5 * 4).min(5 * MS);
        let critical = (0..end_ns / gap_ns)
            .map(|n| arrival(n * gap_ns, service_ns, Tier::LatencyCritical));
        let options = SimOptions { tasks_max: 60_000, ..options(cpus, costs) };
        let mut simulation = Simulation::new(&options, policy(kind), batch.chain(critical));
        let mut received_ns = vec![0; count];
        for period in 1..=4 {
            simulation.run_until(period * bound_ns, |_| {});
            let tasks = simulation.agent().enclave().tasks();
            let now_ns = simulation.machine().now_ns();
            let own = tasks.filter(|task| task.hints.tier == Tier::Batch);
            let attained: Vec<u64> =
                own.map(|task| simulation.agent().enclave().attained_ns(task, now_ns)).collect();
            prop_assert_eq!(attained.len(), count);
            for (before_ns, after_ns) in received_ns.iter().zip(&attained) {
                prop_assert!(after_ns > before_ns, "{period}: {received_ns:?} {attained:?}");
            }
            received_ns = attained;
        }
        // And little more than the hundredth, but for what was idle before enough endless tasks came.
        let all_ns: u64 = received_ns.iter().sum();
        let idle_ns = 20 * MS * cpus as u64;
        prop_assert!(all_ns <= end_ns * cpus as u64 / 50 + idle_ns, "{all_ns} of {end_ns}");
    }
}

#[test]
fn batch_tasks_take_turns() {
    for kind in PolicyKind::ALL {
        let batch = (0..3).map(|_| arrival(0, 5 * MS, Tier::Batch));
        let mut simulation = Simulation::new(&options(1, Costs::ZERO), policy(kind), batch);
        let mut ends_ms = Vec::new();
        simulation.run(|completion| ends_ms.push(completion.done_ns / MS));
        assert_eq!(ends_ms, [13, 14, 15], "{kind}");
    }
}

fn two_queue(options: TwoQueueOptions) -> TwoQueue {
    TwoQueue::new(TwoQueueOptions { demotion: Demotion::FixedNs(50 * US), ..options })
}

/// A task of 20 ms under fresh ones of 20 us that alone would keep the CPU busy; when the long one
/// was done, and the counters.
fn starve(share: f64) -> (Option<u64>, revenant::policy::PolicyCounters) {
    let fresh = (1..10_000).map(|n| arrival(n * 20 * US, 20 * US, Tier::LatencyCritical));
    let long = arrival(0, 20 * MS, Tier::LatencyCritical);
    let policy = two_queue(TwoQueueOptions { demoted_share: share, ..Default::default() });
    let options = SimOptions { tasks_max: 20_000, ..SimOptions::ideal(1) };
    let mut simulation = Simulation::new(&options, policy, std::iter::once(long).chain(fresh));
    let mut done_ns = None;
    simulation.run_until(150 * MS, |completion| {
        if completion.service_ns == 20 * MS {
            done_ns = Some(completion.done_ns);
        }
    });
    (done_ns, simulation.agent().policy().counters())
}

#[test]
fn demoted_tasks_receive_their_share_of_an_overloaded_machine() {
    let (done_ns, counters) = starve(0.0);
    assert_eq!((done_ns, counters.shares_granted), (None, 0), "it starves");
    let (done_ns, counters) = starve(0.2);
    let done_ms = done_ns.expect("a fifth of 150 ms is 30 ms") / MS;
    assert!((90..=110).contains(&done_ms), "20 ms at a fifth took {done_ms} ms");
    assert!(counters.shares_granted >= 30);
}

#[test]
fn no_more_than_the_bound_of_started_tasks_wait() {
    let longs = (0..50).map(|n| arrival(n * 100 * US, 5 * MS, Tier::LatencyCritical));
    let options_two = TwoQueueOptions { demoted_max: 3, ..Default::default() };
    let mut simulation = Simulation::new(&options(2, Costs::ZERO), two_queue(options_two), longs);
    let mut started_max = 0;
    while simulation.step(u64::MAX, &mut |_| {}) {
        settle(&mut simulation);
        let tasks = simulation.agent().enclave().tasks();
        let started = tasks.filter(|t| t.state == TaskState::Queued && t.runtime_ns > 0).count();
        started_max = started_max.max(started);
    }
    assert_eq!(started_max, 3);
    assert!(simulation.agent().policy().counters().demotions_refused > 0);
}

#[test]
fn a_fresh_task_preempts_a_demoted_one_at_once_and_no_other() {
    let tasks = [(0, 200), (40, 10), (100, 10)];
    let arrivals = tasks.map(|(at, service)| arrival(at * US, service * US, Tier::LatencyCritical));
    let policy = two_queue(TwoQueueOptions::default());
    let mut simulation = Simulation::new(&options(1, Costs::ZERO), policy, arrivals.into_iter());
    let mut ends_us = Vec::new();
    simulation.run(|completion| ends_us.push(completion.done_ns / US));
    // The second waits until the first has run for D = 50 us; the third does not wait.
    assert_eq!(ends_us, [60, 110, 220]);
}
