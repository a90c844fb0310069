//! What became of one request.

/// `done_ns` of a request that was not done when its run was ended: its latency counts as the
/// highest there is, it never vanishes from the percentiles.
pub const UNFINISHED_NS: u64 = u64::MAX;

/// The stamps of one request, all in nanoseconds from the start of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Index of its class in the mix.
    pub class: u16,
    /// When it was meant to be sent.
    pub intended_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When its work first ran.
    pub started_ns: u64,
    /// When its work was done, or [`UNFINISHED_NS`].
    pub done_ns: u64,
    /// The work it was planned to do.
    pub service_ns: u64,
    /// How often it was preempted.
    pub preempted: u32,
}

impl Sample {
    /// Whether it was done before its run was ended.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.done_ns != UNFINISHED_NS
    }

    /// Time from the intended send to done.
    #[must_use]
    pub fn latency_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.intended_ns)
    }

    /// How late it was sent.
    #[must_use]
    pub fn lateness_ns(&self) -> u64 {
        self.sent_ns.saturating_sub(self.intended_ns)
    }

    /// Latency in thousandths of its service time: 1000 is a request that met no one.
    #[must_use]
    pub fn slowdown_milli(&self) -> u64 {
        let milli = u128::from(self.latency_ns()) * 1_000 / u128::from(self.service_ns.max(1));
        u64::try_from(milli).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Sample = Sample {
        class: 0,
        intended_ns: 1_000,
        sent_ns: 1_200,
        started_ns: 2_000,
        done_ns: 26_000,
        service_ns: 10_000,
        preempted: 0,
    };

    #[test]
    fn everything_counts_from_the_intended_time() {
        assert_eq!(SAMPLE.latency_ns(), 25_000);
        assert_eq!(SAMPLE.lateness_ns(), 200);
        assert_eq!(SAMPLE.slowdown_milli(), 2_500);
    }

    #[test]
    fn unfinished_is_the_highest_latency() {
        let unfinished = Sample { done_ns: UNFINISHED_NS, service_ns: 0, ..SAMPLE };
        assert!(!unfinished.finished());
        assert!(unfinished.latency_ns() > 1 << 62);
        assert_eq!(unfinished.slowdown_milli(), u64::MAX);
    }
}
