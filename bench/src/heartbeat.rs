//! Heartbeats of CPUs whose threads the kernel switches.
//!
//! A [`StallMeter`] expects one writer a CPU. Here any thread may be
//! switched out between reading the clock and storing it, and would later put the meter back in
//! time: the next beat would then see a gap that never was. So the latest beat of a CPU is kept
//! beside the meter and only moves forward; the meter is told of gaps alone.
//!
//! A CPU without requests is idle, not stalled. It counts as busy again from the moment a request
//! was sent to it, so a late wake-up is a stall, as the request sees it.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use revenant::cpu::CPUS_MAX;
use revenant::stall::{STALL_NS, StallMeter, StallMeters};

use crate::affinity;
use crate::site::Site;

/// The beats of a run's CPUs. All times are those of [`crate::clock::monotonic_ns`].
#[derive(Debug)]
pub struct Heartbeats {
    meters: StallMeters,
    latest_ns: Box<[CachePadded<AtomicU64>]>,
    /// Index of a worker CPU by its number.
    lane_of_cpu: Box<[u16]>,
}

impl Heartbeats {
    /// Heartbeats of a site's CPUs, all idle.
    #[must_use]
    pub fn new(site: &Site) -> Self {
        let mut lane_of_cpu = vec![0; CPUS_MAX].into_boxed_slice();
        for (lane, cpu) in site.workers.iter().enumerate() {
            lane_of_cpu[cpu.index()] = lane as u16;
        }
        let lanes = site.workers.len();
        Self {
            meters: StallMeters::new(lanes),
            latest_ns: (0..lanes).map(|_| CachePadded::default()).collect(),
            lane_of_cpu,
        }
    }

    /// The generator made progress.
    #[inline]
    pub fn beat_generator(&self, now_ns: u64) {
        self.meters.dispatcher.beat(now_ns);
    }

    /// The calling thread's CPU made progress.
    #[inline]
    pub fn beat(&self, now_ns: u64) {
        self.beat_lane(self.lane_here(), now_ns);
    }

    /// The calling thread's CPU makes progress again; it had nothing to do until `busy_from_ns`.
    pub fn wake(&self, busy_from_ns: u64, now_ns: u64) {
        let lane = self.lane_here();
        self.latest_ns[lane].fetch_max(busy_from_ns, Ordering::Relaxed);
        self.beat_lane(lane, now_ns);
    }

    fn beat_lane(&self, lane: usize, now_ns: u64) {
        let latest_ns = self.latest_ns[lane].fetch_max(now_ns, Ordering::Relaxed);
        if latest_ns != 0 && now_ns.saturating_sub(latest_ns) > STALL_NS {
            let meter = self.meters.lane(lane);
            meter.restart(latest_ns);
            meter.beat(now_ns);
        }
    }

    fn lane_here(&self) -> usize {
        if self.latest_ns.len() == 1 {
            return 0;
        }
        usize::from(self.lane_of_cpu[affinity::here().index()])
    }

    /// The generator's meter.
    #[must_use]
    pub fn generator(&self) -> &StallMeter {
        &self.meters.dispatcher
    }

    /// The worker CPUs' meters.
    #[must_use]
    pub fn workers(&self) -> &[StallMeter] {
        self.meters.lanes()
    }
}

#[cfg(test)]
mod tests {
    use revenant::cpu::CpuId;

    use super::*;

    const MS_NS: u64 = 1_000_000;

    fn heartbeats() -> Heartbeats {
        Heartbeats::new(&Site { generator: CpuId(0), workers: vec![CpuId(1)] })
    }

    #[test]
    fn a_gap_is_a_stall() {
        let beats = heartbeats();
        beats.beat(MS_NS);
        beats.beat(MS_NS + STALL_NS);
        assert_eq!(beats.workers()[0].count(), 0);
        beats.beat(4 * MS_NS);
        let windows = beats.workers()[0].windows();
        assert_eq!((windows[0].start_ns, windows[0].end_ns), (MS_NS + STALL_NS, 4 * MS_NS));
    }

    #[test]
    fn a_late_beat_does_not_put_time_back() {
        let beats = heartbeats();
        for now_ns in [MS_NS, MS_NS + 150_000, MS_NS + 300_000, MS_NS, MS_NS + 310_000] {
            beats.beat(now_ns);
        }
        assert_eq!(beats.workers()[0].count(), 0);
    }

    #[test]
    fn idle_is_no_stall_but_a_late_wake_up_is() {
        let beats = heartbeats();
        beats.beat(MS_NS);
        beats.wake(9 * MS_NS, 9 * MS_NS + 40_000);
        assert_eq!(beats.workers()[0].count(), 0);
        beats.wake(20 * MS_NS, 21 * MS_NS);
        assert_eq!(beats.workers()[0].largest_ns(), MS_NS);
    }
}
