//! Which CPUs a runtime uses.

use revenant::backend::threads::placement::{allowed_cpus, pin};
use revenant::cpu::{CpuId, CpuSet};
use revenant::policy::{Demotion, Shinjuku, TwoQueue, TwoQueueOptions};
use revenant::{BuildError, Class, Runtime};

use super::{FOR_EVER, alone};

/// Runs `body` on a thread that may use only `cpus`, as taskset or a cpuset would arrange.
fn confined_to(cpus: CpuSet, body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        pin(0, &cpus).unwrap();
        body();
    })
    .join()
    .unwrap();
}

#[test]
fn one_cpu_is_enough_and_the_runtime_says_that_it_is_degraded() {
    let _alone = alone();
    let one = allowed_cpus().unwrap().first().into_iter().collect();
    confined_to(one, || {
        let runtime = super::restless().build().unwrap();
        assert!(runtime.is_degraded() && runtime.stats().is_degraded);
        let tickets: Vec<_> = (0..20)
            .map(|number| {
                runtime.submit("work", move |_| {
                    super::toil(std::time::Duration::from_micros(300));
                    number
                })
            })
            .collect();
        for (number, mut ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait_for(FOR_EVER), Ok(number));
        }
    });
}

#[test]
fn on_one_cpu_long_requests_are_preempted_too() {
    let _alone = alone();
    let one = allowed_cpus().unwrap().first().into_iter().collect();
    confined_to(one, || {
        let runtime = super::restless().build().unwrap();
        let stop = super::Stop::default();
        let stop_too = stop.clone();
        let mut endless = runtime.submit("work", move |_| {
            while !stop_too.is_set() {
                super::toil(std::time::Duration::from_micros(10));
            }
        });
        let mut short = runtime.submit("work", |_| 5);
        assert_eq!(short.wait_for(FOR_EVER), Ok(5));
        stop.set();
        endless.wait_for(FOR_EVER).unwrap();
    });
}

#[test]
fn requests_run_on_worker_cpus_only() {
    let _alone = alone();
    let allowed = allowed_cpus().unwrap();
    let last: CpuSet = allowed.iter().last().into_iter().collect();
    let runtime = super::restless().worker_cpus(last).build().unwrap();
    for _ in 0..20 {
        // SAFETY: has no preconditions.
        let mut ticket = runtime.submit("work", |_| unsafe { libc::sched_getcpu() });
        let cpu = CpuId(ticket.wait_for(FOR_EVER).unwrap() as u16);
        assert!(last.contains(cpu), "ran on {cpu}");
    }
}

#[test]
fn a_wrong_choice_is_an_error_that_names_the_setting() {
    let builder = || Runtime::builder().class("work", Class::default());
    let far: CpuSet = [CpuId(511)].into_iter().collect();
    let reversed = TwoQueueOptions {
        demotion: Demotion::Adaptive { min_ns: 2, max_ns: 1 },
        ..TwoQueueOptions::default()
    };
    let errors: [(Result<Runtime, BuildError>, &str); 10] = [
        (builder().worker_cpus(CpuSet::EMPTY).build(), "worker_cpus: no CPUs"),
        (builder().worker_cpus(far).build(), "worker_cpus: CPUs 511"),
        (builder().dispatcher_cpu(CpuId(511)).build(), "dispatcher_cpu: CPUs 511"),
        (builder().policy(Shinjuku::new(0)).build(), "quantum_ns must not be zero"),
        (builder().policy(TwoQueue::new(reversed)).build(), "two_queue.demotion"),
        (builder().workers_per_cpu(0).build(), "workers_per_cpu: must not be zero"),
        (builder().workers_per_cpu(1 << 20).build(), "workers_per_cpu: 1048576 is above"),
        (builder().tasks_max(0).build(), "tasks_max"),
        (Runtime::builder().build(), "class: name at least one"),
        (builder().class("work", Class::batch()).build(), "`work` is named twice"),
    ];
    for (result, expected) in errors {
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_preempted_request_goes_on_on_whichever_cpu_is_free() {
    let _alone = alone();
    let all = allowed_cpus().unwrap();
    assert!(all.len() >= 2, "this test needs two CPUs, and there are {all}");
    // The dispatcher shares one of them: degraded, but with two CPUs for requests.
    let runtime = super::restless().worker_cpus(all).build().unwrap();
    let stop = super::Stop::default();
    let tickets = super::toilers(&runtime, 3, &stop);
    super::wait_until("requests move", || runtime.stats().threads.migrations >= 20);
    stop.set();
    super::finish(tickets);
}
