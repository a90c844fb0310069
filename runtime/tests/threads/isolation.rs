//! What one request does wrong stays its own affair.

use std::process::{Command, Output};
use std::time::Duration;

use revenant::{Class, RequestError, Runtime};

use super::{FOR_EVER, Stop, alone, finish, last_cpu, restless, toilers, wait_until};

/// Set in the child processes that some tests start of themselves.
const CHILD: &str = "REVENANT_TEST_CHILD";

/// Runs the named test of this binary in a process of its own, which sees itself as the child.
pub(crate) fn in_child(test: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap()
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_panic_fails_its_request_and_the_worker_lives() {
    let _alone = alone();
    let runtime = restless().workers_per_cpu(1).build().unwrap();
    for round in 0..20 {
        let mut failed = runtime.submit("work", |_| -> u32 { panic!("on purpose") });
        assert_eq!(failed.wait_for(FOR_EVER), Err(RequestError::Panicked));
        let mut fine = runtime.submit("work", move |_| round);
        assert_eq!(fine.wait_for(FOR_EVER), Ok(round));
    }
    assert_eq!(runtime.stats().classes[0].counts.panicked, 20);
}

#[test]
fn a_panic_inside_a_no_preempt_section_does_not_outlive_it() {
    let _alone = alone();
    let runtime = restless().worker_cpus(last_cpu()).build().unwrap();
    let mut failed = runtime.submit("work", |context| {
        context.no_preempt(|| panic!("on purpose"));
    });
    assert_eq!(failed.wait_for(FOR_EVER), Err(RequestError::Panicked));
    // The same worker: were preemption still forbidden, these two could not take turns.
    let stop = Stop::default();
    let tickets = toilers(&runtime, 2, &stop);
    wait_until("they take turns", || runtime.stats().threads.preempted_by_signal >= 20);
    stop.set();
    finish(tickets);
}

#[test]
fn two_hundred_long_requests_at_once_all_finish() {
    let _alone = alone();
    let runtime = restless().build().unwrap();
    let tickets: Vec<_> = (0..200)
        .map(|number| {
            runtime.submit("work", move |_| {
                super::toil(Duration::from_millis(2));
                number
            })
        })
        .collect();
    for (number, mut ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait_for(FOR_EVER), Ok(number));
    }
}

#[test]
fn more_requests_than_threads_queue_and_none_is_lost() {
    let _alone = alone();
    let runtime = restless().workers_per_cpu(3).build().unwrap();
    let tickets: Vec<_> = (0..60)
        .map(|number| {
            runtime.submit("work", move |_| {
                super::toil(Duration::from_micros(500));
                number
            })
        })
        .collect();
    for (number, mut ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait_for(FOR_EVER), Ok(number));
    }
}

#[test]
fn an_overflowing_stack_aborts_and_says_whose() {
    if is_child() {
        #[expect(unconditional_recursion, reason = "this is the overflow")]
        fn deeper(depth: u64) -> u64 {
            let frame = std::hint::black_box([depth; 128]);
            deeper(depth + 1) + frame[0]
        }
        let runtime = restless().name("overflower").build().unwrap();
        let _never = runtime.submit("work", |_| deeper(0)).wait();
        return;
    }
    let _alone = alone();
    let output = in_child("isolation::an_overflowing_stack_aborts_and_says_whose");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("overflower-w"), "{stderr}");
    assert!(stderr.contains("has overflowed its stack"), "{stderr}");
}

#[test]
fn an_application_handler_for_the_same_signal_still_hears_of_its_own() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static HEARD: AtomicU32 = AtomicU32::new(0);
    extern "C" fn hear(_signal: libc::c_int) {
        HEARD.fetch_add(1, Ordering::Relaxed);
        // SAFETY: errno is the calling thread's own. A careless handler leaves it changed.
        unsafe { *libc::__errno_location() = libc::EDOM };
    }
    if is_child() {
        // SAFETY: the handler only adds to an atomic and sets errno.
        unsafe { libc::signal(libc::SIGURG, hear as *const () as libc::sighandler_t) };
        let runtime = restless().build().unwrap();
        let stop = Stop::default();
        let tickets = toilers(&runtime, 2, &stop);
        wait_until("requests are preempted", || runtime.stats().threads.preempted_by_signal >= 20);
        assert_eq!(HEARD.load(Ordering::Relaxed), 0, "our signals are not the application's");
        // SAFETY: has no preconditions; the process-directed signal may land on any thread.
        unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
        wait_until("the application hears", || HEARD.load(Ordering::Relaxed) == 1);
        // SAFETY: errno is the calling thread's own; raising a handled signal has no preconditions.
        let errno = unsafe {
            *libc::__errno_location() = libc::ERANGE;
            libc::raise(libc::SIGURG);
            *libc::__errno_location()
        };
        assert_eq!((HEARD.load(Ordering::Relaxed), errno), (2, libc::ERANGE), "errno survives");
        stop.set();
        finish(tickets);
        return;
    }
    let _alone = alone();
    let test = "isolation::an_application_handler_for_the_same_signal_still_hears_of_its_own";
    let output = in_child(test);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_request_may_fork_and_execute_another_program() {
    let _alone = alone();
    let runtime = restless().build().unwrap();
    let stop = Stop::default();
    let stop_too = stop.clone();
    let mut busy = runtime.submit("work", move |_| {
        while !stop_too.is_set() {
            super::toil(Duration::from_micros(10));
        }
    });
    for number in 0..10 {
        let mut ticket = runtime.submit("work", move |_| {
            let output = Command::new("echo").arg(number.to_string()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        });
        assert_eq!(ticket.wait_for(FOR_EVER).unwrap(), format!("{number}\n"));
    }
    stop.set();
    busy.wait_for(FOR_EVER).unwrap();
}

#[test]
fn two_runtimes_live_side_by_side() {
    let _alone = alone();
    let build = || Runtime::builder().class("work", Class::default()).build().unwrap();
    let (first, second) = (build(), build());
    let mut tickets: Vec<_> = (0..20)
        .flat_map(|n| [first.submit("work", move |_| n), second.submit("work", move |_| n)])
        .collect();
    for (index, ticket) in tickets.iter_mut().enumerate() {
        assert_eq!(ticket.wait_for(FOR_EVER), Ok(index / 2));
    }
}
