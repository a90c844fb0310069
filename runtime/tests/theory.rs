//! The simulator against queueing theory and against published tables of ideal policies.
//!
//! Every run is seeded, so that a failure replays; tolerances cover what a finite run of a
//! heavy-tailed load may differ from its limit. The tables' own stated error is 10 %, more where one
//! CPU serves a high load.

use revenant::backend::sim::{
    Completion, Costs, Poisson, Service, ServiceClass, SimOptions, Simulation, processor_sharing,
};
use revenant::hint::ClassId;
use revenant::policy::{AnyPolicy, Demotion, PolicyKind, PolicyOptions, TwoQueueOptions};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SHORT: ClassId = ClassId(0);

fn one_class(service: Service) -> Vec<ServiceClass> {
    vec![ServiceClass { share: 1.0, service }]
}

/// 99.5 % short ones and 0.5 % of 10 ms.
fn dispersive(short: Service) -> Vec<ServiceClass> {
    let long = Service::Fixed { ns: 10 * MS };
    vec![
        ServiceClass { share: 0.995, service: short },
        ServiceClass { share: 0.005, service: long },
    ]
}

const CONSTANT_SHORTS: Service = Service::Fixed { ns: 10 * US };
const COST_5_US: Costs = Costs::per_preemption(5 * US);
const EXPONENTIAL_SHORTS: Service = Service::Exponential { mean_ns: 10 * US };

fn fifo() -> AnyPolicy {
    PolicyKind::Fifo.build(&PolicyOptions::default()).unwrap()
}

/// Single-queue round robin with turns of 30 us.
fn rr() -> AnyPolicy {
    PolicyKind::Shinjuku.build(&PolicyOptions::default()).unwrap()
}

/// Two queues; demoted after `demotion_ns`, preempted on arrival; demoted tasks neither preempt one
/// another nor have a minimum share.
fn fb2i(demotion_ns: u64) -> AnyPolicy {
    let two_queue = TwoQueueOptions {
        demotion: Demotion::FixedNs(demotion_ns),
        demoted_quantum_ns: 1_000 * MS,
        demoted_share: 0.0,
        ..TwoQueueOptions::default()
    };
    PolicyKind::TwoQueue.build(&PolicyOptions { two_queue, ..PolicyOptions::default() }).unwrap()
}

/// A run's load and length.
struct Run {
    cpus: usize,
    load: f64,
    requests: usize,
    seed: u64,
    costs: Costs,
}

impl Run {
    fn ideal(cpus: usize, load: f64, requests: usize, seed: u64) -> Self {
        Self { cpus, load, requests, seed, costs: Costs::ZERO }
    }

    fn arrivals(&self, classes: &[ServiceClass]) -> std::iter::Take<Poisson> {
        Poisson::at_load(self.load, self.cpus, classes, self.seed).take(self.requests)
    }

    /// Visits every task but the first tenth, in which the queues fill.
    fn simulate(
        &self,
        policy: AnyPolicy,
        classes: &[ServiceClass],
        visit: &mut dyn FnMut(&Completion),
    ) {
        let options = SimOptions { costs: self.costs, ..SimOptions::ideal(self.cpus) };
        let mut simulation = Simulation::new(&options, policy, self.arrivals(classes));
        let mut seen = 0;
        simulation.run(|completion| {
            seen += 1;
            if seen > self.requests / 10 {
                visit(completion);
            }
        });
        assert_eq!(simulation.machine().counters().refused, 0, "the task table is too small");
    }
}

fn assert_near(what: &str, seed: u64, value: f64, expected: f64, tolerance: f64) {
    let deviation = value / expected - 1.0;
    println!("{what}: {value:.1} for {expected:.1} ({:+.1} %), seed {seed}", deviation * 100.0);
    assert!(
        deviation.abs() <= tolerance,
        "{what} is {value:.1}, {:+.1} % off {expected:.1}; seed {seed}",
        deviation * 100.0
    );
}

fn mean_latency_us(run: &Run, classes: &[ServiceClass]) -> f64 {
    let (mut sum_ns, mut count) = (0u64, 0u64);
    run.simulate(fifo(), classes, &mut |completion| {
        sum_ns += completion.latency_ns();
        count += 1;
    });
    sum_ns as f64 / count as f64 / US as f64
}

