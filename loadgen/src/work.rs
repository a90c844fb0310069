//! CPU work of a known amount.
//!
//! Work is counted in iterations of a chain of dependent arithmetic, never in time on the clock: a
//! preempted request still has all the rest of its work before it, as a real one has. The chain
//! touches no memory, so it costs the same whoever ran before it.

use std::hint::black_box;

use thiserror::Error;

use crate::stopwatch::fastest_ns;

/// How many iterations of the work loop make a microsecond on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    iterations_per_us: f64,
    /// Iterations between two checkpoints: about one microsecond.
    chunk: u64,
}

/// The machine is too unsteady to calibrate.
#[derive(Clone, Debug, Error, PartialEq)]
#[error(
    "calibrated work of {planned_ns} ns took {measured_ns:.0} ns at best in {ATTEMPTS} attempts: \
     this machine's speed changes too much; stop other load or fix the CPU frequency"
)]
pub struct CalibrationError {
    /// The work that was asked for.
    pub planned_ns: u64,
    /// What it took, at best.
    pub measured_ns: f64,
}

const ATTEMPTS: u32 = 8;

/// Length of a calibration round: long against the clock's ~50 ns, short against the 1 to 4 ms
/// between two timer ticks, so that most rounds see none.
const ROUND_ITERATIONS: u64 = 100_000;
const ROUNDS: u32 = 100;

/// Lengths that a calibration is checked at: a short request and a piece of a long one.
const VERIFY_NS: [u64; 2] = [10_000, 500_000];
/// What a check may be off: below the 10 % by which neighbours' caches move real requests.
const TOLERANCE: f64 = 0.04;

impl Calibration {
    /// Measures this machine on the calling thread's CPU; takes about 30 ms.
    ///
    /// Counts the fastest of many rounds and then checks itself against the clock, so that a noisy
    /// neighbour does not shrink everyone's requests.
    ///
    /// # Errors
    /// When several attempts disagree with their own check.
    pub fn measure() -> Result<Self, CalibrationError> {
        let mut attempt = 1;
        loop {
            let calibration = Self::measure_once();
            match calibration.verify() {
                Ok(()) => return Ok(calibration),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// A calibration known beforehand: from an earlier run on the same machine, or for tests.
    ///
    /// # Panics
    /// When `iterations_per_us` is not a positive number.
    #[must_use]
    pub fn from_iterations_per_us(iterations_per_us: f64) -> Self {
        assert!(
            iterations_per_us.is_finite() && iterations_per_us > 0.0,
            "iterations per us must be positive, not {iterations_per_us}"
        );
        Self { iterations_per_us, chunk: (iterations_per_us.round() as u64).max(1) }
    }

    fn measure_once() -> Self {
        // The first estimate has no chunks yet; the second runs exactly what requests will run.
        let guess_ns = fastest_ns(ROUNDS / 4, || black_box_chain(ROUND_ITERATIONS));
        let guess = Self::from_iterations_per_us(ROUND_ITERATIONS as f64 * 1e3 / guess_ns);
        let round_ns = fastest_ns(ROUNDS, || guess.spin(ROUND_ITERATIONS, || ()));
        Self::from_iterations_per_us(ROUND_ITERATIONS as f64 * 1e3 / round_ns)
    }

    fn verify(&self) -> Result<(), CalibrationError> {
        for planned_ns in VERIFY_NS {
            let iterations = self.iterations(planned_ns);
            let measured_ns = fastest_ns(ROUNDS / 4, || self.spin(iterations, || ()));
            if (measured_ns / planned_ns as f64 - 1.0).abs() > TOLERANCE {
                return Err(CalibrationError { planned_ns, measured_ns });
            }
        }
        Ok(())
    }

    /// Iterations that make a microsecond.
    #[must_use]
    pub fn iterations_per_us(&self) -> f64 {
        self.iterations_per_us
    }

    /// Iterations between two checkpoints of [`Calibration::spin`].
    #[must_use]
    pub fn chunk_iterations(&self) -> u64 {
        self.chunk
    }

    /// Iterations that make up a service time; at least one.
    #[must_use]
    pub fn iterations(&self, service_ns: u64) -> u64 {
        ((service_ns as f64 * self.iterations_per_us / 1e3).round() as u64).max(1)
    }

    /// Works `iterations`, calling `checkpoint` between chunks of about a microsecond: the place
    /// for safepoints and heartbeats. An empty one costs nothing.
    #[inline]
    pub fn spin(&self, iterations: u64, mut checkpoint: impl FnMut()) {
        let mut state = black_box(CHAIN_START);
        let mut left = iterations;
        while left > self.chunk {
            state = chain(state, self.chunk);
            left -= self.chunk;
            checkpoint();
        }
        black_box(chain(state, left));
    }
}

/// Any odd constant works; 0 would be a fixed point of the chain.
const CHAIN_START: u64 = 0x9e37_79b9_7f4a_7c15;

/// Each step needs the one before it, so neither a wide core nor a vectorising compiler shortens
/// it. Not inlined: every caller, and the calibration, then runs the same machine code whatever
/// surrounds it; the call costs about a nanosecond a microsecond and is calibrated in.
#[inline(never)]
fn chain(mut state: u64, iterations: u64) -> u64 {
    for _ in 0..iterations {
        state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    state
}

fn black_box_chain(iterations: u64) {
    black_box(chain(black_box(CHAIN_START), iterations));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn service_times_become_iterations() {
        let calibration = Calibration::from_iterations_per_us(600.4);
        assert_eq!(calibration.chunk_iterations(), 600);
        assert_eq!(calibration.iterations(10_000), 6_004);
        assert_eq!(calibration.iterations(0), 1);
    }

    #[test]
    fn a_chain_in_chunks_is_the_whole_chain() {
        let whole = chain(CHAIN_START, 1_000);
        assert_eq!(chain(chain(CHAIN_START, 400), 600), whole);
        assert_ne!(chain(CHAIN_START, 999), whole);
    }

    #[test]
    fn measured_work_takes_its_time() {
        // The calibration checks itself to 4 %; here the bounds only catch a loop that was
        // optimised away or a unit that is off, whatever else this machine is doing.
        let calibration = Calibration::measure().expect("a machine steady enough to calibrate");
        let iterations = calibration.iterations(200_000);
        let fastest_ns = fastest_ns(200, || calibration.spin(iterations, || ()));
        assert!((150_000.0..400_000.0).contains(&fastest_ns), "200 us took {fastest_ns} ns");
    }

    proptest! {
        #[test]
        fn checkpoints_lie_between_chunks(iterations in 1..5_000u64, per_us in 0.1..900.0f64) {
            let calibration = Calibration::from_iterations_per_us(per_us);
            let mut checkpoints = 0;
            calibration.spin(iterations, || checkpoints += 1);
            let chunks = iterations.div_ceil(calibration.chunk_iterations());
            prop_assert_eq!(checkpoints, chunks - 1);
        }
    }
}
