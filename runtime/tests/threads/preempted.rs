//! Preempted by a signal at whatever instruction: in the allocator, in the standard library, in C.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::time::Duration;

use revenant::policy::Shinjuku;
use revenant::{Class, Context, Runtime};

use super::isolation::{in_child, is_child};
use super::{FOR_EVER, Stop, alone, finish, last_cpu, restless, wait_until};

/// Signals that each test wants to see answered in the middle of its work.
const PREEMPTIONS: u64 = 200;

/// Runs `step` in several endless requests that preempt each other by signals, until they have done
/// so often. `step` gets its request's number and the number of the step.
fn preempt_during(step: impl Fn(u64, u64) + Send + Sync + 'static) {
    let _alone = alone();
    let runtime = restless().build().unwrap();
    let (stop, step) = (Stop::default(), Arc::new(step));
    let tickets: Vec<_> = (0..4)
        .map(|request| {
            let (stop, step) = (stop.clone(), Arc::clone(&step));
            runtime.submit("work", move |_| {
                let mut steps = 0;
                while !stop.is_set() {
                    step(request, steps);
                    steps += 1;
                }
                steps
            })
        })
        .collect();
    wait_until("signals preempt the work", || {
        runtime.stats().threads.preempted_by_signal >= PREEMPTIONS
    });
    stop.set();
    for mut ticket in tickets {
        let steps = ticket.wait_for(FOR_EVER).expect("every request ends in good order");
        assert!(steps > 0, "every request makes progress");
    }
}

#[test]
fn inside_malloc() {
    preempt_during(|request, step| {
        let size = 16 + (step as usize * 37) % 5_000;
        let blocks: Vec<Vec<u8>> = (0..8).map(|_| vec![request as u8; size]).collect();
        assert!(blocks.iter().all(|block| block.iter().all(|byte| *byte == request as u8)));
    });
}

#[test]
fn inside_println() {
    if is_child() {
        return preempt_during(|request, step| println!("{request} {step} {request}"));
    }
    // In a process of its own: it prints thousands of lines.
    let output = in_child("preempted::inside_println");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = printed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let whole = lines.filter(|words| words.len() == 3 && words[0] == words[2]).count();
    assert!(whole > 1_000, "{whole} whole lines");
}

#[test]
fn inside_a_mutex() {
    let counts = Arc::new(Mutex::new((0u64, 0u64)));
    preempt_during(move |_, _| {
        let mut counts = counts.lock().unwrap();
        counts.0 += 1;
        super::toil(Duration::from_micros(2));
        counts.1 += 1;
        assert_eq!(counts.0, counts.1, "two holders at once");
    });
}

#[test]
fn inside_a_read_write_lock() {
    let map = Arc::new(RwLock::new(HashMap::new()));
    preempt_during(move |request, step| {
        if step % 8 == request {
            map.write().unwrap().insert(request, (step, step));
        } else if let Some((a, b)) = map.read().unwrap().get(&request) {
            assert_eq!(a, b);
        }
    });
}

#[test]
fn inside_a_channel() {
    let (sender, receiver) = mpsc::sync_channel(2);
    let receiver = Mutex::new(receiver);
    preempt_during(move |request, step| {
        let _full_is_fine = sender.try_send((request, step, step));
        if let Ok((_, a, b)) = receiver.lock().unwrap().try_recv() {
            assert_eq!(a, b);
        }
    });
}

