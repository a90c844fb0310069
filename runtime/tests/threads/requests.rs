//! The runtime as an application sees it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use revenant::{BackendKind, Class, Rejected, RequestError, Runtime};

use super::{FOR_EVER, Stop, alone, last_cpu, wait_until};

fn occupy(runtime: &Runtime, class: &str) -> (Stop, revenant::Ticket<()>) {
    let stop = Stop::default();
    let stop_too = stop.clone();
    let begun = Stop::default();
    let begun_too = begun.clone();
    let ticket = runtime.submit(class, move |context| {
        begun_too.set();
        while !stop_too.is_set() && !context.is_cancelled() {
            context.safepoint();
        }
    });
    wait_until("the request begins", || begun.is_set());
    (stop, ticket)
}

#[test]
fn answers_come_back_to_whom_they_belong() {
    let _alone = alone();
    let runtime = crate::builder().class("get", Class::slo_us(100)).build().unwrap();
    let tickets: Vec<_> = (0..2_000u64).map(|n| runtime.submit("get", move |_| n * n)).collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait(), Ok((n * n) as u64));
    }
    // The stages are known a moment after the answer.
    wait_until("all is counted", || runtime.stats().classes[0].stages.total.len() == 2_000);
    let stats = runtime.stats();
    let class = &stats.classes[0];
    assert_eq!((class.counts.completed, class.counts.in_flight), (2_000, 0));
    assert_eq!(class.stages.total.len(), 2_000);
    assert!(class.stages.queued.max() <= class.stages.total.max());
}

#[test]
fn beyond_its_bound_a_class_is_overloaded_and_others_are_not() {
    let _alone = alone();
    let runtime = crate::builder()
        .class("small", Class::default().in_flight_max(1))
        .class("other", Class::default())
        .build()
        .unwrap();
    let (stop, held) = occupy(&runtime, "small");
    match runtime.submit("small", |_| ()).wait() {
        Err(RequestError::Rejected(Rejected::Overloaded { retry_after })) => {
            assert!(retry_after > Duration::ZERO);
        }
        other => panic!("{other:?}"),
    }
    runtime.submit("other", |_| ()).wait().unwrap();
    stop.set();
    held.wait().unwrap();
    runtime.submit("small", |_| ()).wait().unwrap();
    assert_eq!(runtime.stats().classes[0].counts.rejected_overloaded, 1);
}

#[test]
fn a_full_task_table_is_overload_too() {
    let _alone = alone();
    let runtime = crate::builder().class("work", Class::default()).tasks_max(1).build().unwrap();
    let (stop, held) = occupy(&runtime, "work");
    let refused = runtime.submit("work", |_| ()).wait();
    assert!(
        matches!(refused, Err(RequestError::Rejected(Rejected::Overloaded { .. }))),
        "{refused:?}"
    );
    stop.set();
    held.wait().unwrap();
}

#[test]
fn a_request_whose_deadline_passes_in_the_queue_never_begins() {
    let _alone = alone();
    let runtime = crate::builder()
        .policy(revenant::policy::Fifo::default())
        .worker_cpus(last_cpu())
        .class("slow", Class::default())
        .class("urgent", Class::default().deadline(Duration::from_millis(5)))
        .build()
        .unwrap();
    let (stop, held) = occupy(&runtime, "slow");
    let urgent = runtime.submit("urgent", |_| panic!("must not begin"));
    std::thread::sleep(Duration::from_millis(20));
    stop.set();
    held.wait().unwrap();
    assert_eq!(urgent.wait(), Err(RequestError::Rejected(Rejected::Expired)) as Result<(), _>);
    assert_eq!(runtime.stats().classes[1].counts.expired, 1);
}

#[test]
fn cancelling_is_seen_by_work_that_runs_and_stops_work_that_waits() {
    let _alone = alone();
    let runtime = crate::builder()
        .policy(revenant::policy::Fifo::default())
        .worker_cpus(last_cpu())
        .class("work", Class::default())
        .build()
        .unwrap();
    let (_never_set, running) = occupy(&runtime, "work");
    let waiting = runtime.submit("work", |_| panic!("must not begin"));
    waiting.cancel();
    running.cancel();
    assert_eq!(running.wait(), Ok(()));
    assert_eq!(waiting.wait(), Err(RequestError::Cancelled) as Result<(), _>);
}

