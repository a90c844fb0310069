//! CPU work of a known length, for experiments with any client.
//!
//! Counted in iterations, never in time on the clock: a preempted request still has all the rest of
//! its work before it, as a real one has.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// Rounds of a measurement. Interrupts only ever add time, so the fastest counts; each is short
/// against the millisecond or more between two ticks.
const ROUNDS: u32 = 50;
const ROUND_ITERATIONS: u64 = 50_000;

/// Works for a given time.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    iterations_per_us: u64,
}

impl Spinner {
    /// Measures the CPU of the calling thread, once a process; takes some milliseconds.
    #[must_use]
    pub fn measured() -> Self {
        static MEASURED: OnceLock<Spinner> = OnceLock::new();
        *MEASURED.get_or_init(Self::measure)
    }

    fn measure() -> Self {
        let round = |_| {
            let start = Instant::now();
            chain(ROUND_ITERATIONS);
            start.elapsed()
        };
        let fastest = (0..ROUNDS).map(round).min().unwrap_or_default();
        let iterations = u128::from(ROUND_ITERATIONS) * 1_000 / fastest.as_nanos().max(1);
        Self { iterations_per_us: (iterations as u64).max(1) }
    }

    /// Works for `work_ns`, asking `pause` after each microsecond whether to go on.
    ///
    /// # Errors
    /// What `pause` returned.
    pub fn spin<E>(&self, work_ns: u64, pause: &mut dyn FnMut() -> Result<(), E>) -> Result<(), E> {
        for _ in 0..work_ns / 1_000 {
            chain(self.iterations_per_us);
            pause()?;
        }
        chain(self.iterations_per_us * (work_ns % 1_000) / 1_000);
        Ok(())
    }
}

/// Dependent steps (xorshift64), so that no CPU does two at a time; without memory, so that they
/// cost the same whoever ran before.
fn chain(iterations: u64) {
    let mut state = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..iterations {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_can_be_given_up_after_any_microsecond() {
        fn count(paused: &mut u32) -> Result<(), &'static str> {
            *paused += 1;
            Ok(())
        }
        let (spinner, mut paused) = (Spinner::measured(), 0);
        assert_eq!(spinner.spin(7_900, &mut || count(&mut paused)), Ok(()));
        assert_eq!(paused, 7);
        assert_eq!(spinner.spin(7_900, &mut || Err("enough")), Err("enough"));
    }
}