thread_local! {
    static TALLY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn inside_thread_local_access() {
    preempt_during(|request, step| {
        TALLY.with_borrow_mut(|tally| {
            // A request keeps its thread, so whatever is here is its own.
            assert!(tally.iter().all(|entry| *entry == request), "somebody else's thread");
            tally.push(request);
            if step % 50 == 49 {
                tally.clear();
            }
        });
    });
}

#[test]
fn inside_page_faults() {
    preempt_during(|request, _| {
        // Fresh pages each time: large blocks are mapped and unmapped.
        let mut block = vec![0u8; 1 << 20];
        for page in block.chunks_mut(4096) {
            page[0] = request as u8;
        }
        assert!(block.chunks(4096).all(|page| page[0] == request as u8));
    });
}

#[test]
fn inside_a_c_library() {
    preempt_during(|_, step| {
        let mut numbers: Vec<u64> = (0..200).map(|n| (n * 7_919 + step) % 1_009).collect();
        extern "C" fn compare(a: *const libc::c_void, b: *const libc::c_void) -> libc::c_int {
            // SAFETY: qsort hands out pointers to two of the u64 elements it was given.
            let (a, b) = unsafe { (*a.cast::<u64>(), *b.cast::<u64>()) };
            a.cmp(&b) as libc::c_int
        }
        // SAFETY: the base, count and size describe `numbers`, and the comparison is total.
        unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 200, 8, Some(compare)) };
        assert!(numbers.is_sorted());
    });
}

#[test]
fn inside_floating_point_arithmetic() {
    preempt_during(|request, _| {
        let mut sum = 0.0f64;
        for n in 1..500 {
            sum += 1.0 / f64::from(n) * (request + 1) as f64;
        }
        let expected: f64 = (1..500).map(|n| 1.0 / f64::from(n) * (request + 1) as f64).sum();
        assert_eq!(sum, expected);
    });
}

#[test]
fn never_inside_a_no_preempt_section() {
    put_off(|context, stop, inside| {
        while !stop.is_set() {
            context.no_preempt(|| {
                let held = inside.try_lock();
                let is_alone = held.is_ok() || revenant_has_several_cpus();
                context.no_preempt(|| super::toil(Duration::from_micros(100)));
                assert!(is_alone, "preempted inside the section");
            });
        }
    });
}

#[test]
fn inside_a_no_preempt_section_only_where_it_relents() {
    put_off(|context, stop, inside| {
        context.no_preempt(|| {
            while !stop.is_set() {
                let held = inside.try_lock();
                let is_alone = held.is_ok() || revenant_has_several_cpus();
                super::toil(Duration::from_micros(100));
                assert!(is_alone, "preempted elsewhere");
                drop(held);
                context.relent();
            }
        });
    });
}

/// Runs `work` three times side by side, until preemptions were put off and then made up for. On one
/// CPU, only a holder that was preempted can make `try_lock` fail.
fn put_off(work: fn(&Context<'_>, &Stop, &Mutex<()>)) {
    let _alone = alone();
    let runtime = restless().build().unwrap();
    let stop = Stop::default();
    let inside = Arc::new(Mutex::new(()));
    let submit = |_| {
        let (stop, inside) = (stop.clone(), Arc::clone(&inside));
        runtime.submit("work", move |context| work(context, &stop, &inside))
    };
    let tickets: Vec<_> = (0..3).map(submit).collect();
    wait_until("preemptions are put off, and then not", || {
        let threads = runtime.stats().threads;
        threads.preemptions_deferred >= 20 && threads.preempted_by_safepoint >= 20
    });
    stop.set();
    for mut ticket in tickets {
        ticket.wait_for(FOR_EVER).unwrap();
    }
}

/// With more than one worker CPU two sections run side by side rightfully.
fn revenant_has_several_cpus() -> bool {
    std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 2)
}

#[test]
fn decided_before_its_first_instruction_a_preemption_is_not_lost() {
    let _alone = alone();
    // A quantum of nothing: whoever is heard to run is replaced at once, now and then before it does
    // (some times in the 300 000 below). Then nothing would ever preempt it again.
    let runtime = Runtime::builder()
        .policy(Shinjuku::new(1))
        .worker_cpus(last_cpu())
        .class("work", Class::default())
        .build()
        .unwrap();
    let stop = Stop::default();
    let tickets: Vec<_> = (0..2)
        .map(|_| {
            let stop = stop.clone();
            runtime.submit("work", move |context| {
                while !stop.is_set() {
                    context.safepoint();
                }
            })
        })
        .collect();
    wait_until("hundreds of thousands of preemptions", || {
        let threads = runtime.stats().threads;
        threads.preempted_by_safepoint + threads.preempted_by_signal >= 300_000
    });
    stop.set();
    finish(tickets);
}