#[test]
fn a_patient_caller_may_stop_waiting_and_come_back() {
    let _alone = alone();
    let runtime = crate::builder().class("work", Class::default()).build().unwrap();
    let (stop, mut ticket) = occupy(&runtime, "work");
    assert_eq!(ticket.wait_for(Duration::from_millis(5)), Err(RequestError::TimedOut));
    stop.set();
    assert_eq!(ticket.wait_for(FOR_EVER), Ok(()));
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_ticket_is_a_future() {
    let _alone = alone();
    let runtime = crate::builder().class("work", Class::default()).build().unwrap();
    let mut ticket = pin!(runtime.submit("work", |_| {
        super::toil(Duration::from_millis(2));
        9
    }));
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let answer = loop {
        match ticket.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => break answer,
            Poll::Pending => std::thread::park_timeout(FOR_EVER),
        }
    };
    assert_eq!(answer, Ok(9));
}

#[test]
fn a_drain_finishes_what_was_accepted_and_refuses_the_rest() {
    let _alone = alone();
    let mut runtime = crate::builder().class("work", Class::default()).build().unwrap();
    let tickets: Vec<_> = (0..50)
        .map(|n| {
            runtime.submit("work", move |_| {
                super::toil(Duration::from_micros(200));
                n
            })
        })
        .collect();
    assert_eq!(runtime.drain(FOR_EVER).leftovers, []);
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait(), Ok(n));
    }
    let late = runtime.submit("work", |_| ()).wait();
    assert_eq!(late, Err(RequestError::Rejected(Rejected::ShuttingDown)));
}

#[test]
fn a_drain_reports_what_it_left_behind() {
    let _alone = alone();
    let mut runtime = crate::builder()
        .class("deaf", Class::default())
        .class("quick", Class::default())
        .build()
        .unwrap();
    let stop = Stop::default();
    let (stop_too, begun) = (stop.clone(), Stop::default());
    let begun_too = begun.clone();
    let deaf = runtime.submit("deaf", move |_| {
        begun_too.set();
        while !stop_too.is_set() {
            super::toil(Duration::from_micros(10));
        }
    });
    wait_until("the request begins", || begun.is_set());
    runtime.submit("quick", |_| ()).wait().unwrap();
    let left = runtime.drain(Duration::from_millis(20)).leftovers;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].class.as_str(), left[0].has_begun), ("deaf", true));
    stop.set();
    assert_eq!(deaf.wait(), Ok(()), "it runs on under the kernel's scheduler");
}

#[test]
fn dropping_a_runtime_cancels_what_listens() {
    let _alone = alone();
    let runtime = crate::builder().class("work", Class::default()).build().unwrap();
    let (_never_set, ticket) = occupy(&runtime, "work");
    drop(runtime);
    assert_eq!(ticket.wait(), Ok(()));
}

#[test]
fn a_misspelt_class_is_an_error_that_names_the_known_ones() {
    let _alone = alone();
    let runtime = crate::builder().class("get", Class::default()).build().unwrap();
    let error = runtime.submit("gte", |_| ()).wait().unwrap_err().to_string();
    assert_eq!(error, "class: no class is called `gte`; there are: get");
}

#[test]
fn batch_work_leaves_at_once_when_somebody_waits_and_comes_back() {
    let _alone = alone();
    let runtime = crate::builder()
        .worker_cpus(last_cpu())
        .class("get", Class::slo_us(100))
        .class("batch", Class::batch())
        .build()
        .unwrap();
    let stop = Stop::default();
    let (stop_too, steps) = (stop.clone(), Arc::new(AtomicU64::new(0)));
    let steps_too = Arc::clone(&steps);
    let batch = runtime.submit("batch", move |context| {
        while !stop_too.is_set() {
            steps_too.fetch_add(1, Ordering::Relaxed);
            context.safepoint();
        }
    });
    for n in 0..100 {
        let before = steps.load(Ordering::Relaxed);
        wait_until("the batch task runs", || steps.load(Ordering::Relaxed) > before);
        assert_eq!(runtime.submit("get", move |_| n).wait(), Ok(n));
    }
    stop.set();
    batch.wait().unwrap();
    // On the kernel backend the policy, and what it counts, is in the agent's process.
    if runtime.backend().kind == BackendKind::Kernel {
        return;
    }
    let policy = runtime.stats().policy;
    assert!(policy.preempted_batch >= 1, "{policy:?} {:?}", runtime.stats().threads);
}
