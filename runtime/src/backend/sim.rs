//! Backend `sim`: virtual CPUs in virtual time.
//!
//! The same [`Agent`] and policies that schedule native threads run here, against a [`Machine`]
//! whose every cost is in a table and whose every draw comes from a seed: two runs with the same
//! options, policy and arrivals are the same to the byte. With all costs zero it yields the bounds
//! that measurements are read against.
//!
//! # Life of a simulated request
//! An [`Arrival`] enters the machine's table and TASK_NEW goes on the wire. The agent takes a turn
//! when a message is readable or its policy asked for one, never otherwise. A committed transaction
//! latches the task; it begins when the costs say so, and its CPU's next deadline is its end. At one
//! and the same time, CPUs go before arrivals, and the agent comes last and sees both.

use crate::agent::Agent;
use crate::enclave::Enclave;
use crate::policy::Policy;
use crate::topology::Topology;

mod cost;
mod deadline;
mod fault;
mod machine;
mod sharing;
mod task_table;
mod wire;
mod work;
mod workload;

pub use cost::Costs;
pub use fault::{Faults, HEARTBEAT_NS, Outage};
pub use machine::{Machine, MachineCounters};
pub use sharing::processor_sharing;
pub use work::{Arrival, Completion, ENDLESS_NS, Step};
pub use workload::{Poisson, Service, ServiceClass};

/// A simulated machine's make.
#[derive(Clone, Debug, PartialEq)]
pub struct SimOptions {
    /// Its CPUs.
    pub topology: Topology,
    /// Tasks that can live at a time; further arrivals are refused and counted.
    pub tasks_max: usize,
    /// Messages that can wait for the agent; further ones are lost and recovered.
    pub channel_capacity: usize,
    /// What things cost.
    pub costs: Costs,
    /// What goes wrong.
    pub faults: Faults,
    /// From which faults are drawn.
    pub seed: u64,
}

impl SimOptions {
    /// `cpus` alike CPUs where nothing costs anything or fails, with room for any sensible backlog.
    pub fn ideal(cpus: usize) -> Self {
        Self {
            topology: Topology::flat(cpus),
            tasks_max: 1 << 16,
            channel_capacity: 1 << 12,
            costs: Costs::ZERO,
            faults: Faults::default(),
            seed: 0,
        }
    }
}

/// A policy at work on a simulated machine.
#[derive(Debug)]
pub struct Simulation<P, A> {
    agent: Agent<P>,
    machine: Machine,
    arrivals: A,
    next_arrival: Option<Arrival>,
    /// The agent is busy until then.
    agent_free_ns: u64,
    /// When its policy wants a turn anyway.
    wake_at_ns: u64,
    /// The outage still to come, or under way.
    outage: Option<Outage>,
}

impl<P: Policy, A: Iterator<Item = Arrival>> Simulation<P, A> {
    /// A simulation of `arrivals`, which must come in order of time.
    pub fn new(options: &SimOptions, policy: P, mut arrivals: A) -> Self {
        let enclave = Enclave::new(options.topology.clone(), options.tasks_max);
        let next_arrival = arrivals.next();
        Self {
            agent: Agent::new(policy, enclave),
            machine: Machine::new(options),
            arrivals,
            next_arrival,
            agent_free_ns: 0,
            wake_at_ns: u64::MAX,
            outage: options.faults.outage,
        }
    }

    /// Runs until every task that can finish has, and reports each.
    pub fn run(&mut self, mut visit: impl FnMut(&Completion)) {
        while (self.next_arrival.is_some() || self.machine.tasks_finite() > 0)
            && self.step(u64::MAX, &mut visit)
        {}
    }

    /// Runs until `end_ns`.
    pub fn run_until(&mut self, end_ns: u64, mut visit: impl FnMut(&Completion)) {
        while self.step(end_ns, &mut visit) {}
        self.machine.advance(end_ns);
    }

    /// Lets the next thing happen, if it does so by `end_ns`.
    pub fn step(&mut self, end_ns: u64, visit: &mut impl FnMut(&Completion)) -> bool {
        let machine_ns = self.machine.next_event_ns();
        let arrival_ns = self.next_arrival.map_or(u64::MAX, |arrival| arrival.time_ns);
        let world_ns = machine_ns.min(arrival_ns);
        let agent_ns = self.turn_due_ns();
        let now_ns = world_ns.min(agent_ns);
        if now_ns == u64::MAX || now_ns > end_ns {
            return false;
        }
        self.machine.advance(now_ns.max(self.machine.now_ns()));
        if agent_ns < world_ns {
            self.turn(now_ns);
        } else if machine_ns <= arrival_ns {
            if let Some(completion) = self.machine.fire() {
                visit(&completion);
            }
        } else {
            self.take_arrival();
        }
        true
    }

    fn take_arrival(&mut self) {
        if let Some(arrival) = self.next_arrival.take() {
            self.machine.enter(&arrival);
            self.next_arrival = self.arrivals.next();
        }
    }

    /// When the agent next takes a turn; `u64::MAX` if nothing gives it cause.
    fn turn_due_ns(&self) -> u64 {
        let wire = self.machine.wire();
        let message_ns = wire.readable_ns().unwrap_or(u64::MAX);
        let lost_ns = if wire.has_lost() {
            self.agent_free_ns.saturating_add(HEARTBEAT_NS)
        } else {
            u64::MAX
        };
        let due_ns = message_ns.min(self.wake_at_ns).min(lost_ns);
        match self.outage {
            Some(outage) if due_ns.max(self.agent_free_ns) >= outage.at_ns => outage.until_ns,
            _ if due_ns == u64::MAX => u64::MAX,
            _ => due_ns.max(self.agent_free_ns),
        }
    }

    fn turn(&mut self, now_ns: u64) {
        if self.outage.is_some_and(|outage| now_ns >= outage.until_ns) {
            self.outage = None;
            self.agent.rescan(now_ns, &mut self.machine);
        }
        let turn = self.agent.turn(now_ns, &mut self.machine);
        let cost_ns = self.machine.agent_cost_ns(turn.committed + turn.failed);
        self.agent_free_ns = now_ns + cost_ns;
        self.wake_at_ns = match turn.wake_at_ns {
            // A turn that asks for another at once and costs nothing would stop time.
            Some(wake_ns) => wake_ns.max(now_ns + 1),
            None => u64::MAX,
        };
    }

    /// The agent.
    pub fn agent(&self) -> &Agent<P> {
        &self.agent
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }
}

#[cfg(test)]
mod tests;