#[test]
fn an_m_m_1_queue_has_the_mean_of_theory() {
    // S / (1 - rho) = 10 / 0.2.
    let run = Run::ideal(1, 0.8, 2_000_000, 1);
    let mean_us = mean_latency_us(&run, &one_class(EXPONENTIAL_SHORTS));
    assert_near("M/M/1 mean", run.seed, mean_us, 50.0, 0.03);
}

#[test]
fn an_m_g_1_queue_follows_pollaczek_and_khinchine() {
    // lambda E[S^2] / 2 (1 - rho) + E[S], for the dispersive mix.
    let mean_us = 0.995 * 10.0 + 0.005 * 10_000.0;
    let square_us = 0.995 * 100.0 + 0.005 * 1e8;
    let expected_us = 0.5 / mean_us * square_us / (2.0 * 0.5) + mean_us;
    let run = Run::ideal(1, 0.5, 4_000_000, 2);
    let latency_us = mean_latency_us(&run, &dispersive(CONSTANT_SHORTS));
    assert_near("M/G/1 mean", run.seed, latency_us, expected_us, 0.05);
}

#[test]
fn processor_sharing_slows_everybody_down_alike() {
    let run = Run::ideal(1, 0.5, 2_000_000, 3);
    for (name, short) in [("constant", CONSTANT_SHORTS), ("exponential", EXPONENTIAL_SHORTS)] {
        let classes = dispersive(short);
        let (mut slowdown, mut long_slowdown, mut count, mut long_count) = (0.0, 0.0, 0.0, 0.0);
        processor_sharing(1, run.arrivals(&classes), |completion| {
            // Rounding to whole ns distorts the slowdown of tasks that hardly ran.
            if completion.class == SHORT && completion.service_ns > 100 {
                slowdown += completion.slowdown();
                count += 1.0;
            } else if completion.class != SHORT {
                long_slowdown += completion.slowdown();
                long_count += 1.0;
            }
        });
        assert_near(&format!("PS slowdown, {name} shorts"), run.seed, slowdown / count, 2.0, 0.03);
        assert_near("PS slowdown, longs", run.seed, long_slowdown / long_count, 2.0, 0.05);
    }
}

/// p99 over all and p99.9 of the short, in us: the tables' columns.
fn percentiles_us(run: &Run, policy: AnyPolicy, classes: &[ServiceClass]) -> (f64, f64) {
    let (mut all, mut short) = (Vec::new(), Vec::new());
    run.simulate(policy, classes, &mut |completion| {
        let latency_us = completion.latency_ns() as f32 / US as f32;
        all.push(latency_us);
        if completion.class == SHORT {
            short.push(latency_us);
        }
    });
    let at = |values: &mut Vec<f32>, share: f64| {
        let place = (values.len() as f64 * share) as usize;
        f64::from(*values.select_nth_unstable_by(place, f32::total_cmp).1)
    };
    (at(&mut all, 0.99), at(&mut short, 0.999))
}

/// A cell of a table.
struct Cell {
    cpus: usize,
    load: f64,
    p99_us: f64,
    /// `None` where the table does not say.
    p999_short_us: Option<f64>,
    tolerance: f64,
}

const fn cell(cpus: usize, load: f64, p99_us: f64, p999_us: f64, tolerance: f64) -> Cell {
    Cell { cpus, load, p99_us, p999_short_us: Some(p999_us), tolerance }
}

const fn cell_p99(cpus: usize, load: f64, p99_us: f64, tolerance: f64) -> Cell {
    Cell { cpus, load, p99_us, p999_short_us: None, tolerance }
}

/// How often and how long a cell is run.
#[derive(Clone, Copy)]
struct Effort {
    seeds: u64,
    requests: usize,
}

/// Where long tasks decide the percentile: single runs differ by tens of per cent.
const HEAVY: Effort = Effort { seeds: 5, requests: 1_200_000 };

/// Where they do not.
const LIGHT: Effort = Effort { seeds: 3, requests: 300_000 };

