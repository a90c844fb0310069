//! How fast the simulator is: requests of the ghost-dispersive mix on 20 CPUs at 80 % load, each
//! passing through the real agent and policy, per second of wall time.
//!
//!     cargo run --release -p revenant --example sim_speed [policy] [requests] [cpus]

use std::time::Instant;

use revenant::backend::sim::{Poisson, Service, ServiceClass, SimOptions, Simulation};
use revenant::policy::{Policy, PolicyKind, PolicyOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind: PolicyKind = arguments.next().as_deref().unwrap_or("two-queue").parse()?;
    let requests: usize = arguments.next().as_deref().unwrap_or("2000000").parse()?;
    let cpus: usize = arguments.next().as_deref().unwrap_or("20").parse()?;

    let mix = [
        ServiceClass { share: 0.995, service: Service::Fixed { ns: 10_000 } },
        ServiceClass { share: 0.005, service: Service::Fixed { ns: 10_000_000 } },
    ];
    let arrivals = Poisson::at_load(0.8, cpus, &mix, 1).take(requests);
    let policy = kind.build(&PolicyOptions::default())?;
    let mut simulation = Simulation::new(&SimOptions::ideal(cpus), policy, arrivals);
    let mut latency_sum_ns = 0;
    #[expect(clippy::disallowed_methods, reason = "wall time is what this program measures")]
    let began = Instant::now();
    simulation.run(|completion| latency_sum_ns += completion.latency_ns());
    let seconds = began.elapsed().as_secs_f64();

    println!("{kind}: {:.2} M requests/s", requests as f64 / seconds / 1e6);
    println!("mean latency {} us", latency_sum_ns / requests as u64 / 1_000);
    let agent = simulation.agent();
    println!("{} turns a request", agent.counters().turns as f64 / requests as f64);
    println!("{:?}", agent.policy().counters());
    Ok(())
}
