//! The crate's only clock, for the two calibrations.

use std::time::Instant;

/// Time of the fastest of `rounds` runs of `body`.
///
/// Interrupts, other processes and hosts of virtual machines only ever add time, so the fastest
/// round is the one nearest to the truth; a mean would carry the neighbours' load into every
/// calibrated request. Rounds must be short against the distance between disturbances (a tick
/// every 1 to 4 ms).
#[expect(clippy::disallowed_methods, reason = "the one place that reads a clock")]
pub(crate) fn fastest_ns(rounds: u32, mut body: impl FnMut()) -> f64 {
    let mut best_ns = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        body();
        best_ns = best_ns.min(start.elapsed().as_nanos() as f64);
    }
    best_ns
}