/// Medians over seeds against the cells.
fn assert_cells(
    name: &str,
    policy: impl Fn() -> AnyPolicy,
    classes: &[ServiceClass],
    (costs, effort): (Costs, Effort),
    cells: &[Cell],
) {
    for (index, cell) in cells.iter().enumerate() {
        // Seeds of their own, so that cells do not err together.
        let first_seed = 100 * index as u64;
        let (mut p99, mut p999) = (Vec::new(), Vec::new());
        for seed in first_seed..first_seed + effort.seeds {
            let run = Run { costs, ..Run::ideal(cell.cpus, cell.load, effort.requests, seed) };
            let (p99_us, p999_us) = percentiles_us(&run, policy(), classes);
            p99.push(p99_us);
            p999.push(p999_us);
        }
        let place = format!("{name}, {} CPUs at {:.0} %", cell.cpus, cell.load * 100.0);
        let what = format!("{place}, p99");
        assert_near(&what, first_seed, median(p99), cell.p99_us, cell.tolerance);
        if let Some(expected_us) = cell.p999_short_us {
            let what = format!("{place}, p99.9 of shorts");
            assert_near(&what, first_seed, median(p999), expected_us, cell.tolerance);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn run_to_completion_matches_the_table() {
    let cells = [
        cell(1, 0.5, 29_400.0, 43_400.0, 0.1),
        cell(2, 0.7, 25_200.0, 37_700.0, 0.2),
        cell(20, 0.8, 3_900.0, 4_700.0, 0.25),
    ];
    assert_cells("fifo", fifo, &dispersive(CONSTANT_SHORTS), (Costs::ZERO, HEAVY), &cells);
}

#[test]
fn round_robin_matches_the_table() {
    let cells = [
        cell(1, 0.5, 197.0, 249.0, 0.1),
        cell(2, 0.8, 309.0, 369.0, 0.15),
        cell(4, 0.7, 93.0, 122.0, 0.15),
        cell(20, 0.8, 33.0, 40.0, 0.15),
    ];
    assert_cells("rr", rr, &dispersive(CONSTANT_SHORTS), (Costs::ZERO, HEAVY), &cells);
}

#[test]
fn round_robin_with_a_preemption_cost_matches_the_table() {
    // Closer to the stability bound of 88 % a run of a million requests differs by 30 % from the next.
    let cells = [cell(2, 0.7, 417.0, 629.0, 0.15)];
    assert_cells("rr c=5", rr, &dispersive(EXPONENTIAL_SHORTS), (COST_5_US, HEAVY), &cells);
}

#[test]
fn two_queues_match_the_table() {
    let cells = [
        cell(1, 0.8, 29.0, 39.0, 0.1),
        cell_p99(2, 0.9, 22.0, 0.1),
        cell_p99(4, 0.9, 15.0, 0.1),
        cell_p99(20, 0.9, 15.0, 0.1),
    ];
    assert_cells(
        "fb2i-30 c=5",
        || fb2i(30 * US),
        &dispersive(CONSTANT_SHORTS),
        (COST_5_US, LIGHT),
        &cells,
    );
}

#[test]
fn two_queues_with_exponential_shorts_match_the_table() {
    let cells = [
        cell(2, 0.7, 57.0, 73.0, 0.1),
        cell(2, 0.9, 59.0, 74.0, 0.1),
        cell(4, 0.8, 56.0, 72.0, 0.1),
        cell(20, 0.9, 57.0, 73.0, 0.1),
    ];
    assert_cells(
        "fb2i-100 c=5",
        || fb2i(100 * US),
        &dispersive(EXPONENTIAL_SHORTS),
        (COST_5_US, LIGHT),
        &cells,
    );
}

#[test]
fn the_default_policy_is_as_good_as_the_best_fixed_threshold() {
    let default = || PolicyKind::TwoQueue.build(&PolicyOptions::default()).unwrap();
    let cells = [cell(2, 0.7, 57.0, 73.0, 0.1), cell(4, 0.9, 58.0, 73.0, 0.1)];
    assert_cells(
        "two-queue c=5",
        default,
        &dispersive(EXPONENTIAL_SHORTS),
        (COST_5_US, LIGHT),
        &cells,
    );
}
