//! A policy of one's own on real threads: last come, first served.
//!
//! `cargo run --release --example policy`

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use revenant::cpu::CpuSet;
use revenant::enclave::Enclave;
use revenant::policy::Policy;
use revenant::task::{Task, TaskId};
use revenant::transaction::{Batch, Transaction};
use revenant::{Class, Runtime};

/// A stack of tasks instead of a queue. Under overload the newest are still answered in time, at the
/// price of the oldest, who have given up by then.
#[derive(Debug, Default)]
struct Lifo {
    stack: Vec<TaskId>,
}

impl Policy for Lifo {
    fn name(&self) -> &'static str {
        "lifo"
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.stack.clear();
        self.stack.reserve(enclave.tasks_max());
    }

    fn task_new(&mut self, _now_ns: u64, task: &Task) {
        self.stack.push(task.id);
    }

    fn schedule(&mut self, _now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        for cpu in enclave.idle().iter() {
            let waiting = std::iter::from_fn(|| self.stack.pop()).find_map(|id| enclave.queued(id));
            let Some(task) = waiting else { break };
            batch.push(Transaction::new(task.id, task.seq, cpu));
        }
        None
    }

    fn commit_failed(&mut self, _now_ns: u64, task: &Task, _transaction: &Transaction) {
        self.stack.push(task.id);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let allowed = revenant::backend::threads::placement::allowed_cpus()?;
    let one: CpuSet = allowed.iter().last().into_iter().collect();
    let mut runtime = Runtime::builder()
        .policy(Lifo::default())
        .worker_cpus(one)
        .class("work", Class::default())
        .build()?;
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let order = Arc::new(Mutex::new(Vec::new()));
    // Holds the CPU until the others have been submitted.
    let first = runtime.submit(
        "work",
        move |_| {
            while !opened.load(std::sync::atomic::Ordering::Relaxed) {}
        },
    );
    let begun = |runtime: &Runtime| runtime.stats().agent.messages >= 2;
    while !begun(&runtime) {}
    let tickets: Vec<_> = (0..5)
        .map(|number| {
            let order = Arc::clone(&order);
            runtime.submit("work", move |context| {
                context.no_preempt(|| order.lock().map(|mut order| order.push(number)).is_ok())
            })
        })
        .collect();
    while runtime.stats().agent.messages < 7 {}
    gate.store(true, std::sync::atomic::Ordering::Relaxed);
    first.wait()?;
    for ticket in tickets {
        assert!(ticket.wait()?);
    }
    let order = order.lock().map_err(|_| "a request panicked")?.clone();
    println!("submitted 0 1 2 3 4, served {order:?}");
    assert_eq!(order, [4, 3, 2, 1, 0]);
    assert_eq!(runtime.drain(Duration::from_secs(1)).leftovers, []);
    Ok(())
}
