use super::*;
use crate::policy::{AnyPolicy, PolicyKind, PolicyOptions};

const US: u64 = 1_000;

fn dispersive() -> [ServiceClass; 2] {
    [
        ServiceClass { share: 0.995, service: Service::Fixed { ns: 10 * US } },
        ServiceClass { share: 0.005, service: Service::Fixed { ns: 10_000 * US } },
    ]
}

fn policy(kind: PolicyKind) -> AnyPolicy {
    kind.build(&PolicyOptions::default()).unwrap()
}

/// Runs 20 000 tasks at 70 % of four CPUs; returns the finished simulation and a line a task.
fn run(
    kind: PolicyKind,
    options: &SimOptions,
) -> (Simulation<AnyPolicy, impl Iterator<Item = Arrival> + use<>>, String) {
    let arrivals = Poisson::at_load(0.7, 4, &dispersive(), options.seed).take(20_000);
    let mut simulation = Simulation::new(options, policy(kind), arrivals);
    let mut lines = String::new();
    simulation.run(|completion| lines.push_str(&format!("{completion:?}\n")));
    (simulation, lines)
}

fn options() -> SimOptions {
    SimOptions { costs: Costs::THREADS, ..SimOptions::ideal(4) }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let faults = Faults {
        message_loss: 0.001,
        late_commit: 0.01,
        late_commit_ns: 50 * US,
        outage: Some(Outage { at_ns: 5_000 * US, until_ns: 7_000 * US }),
    };
    for kind in PolicyKind::ALL {
        let options = SimOptions { faults, seed: 11, ..options() };
        let (first, first_lines) = run(kind, &options);
        let (second, second_lines) = run(kind, &options);
        assert_eq!(first.machine().trace_digest(), second.machine().trace_digest(), "{kind}");
        assert_eq!(first_lines, second_lines, "{kind}");
        let (other, _) = run(kind, &SimOptions { seed: 12, ..options });
        assert_ne!(first.machine().trace_digest(), other.machine().trace_digest(), "{kind}");
    }
}

#[test]
fn every_task_gets_exactly_its_service() {
    for kind in PolicyKind::ALL {
        let arrivals = Poisson::at_load(0.7, 4, &dispersive(), 3).take(20_000);
        let due_ns: u64 = arrivals.clone().map(|arrival| arrival.service_ns).sum();
        let mut simulation = Simulation::new(&options(), policy(kind), arrivals);
        let mut received_ns = 0;
        simulation.run(|completion| received_ns += completion.service_ns);
        assert_eq!(received_ns, due_ns, "{kind}");
        assert_eq!(simulation.machine().counters().critical_ns, due_ns, "{kind}");
    }
}

fn assert_nothing_lost(kind: PolicyKind, options: &SimOptions) -> AgentSummary {
    let (simulation, lines) = run(kind, options);
    assert_eq!(lines.lines().count(), 20_000, "{kind} lost tasks: {options:?}");
    assert_eq!(simulation.machine().tasks_live(), 0);
    let counters = simulation.agent().counters();
    AgentSummary { rescans: counters.rescans, lost: simulation.machine().messages_lost() }
}

struct AgentSummary {
    rescans: u64,
    lost: u64,
}

#[test]
fn a_full_channel_is_recovered_by_rescan() {
    for kind in PolicyKind::ALL {
        let summary = assert_nothing_lost(kind, &SimOptions { channel_capacity: 2, ..options() });
        assert!(summary.lost > 0 && summary.rescans > 0, "{kind}: the channel never overflowed");
    }
}

#[test]
fn lost_messages_and_wake_ups_are_recovered_by_rescan() {
    for kind in PolicyKind::ALL {
        let faults = Faults { message_loss: 0.01, ..Faults::default() };
        let summary = assert_nothing_lost(kind, &SimOptions { faults, ..options() });
        assert!(summary.lost > 100 && summary.rescans > 10, "{kind}");
    }
}

#[test]
fn an_agent_that_dies_is_replaced_by_one_that_rescans() {
    for kind in PolicyKind::ALL {
        let faults = Faults {
            outage: Some(Outage { at_ns: 3_000 * US, until_ns: 9_000 * US }),
            ..Faults::default()
        };
        let summary = assert_nothing_lost(kind, &SimOptions { faults, ..options() });
        assert!(summary.rescans > 0, "{kind}");
    }
}

#[test]
fn late_commits_delay_and_lose_nothing() {
    for kind in PolicyKind::ALL {
        let faults = Faults { late_commit: 0.1, late_commit_ns: 100 * US, ..Faults::default() };
        let _ = assert_nothing_lost(kind, &SimOptions { faults, ..options() });
    }
}

#[test]
fn slow_messages_delay_and_lose_nothing() {
    let costs = Costs { message_ns: 20 * US, ..Costs::THREADS };
    for kind in PolicyKind::ALL {
        let _ = assert_nothing_lost(kind, &SimOptions { costs, ..options() });
    }
}

#[test]
fn a_full_table_refuses_and_counts() {
    let (simulation, lines) = run(PolicyKind::Fifo, &SimOptions { tasks_max: 8, ..options() });
    let counters = simulation.machine().counters();
    assert!(counters.refused > 0);
    assert_eq!(counters.entered + counters.refused, 20_000);
    assert_eq!(lines.lines().count() as u64, counters.entered);
}

#[test]
fn preemption_costs_burn_time_of_the_cpu() {
    // Two tasks of 100 us take turns of 30 us on one CPU, 5 us a switch: 3 + 3 preemptions until
    // the first is done, none after.
    let arrivals =
        [0, 0].map(|time_ns| Arrival { time_ns, service_ns: 100 * US, ..Arrival::default() });
    let options = SimOptions { costs: Costs::per_preemption(5 * US), ..SimOptions::ideal(1) };
    let mut simulation =
        Simulation::new(&options, policy(PolicyKind::Shinjuku), arrivals.into_iter());
    let mut ends_us = Vec::new();
    simulation.run(|completion| ends_us.push(completion.done_ns / US));
    assert_eq!(ends_us, [220, 230]);
}
