//! The stall meter: gaps in the heartbeat of each CPU.
//!
//! A virtual machine's CPU can vanish for milliseconds, and the kernel runs tasks of its own. No
//! scheduler in user space can prevent that, so every report shows it: a gap of more than
//! [`STALL_NS`] between two beats of a CPU that had something to do is a stall.
//!
//! # Rules of this memory
//! A meter's `last` is written by whoever runs on its CPU; the ring by the same. Readers may come
//! at any time and see, at worst, a window that is being overwritten: counts stay right.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering};

/// A gap this long is a stall. Above the 20-130 us that a tick costs on the machines this was
/// developed on, below everything a request would not forgive.
pub const STALL_NS: u64 = 200_000;

/// Windows kept a meter; older ones are counted but forgotten. At some ten stalls a second this
/// holds more than a minute.
const WINDOWS: usize = 1024;

/// A time without progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallWindow {
    /// The last beat before it.
    pub start_ns: u64,
    /// The first beat after it.
    pub end_ns: u64,
}

/// One CPU's meter.
#[derive(Debug)]
pub struct StallMeter {
    last_ns: CachePadded<AtomicU64>,
    count: AtomicU64,
    largest_ns: AtomicU64,
    windows: Box<[(AtomicU64, AtomicU64)]>,
}

impl Default for StallMeter {
    fn default() -> Self {
        Self {
            last_ns: CachePadded::default(),
            count: AtomicU64::new(0),
            largest_ns: AtomicU64::new(0),
            windows: (0..WINDOWS).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
        }
    }
}

impl StallMeter {
    /// Progress was made at `now_ns`.
    #[inline]
    pub fn beat(&self, now_ns: u64) {
        let last_ns = self.last_ns.load(Ordering::Relaxed);
        self.last_ns.store(now_ns, Ordering::Relaxed);
        if last_ns != 0 && now_ns.saturating_sub(last_ns) > STALL_NS {
            self.record(StallWindow { start_ns: last_ns, end_ns: now_ns });
        }
    }

    /// The CPU had nothing to do until now: whatever the gap, it is no stall.
    pub fn restart(&self, now_ns: u64) {
        self.last_ns.store(now_ns, Ordering::Relaxed);
    }

    #[cold]
    fn record(&self, window: StallWindow) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.largest_ns.fetch_max(window.end_ns - window.start_ns, Ordering::Relaxed);
        let (start, end) = &self.windows[count as usize % WINDOWS];
        start.store(window.start_ns, Ordering::Relaxed);
        end.store(window.end_ns, Ordering::Relaxed);
    }

    /// Stalls so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The largest so far.
    pub fn largest_ns(&self) -> u64 {
        self.largest_ns.load(Ordering::Relaxed)
    }

    /// The latest stalls, in no particular order.
    pub fn windows(&self) -> Vec<StallWindow> {
        let kept = (self.count() as usize).min(WINDOWS);
        let read = |(start, end): &(AtomicU64, AtomicU64)| StallWindow {
            start_ns: start.load(Ordering::Relaxed),
            end_ns: end.load(Ordering::Relaxed),
        };
        self.windows[..kept].iter().map(read).collect()
    }
}

/// The meters of a dispatcher and of its worker CPUs.
#[derive(Debug)]
pub struct StallMeters {
    /// The dispatcher's.
    pub dispatcher: StallMeter,
    lanes: Box<[StallMeter]>,
}

impl StallMeters {
    /// Meters for a dispatcher and `lanes` worker CPUs.
    pub fn new(lanes: usize) -> Self {
        Self {
            dispatcher: StallMeter::default(),
            lanes: (0..lanes).map(|_| StallMeter::default()).collect(),
        }
    }

    /// The meter of the worker CPU at `index`.
    pub fn lane(&self, index: usize) -> &StallMeter {
        &self.lanes[index]
    }

    /// The worker CPUs' meters.
    pub fn lanes(&self) -> &[StallMeter] {
        &self.lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_gap_is_a_stall_unless_the_cpu_was_idle() {
        let meter = StallMeter::default();
        meter.beat(1_000_000);
        meter.beat(1_000_000 + STALL_NS);
        assert_eq!(meter.count(), 0);
        meter.beat(3_000_000);
        assert_eq!(meter.windows(), [StallWindow { start_ns: 1_200_000, end_ns: 3_000_000 }]);
        meter.restart(9_000_000);
        meter.beat(9_100_000);
        assert_eq!((meter.count(), meter.largest_ns()), (1, 1_800_000));
    }
}
