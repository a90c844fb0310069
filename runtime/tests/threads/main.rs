//! Black-box tests of the threads backend: real threads, real signals, a real kernel.
//!
//! They check behaviour and never time: where something must happen "soon", a test waits for it,
//! with a bound that only a hang can reach.

#![allow(clippy::disallowed_methods, reason = "tests of real threads wait for real threads")]

mod blocked;
mod fallback;
mod isolation;
mod placement;
mod preempted;
mod requests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use revenant::policy::Shinjuku;
use revenant::{Builder, Class, Runtime};

/// What a hang looks like.
const FOR_EVER: Duration = Duration::from_secs(60);

/// One runtime at a time: each spins on every CPU of the machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime that preempts whatever runs for 50 us while somebody waits.
fn restless() -> Builder<Shinjuku> {
    Runtime::builder().policy(Shinjuku::new(50_000)).class("work", Class::default())
}

/// Waits until `condition` holds.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < FOR_EVER, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A flag that ends endless requests.
#[derive(Clone, Default)]
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Works without a safepoint for about `time`, counted in CPU work and not by the clock.
fn toil(time: Duration) -> u64 {
    let mut value = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..time.as_nanos() / 2 {
        value = std::hint::black_box(value.rotate_left(5).wrapping_mul(0xff51_afd7_ed55_8ccd));
    }
    value
}
