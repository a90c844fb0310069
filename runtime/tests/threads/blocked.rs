//! Requests that wait in the kernel give their CPU to others, and get it back.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use revenant::backend::threads::placement::pin;
use revenant::policy::Fifo;
use revenant::{Class, Runtime};

use super::{FOR_EVER, Stop, alone, finish, last_cpu, restless, toilers, wait_until};

/// One worker CPU and a policy that never preempts: only a blocked request makes room.
fn one_cpu() -> Runtime {
    Runtime::builder()
        .policy(Fifo::default())
        .worker_cpus(last_cpu())
        .class("work", Class::default())
        .build()
        .unwrap()
}

/// Threads that are not ours, on the worker CPU, and never idle: the sentinel gets no turn.
struct Neighbours {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Neighbours {
    fn start(count: usize) -> Self {
        let stop = Stop::default();
        let start_one = |_| {
            let (stop, begun) = (stop.clone(), Stop::default());
            let begun_too = begun.clone();
            let thread = std::thread::spawn(move || {
                pin(0, &last_cpu()).unwrap();
                begun_too.set();
                while !stop.is_set() {
                    super::toil(Duration::from_micros(10));
                }
            });
            wait_until("the neighbour runs", || begun.is_set());
            thread
        };
        let threads = (0..count).map(start_one).collect();
        Self { stop, threads }
    }

    fn end(self) {
        self.stop.set();
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// So many requests, of which none passes before all have begun.
fn wait_for_each_other(runtime: &Runtime, count: usize) {
    let barrier = Arc::new(Barrier::new(count));
    let tickets = (0..count).map(|_| {
        let barrier = Arc::clone(&barrier);
        runtime.submit("work", move |_| {
            barrier.wait();
        })
    });
    finish(tickets.collect());
}

/// A request waits in a read for what another writes, which is submitted after it: without
/// TASK_BLOCKED the second would wait for the first one, for ever.
fn a_reader_and_then_its_writer(runtime: &Runtime) {
    let (mut reader, mut writer) = UnixStream::pair().unwrap();
    let mut blocked = runtime.submit("work", move |_| {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        byte[0]
    });
    let mut other = runtime.submit("work", move |_| writer.write_all(&[7]).unwrap());
    other.wait_for(FOR_EVER).unwrap();
    assert_eq!(blocked.wait_for(FOR_EVER), Ok(7));
}

#[test]
fn a_request_runs_while_another_waits_for_it_in_a_read() {
    let _alone = alone();
    a_reader_and_then_its_writer(&one_cpu());
}

#[test]
fn a_busy_neighbour_does_not_hide_that_a_request_is_blocked() {
    let _alone = alone();
    let runtime = one_cpu();
    let neighbours = Neighbours::start(1);
    a_reader_and_then_its_writer(&runtime);
    neighbours.end();
}

#[test]
fn busy_neighbours_do_not_keep_blocked_requests_in_turn_for_the_cpu() {
    let _alone = alone();
    let runtime = one_cpu();
    let neighbours = Neighbours::start(3);
    // The first two must not take turns at finding out that they still wait for the third.
    wait_for_each_other(&runtime, 4);
    neighbours.end();
}

#[test]
fn a_lock_held_by_a_queued_request_is_waited_for_off_the_cpu() {
    let _alone = alone();
    let runtime = one_cpu();
    let lock = Arc::new(Mutex::new(0u32));
    let held = lock.lock().unwrap();
    let tickets: Vec<_> = (0..3)
        .map(|_| {
            let lock = Arc::clone(&lock);
            runtime.submit("work", move |_| *lock.lock().unwrap() += 1)
        })
        .collect();
    let mut free = runtime.submit("work", |_| ());
    free.wait_for(FOR_EVER).unwrap();
    drop(held);
    finish(tickets);
    assert_eq!(*lock.lock().unwrap(), 3);
}

#[test]
fn a_task_that_wakes_is_scheduled_again_beside_a_busy_cpu() {
    let _alone = alone();
    let runtime = restless().worker_cpus(last_cpu()).build().unwrap();
    let stop = Stop::default();
    let (mut reader, mut writer) = UnixStream::pair().unwrap();
    let woken = Stop::default();
    let (woken_too, stop_too) = (woken.clone(), stop.clone());
    // Sleeps, then computes without a safepoint: TASK_WAKEUP must bring it back under the policy.
    let mut sleeper = runtime.submit("work", move |_| {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        woken_too.set();
        while !stop_too.is_set() {
            super::toil(Duration::from_micros(10));
        }
    });
    let busy = toilers(&runtime, 2, &stop);
    wait_until("the CPU is taken from the blocked task", || {
        runtime.stats().threads.usurped_while_blocked >= 1
    });
    writer.write_all(&[1]).unwrap();
    wait_until("the sleeper runs", || woken.is_set());
    let before = runtime.stats().threads.preempted_by_signal;
    wait_until("it takes turns with the others", || {
        runtime.stats().threads.preempted_by_signal >= before + 50
    });
    stop.set();
    sleeper.wait_for(FOR_EVER).unwrap();
    finish(busy);
    let stats = runtime.stats();
    let preempted = stats.classes[0].stages.preemptions.max();
    assert!(preempted >= 1, "preempted at most {preempted} times");
}

#[test]
fn a_hundred_requests_can_be_blocked_at_once_on_one_cpu() {
    let _alone = alone();
    wait_for_each_other(&one_cpu(), 100);
}

#[test]
fn preempted_in_a_sleep_the_sleep_is_not_cut_short() {
    let _alone = alone();
    let runtime = restless().build().unwrap();
    let stop = Stop::default();
    let busy = toilers(&runtime, 2, &stop);
    for _ in 0..10 {
        let mut ticket = runtime.submit("work", |_| {
            let began = std::time::Instant::now();
            std::thread::sleep(Duration::from_millis(20));
            began.elapsed()
        });
        assert!(ticket.wait_for(FOR_EVER).unwrap() >= Duration::from_millis(20));
    }
    stop.set();
    finish(busy);
}
