//! The stamps of a run's requests: written by those who handle them, read when the run is over.
//!
//! All memory is taken and touched before the run. What the generator writes lies apart from what
//! the workers write, so that sending never takes a cache line from a worker.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use revenant_loadgen::{Plan, Sample, UNFINISHED_NS};

/// Stamps by index in the plan, in nanoseconds from its start. Each has one writer at a time.
#[derive(Debug)]
pub struct Stamps {
    sent_ns: Box<[AtomicU64]>,
    served: Box<[Served]>,
}

#[derive(Debug)]
struct Served {
    started_ns: AtomicU64,
    done_ns: AtomicU64,
    preempted: AtomicU32,
}

impl Stamps {
    /// Room for the requests of a plan, none of which was sent.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        // Written as other than zero, or the kernel would hand out the pages during the run.
        let never = || AtomicU64::new(UNFINISHED_NS);
        let served =
            || Served { started_ns: never(), done_ns: never(), preempted: AtomicU32::new(0) };
        let requests = plan.requests();
        Self {
            sent_ns: requests.iter().map(|_| never()).collect(),
            served: requests.iter().map(|_| served()).collect(),
        }
    }

    /// The request was sent.
    #[inline]
    pub fn sent(&self, request: u32, now_ns: u64) {
        self.sent_ns[request as usize].store(now_ns, Ordering::Relaxed);
    }

    /// When the request was sent.
    #[must_use]
    pub fn sent_ns(&self, request: u32) -> u64 {
        self.sent_ns[request as usize].load(Ordering::Relaxed)
    }

    /// The request's work begins.
    #[inline]
    pub fn started(&self, request: u32, now_ns: u64) {
        self.served[request as usize].started_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The request was preempted once more.
    #[inline]
    pub fn preempted(&self, request: u32) {
        self.served[request as usize].preempted.fetch_add(1, Ordering::Relaxed);
    }

    /// The request's work is done.
    #[inline]
    pub fn done(&self, request: u32, now_ns: u64) {
        self.served[request as usize].done_ns.store(now_ns, Ordering::Relaxed);
    }

    /// A sample a request. To be called when the threads that stamped are joined.
    #[must_use]
    pub fn samples(&self, plan: &Plan) -> Vec<Sample> {
        let stamps = self.sent_ns.iter().zip(&self.served);
        let sample = |(planned, (sent_ns, served)): (_, (&AtomicU64, &Served))| {
            let planned: &revenant_loadgen::Planned = planned;
            Sample {
                class: planned.class,
                intended_ns: planned.intended_ns,
                sent_ns: sent_ns.load(Ordering::Relaxed),
                started_ns: served.started_ns.load(Ordering::Relaxed),
                done_ns: served.done_ns.load(Ordering::Relaxed),
                service_ns: planned.service_ns,
                preempted: served.preempted.load(Ordering::Relaxed),
            }
        };
        plan.requests().iter().zip(stamps).map(sample).collect()
    }
}
