//! Processor sharing: the ideal that time slices of no length and no cost would reach.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::work::{Arrival, Completion};

/// A task, ordered by the service every task must have attained for this one to be done.
///
/// Positive floats order as their bits do.
type Goal = Reverse<(u64, usize, usize)>;

/// Runs `arrivals`, in order of time, on `cpus` CPUs that all tasks share evenly, none of them
/// getting more than one; reports each as it finishes.
///
/// All tasks progress at one rate, min(1, CPUs / tasks), so that one number, the service attained by
/// a task that was there from the start, says of each when it is done: exact, and O(log n) a task.
///
/// # Panics
/// If there is no CPU.
pub fn processor_sharing(
    cpus: usize,
    arrivals: impl IntoIterator<Item = Arrival>,
    mut visit: impl FnMut(&Completion),
) {
    assert!(cpus > 0, "processor sharing needs a CPU");
    let mut machine =
        Shared { cpus: cpus as f64, time_ns: 0.0, attained_ns: 0.0, goals: BinaryHeap::new() };
    let mut present = slab::Slab::new();
    for (order, arrival) in arrivals.into_iter().enumerate() {
        let arrived_ns = arrival.time_ns as f64;
        while machine.finish_by(arrived_ns, &mut |key, done_ns| {
            visit(&completion(&present.remove(key), done_ns));
        }) {}
        machine.pass_until(arrived_ns);
        let goal_ns = machine.attained_ns + arrival.service_ns as f64;
        machine.goals.push(Reverse((goal_ns.to_bits(), order, present.insert(arrival))));
    }
    while machine.finish_by(f64::INFINITY, &mut |key, done_ns| {
        visit(&completion(&present.remove(key), done_ns));
    }) {}
}

struct Shared {
    cpus: f64,
    time_ns: f64,
    /// Service attained by a task that was there from the start.
    attained_ns: f64,
    goals: BinaryHeap<Goal>,
}

impl Shared {
    fn rate(&self) -> f64 {
        (self.cpus / self.goals.len().max(1) as f64).min(1.0)
    }

    fn pass_until(&mut self, time_ns: f64) {
        self.attained_ns += (time_ns - self.time_ns) * self.rate();
        self.time_ns = time_ns;
    }

    /// Finishes the task that is done first, if it is by `time_ns`.
    fn finish_by(&mut self, time_ns: f64, finished: &mut impl FnMut(usize, u64)) -> bool {
        let Some(&Reverse((goal_bits, _, key))) = self.goals.peek() else {
            return false;
        };
        let goal_ns = f64::from_bits(goal_bits);
        let done_ns = self.time_ns + (goal_ns - self.attained_ns) / self.rate();
        if done_ns > time_ns {
            return false;
        }
        self.goals.pop();
        self.time_ns = done_ns;
        self.attained_ns = goal_ns;
        finished(key, done_ns.round() as u64);
        true
    }
}

fn completion(arrival: &Arrival, done_ns: u64) -> Completion {
    Completion {
        class: arrival.class,
        tier: arrival.tier,
        arrived_ns: arrival.time_ns,
        started_ns: arrival.time_ns,
        done_ns: done_ns.max(arrival.time_ns),
        service_ns: arrival.service_ns,
        preemptions: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_share_evenly_and_finish_when_arithmetic_says() {
        let arrival = |time_ns, service_ns| Arrival { time_ns, service_ns, ..Arrival::default() };
        let mut ends = Vec::new();
        // Alone for 10, shared for 20 (10 each), then the first runs its last 20 alone.
        processor_sharing(1, [arrival(0, 40), arrival(10, 10)], |c| ends.push(c.done_ns));
        assert_eq!(ends, [30, 50]);
        ends.clear();
        // Three on two CPUs progress at 2/3.
        processor_sharing(2, [arrival(0, 20), arrival(0, 20), arrival(0, 20)], |c| {
            ends.push(c.done_ns)
        });
        assert_eq!(ends, [30, 30, 30]);
    }
}
