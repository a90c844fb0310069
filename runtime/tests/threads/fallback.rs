//! Without an agent the kernel schedules, and nothing that was accepted is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use revenant::enclave::Enclave;
use revenant::policy::{Policy, Shinjuku};
use revenant::task::Task;
use revenant::transaction::{Batch, Transaction};
use revenant::{Class, Runtime};

use super::{FOR_EVER, Stop, alone, finish, wait_until};

/// A policy that can be told to hang, or to panic, in the middle of a turn.
#[derive(Debug)]
struct Frail {
    healthy: Shinjuku,
    hang: Arc<AtomicBool>,
    panic: Arc<AtomicBool>,
}

/// Forwards callbacks that take a task.
macro_rules! forward {
    ($($callback:ident),+) => {
        $(fn $callback(&mut self, now_ns: u64, task: &Task) {
            self.healthy.$callback(now_ns, task);
        })+
    };
}

impl Policy for Frail {
    fn name(&self) -> &'static str {
        "frail"
    }

    fn attach(&mut self, enclave: &Enclave) {
        self.healthy.attach(enclave);
    }

    forward!(task_new, task_wakeup, task_preempted, task_yield, task_latch_failed);
    forward!(task_blocked, task_on_cpu, task_dead);

    fn schedule(&mut self, now_ns: u64, enclave: &Enclave, batch: &mut Batch) -> Option<u64> {
        while self.hang.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!self.panic.load(Ordering::Relaxed), "told to");
        self.healthy.schedule(now_ns, enclave, batch)
    }

    fn commit_failed(&mut self, now_ns: u64, task: &Task, transaction: &Transaction) {
        self.healthy.commit_failed(now_ns, task, transaction);
    }
}

struct Patient {
    runtime: Runtime,
    hang: Arc<AtomicBool>,
    panic: Arc<AtomicBool>,
}

fn patient() -> Patient {
    let (hang, panic) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let policy = Frail {
        healthy: Shinjuku::new(50_000),
        hang: Arc::clone(&hang),
        panic: Arc::clone(&panic),
    };
    let runtime =
        Runtime::builder().policy(policy).class("work", Class::default()).build().unwrap();
    Patient { runtime, hang, panic }
}

/// Endless requests in all states: running, parked in their middle, not begun.
fn crowd(runtime: &Runtime, stop: &Stop) -> (Arc<AtomicU64>, Vec<revenant::Ticket<()>>) {
    let steps = Arc::new(AtomicU64::new(0));
    let tickets = (0..5)
        .map(|_| {
            let (stop, steps) = (stop.clone(), Arc::clone(&steps));
            runtime.submit("work", move |_| {
                while !stop.is_set() {
                    super::toil(Duration::from_micros(10));
                    steps.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    wait_until("requests are preempted", || runtime.stats().threads.preempted_by_signal >= 20);
    (steps, tickets)
}

fn goes_on_without_an_agent(patient: &Patient, stop: &Stop, tickets: Vec<revenant::Ticket<()>>) {
    let runtime = &patient.runtime;
    // Accepted before anybody noticed, and after.
    let early = runtime.submit("work", |_| 1);
    wait_until("the fallback", || runtime.stats().is_orphaned);
    let late = runtime.submit("work", |_| 2);
    for (mut ticket, answer) in [(early, 1), (late, 2)] {
        assert_eq!(ticket.wait_for(FOR_EVER), Ok(answer), "served by the kernel's scheduler");
    }
    stop.set();
    for mut ticket in tickets {
        ticket.wait_for(FOR_EVER).expect("parked requests go on");
    }
    let stats = runtime.stats();
    assert!(stats.threads.fallbacks >= 1 && stats.threads.released_to_kernel >= 1);
    wait_until("all is over", || runtime.stats().classes[0].counts.in_flight == 0);
}

#[test]
fn a_dispatcher_that_panics_leaves_the_work_to_the_kernel() {
    let _alone = alone();
    let patient = patient();
    let stop = Stop::default();
    let (_, tickets) = crowd(&patient.runtime, &stop);
    patient.panic.store(true, Ordering::Relaxed);
    goes_on_without_an_agent(&patient, &stop, tickets);
    // The watchdog may have been quicker than the panic's own report.
    wait_until("the panic is counted", || patient.runtime.stats().threads.agent_panics == 1);
    assert!(patient.runtime.stats().is_orphaned, "nobody is left to take it back");
}

#[test]
fn a_dispatcher_that_hangs_leaves_the_work_to_the_kernel_and_takes_it_back() {
    let _alone = alone();
    let patient = patient();
    let stop = Stop::default();
    let (_, tickets) = crowd(&patient.runtime, &stop);
    patient.hang.store(true, Ordering::Relaxed);
    goes_on_without_an_agent(&patient, &stop, tickets);

    patient.hang.store(false, Ordering::Relaxed);
    wait_until("the recovery", || !patient.runtime.stats().is_orphaned);
    let before = patient.runtime.stats().threads.preempted_by_signal;
    let stop = Stop::default();
    let (steps, tickets) = crowd(&patient.runtime, &stop);
    wait_until("the agent preempts again", || {
        patient.runtime.stats().threads.preempted_by_signal >= before + 20
    });
    assert!(steps.load(Ordering::Relaxed) > 0);
    stop.set();
    finish(tickets);
}

#[test]
fn requests_in_their_middle_survive_several_fallbacks() {
    let _alone = alone();
    let patient = patient();
    let stop = Stop::default();
    let (steps, tickets) = crowd(&patient.runtime, &stop);
    for _ in 0..3 {
        patient.hang.store(true, Ordering::Relaxed);
        wait_until("the fallback", || patient.runtime.stats().is_orphaned);
        let before = steps.load(Ordering::Relaxed);
        wait_until("work goes on", || steps.load(Ordering::Relaxed) > before + 1_000);
        patient.hang.store(false, Ordering::Relaxed);
        wait_until("the recovery", || !patient.runtime.stats().is_orphaned);
        let mut fresh = patient.runtime.submit("work", |_| ());
        fresh.wait_for(FOR_EVER).unwrap();
    }
    stop.set();
    finish(tickets);
    wait_until("all is over", || patient.runtime.stats().classes[0].counts.in_flight == 0);
}

#[test]
fn a_runtime_without_an_agent_drains_and_ends() {
    let _alone = alone();
    let mut patient = patient();
    patient.panic.store(true, Ordering::Relaxed);
    wait_until("the fallback", || patient.runtime.stats().is_orphaned);
    let ticket = patient.runtime.submit("work", |_| 3);
    assert_eq!(patient.runtime.drain(FOR_EVER).leftovers, []);
    assert_eq!(ticket.wait(), Ok(3));
}
