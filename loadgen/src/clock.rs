//! The clock of a networked run.

use std::time::Instant;

/// Time since a run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    zero: Instant,
}

impl Clock {
    /// The run begins now.
    #[expect(clippy::disallowed_methods, reason = "runs over a network are timed by the clock")]
    pub(crate) fn start() -> Self {
        Self { zero: Instant::now() }
    }

    /// Time since then.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        // A run ends long before 2^64 ns, 584 years.
        self.zero.elapsed().as_nanos() as u64
    }
}
