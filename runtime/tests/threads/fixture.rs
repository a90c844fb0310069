//! What tests of an embedded runtime share, whatever its backend.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use revenant::backend::threads::placement::allowed_cpus;
use revenant::cpu::CpuSet;
use revenant::policy::Shinjuku;
use revenant::{Builder, Class, Runtime, Ticket};

/// What a hang looks like.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

/// One runtime at a time: each spins on every CPU of the machine.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime that preempts whatever runs for 50 us while somebody waits.
pub(crate) fn restless() -> Builder<Shinjuku> {
    crate::builder().policy(Shinjuku::new(50_000)).class("work", Class::default())
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < FOR_EVER, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A flag that ends endless requests.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The CPU with the highest number: a runtime confined to it has its dispatcher elsewhere.
pub(crate) fn last_cpu() -> CpuSet {
    allowed_cpus().unwrap().iter().last().into_iter().collect()
}

/// Submits endless requests that pass no safepoint, until `stop` is set.
pub(crate) fn toilers(runtime: &Runtime, count: usize, stop: &Stop) -> Vec<Ticket<()>> {
    let toiler = |_| {
        let stop = stop.clone();
        runtime.submit("work", move |_| {
            while !stop.is_set() {
                toil(Duration::from_micros(10));
            }
        })
    };
    (0..count).map(toiler).collect()
}

/// Waits for requests that should end in good order.
#[track_caller]
pub(crate) fn finish(tickets: Vec<Ticket<()>>) {
    for mut ticket in tickets {
        ticket.wait_for(FOR_EVER).unwrap();
    }
}

/// Works without a safepoint for about `time`, counted in CPU work and not by the clock.
pub(crate) fn toil(time: Duration) -> u64 {
    let mut value = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..time.as_nanos() / 2 {
        value = std::hint::black_box(value.rotate_left(5).wrapping_mul(0xff51_afd7_ed55_8ccd));
    }
    value
}
