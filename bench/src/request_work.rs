//! The work of one request, the same code on every system.

use std::hint::black_box;

use revenant_loadgen::{Calibration, Planned, Store, StoreCost};

/// What requests do when they run.
#[derive(Clone, Debug)]
pub enum RequestWork {
    /// A calibrated loop of the planned length.
    Spin(Calibration),
    /// Lookups and scans in the store.
    Kv {
        /// The store.
        store: Store,
        /// What a scan is.
        cost: StoreCost,
    },
}

/// The class of [`StoreCost::mix`] that looks up; the other scans.
const KV_GET: u16 = 0;

impl RequestWork {
    /// Does the work of the request with this index in the plan. Calls `checkpoint` about every
    /// microsecond: the place for safepoints and heartbeats.
    #[inline]
    pub fn perform(&self, request: u32, planned: &Planned, checkpoint: impl FnMut()) {
        match self {
            Self::Spin(calibration) => {
                calibration.spin(calibration.iterations(planned.service_ns), checkpoint);
            }
            Self::Kv { store, .. } if planned.class == KV_GET => {
                black_box(store.get(key_seed(request)));
            }
            Self::Kv { store, cost } => {
                black_box(store.scan(key_seed(request), cost.scan_keys, checkpoint));
            }
        }
    }
}

/// Keys all over the map, the same for the same request of every run: multiplied by a prime near 2^32
/// over the golden ratio (Knuth's multiplicative hash).
fn key_seed(request: u32) -> u64 {
    u64::from(request.wrapping_mul(0x9e37_79b1))
}
