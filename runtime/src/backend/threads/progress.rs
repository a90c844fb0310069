//! How far a request has come: one word, each edge of which one thread wins.
//!
//! # Rules of this memory
//! What the submitter wrote is readable by whoever sees `Pending` or later; what the request's thread
//! left, by whoever sees `Done`. The winner of `Pending` to `Started` alone takes the work; the winner
//! of `Done` to `Free` alone frees the slot.

use crate::sync::{AtomicU32, Ordering};

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Phase {
    /// The slot is free.
    Free = 0,
    /// Accepted; nobody has begun it.
    Pending = 1,
    /// Bound to a native thread.
    Started = 2,
    /// Over; the slot waits to be retired.
    Done = 3,
}

#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU32);

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        // Acquire pairs with the releases below.
        match self.0.load(Ordering::Acquire) {
            1 => Phase::Pending,
            2 => Phase::Started,
            3 => Phase::Done,
            _ => Phase::Free,
        }
    }

    /// The slot is filled. The caller has it from the free list, so nobody else moves it.
    pub(super) fn submit(&self) {
        debug_assert_eq!(self.phase(), Phase::Free);
        // Release pairs with the acquires of `phase` and `advance`.
        self.0.store(Phase::Pending as u32, Ordering::Release);
    }

    /// Goes one edge; `false`: the request is not in `from`, or another thread was first.
    #[must_use]
    pub(super) fn advance(&self, from: Phase, to: Phase) -> bool {
        // Acquire: what was written before `from` is readable. Release: the next phase's reader sees
        // what this one did.
        self.0.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::UnsafeCell;
    use loom::{sync::Arc, thread};

    struct Slot {
        progress: Progress,
        work: UnsafeCell<u32>,
    }

    // SAFETY: for loom to judge; it reports any access the protocol does not order.
    unsafe impl Sync for Slot {}
    // SAFETY: as above.
    unsafe impl Send for Slot {}

    #[test]
    fn one_thread_takes_the_work_and_sees_it_whole() {
        loom::model(|| {
            let slot = Arc::new(Slot { progress: Progress::default(), work: UnsafeCell::new(0) });
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let slot = Arc::clone(&slot);
                    thread::spawn(move || {
                        let won = slot.progress.advance(Phase::Pending, Phase::Started);
                        // SAFETY: the winner alone takes the work; loom checks exactly that.
                        won.then(|| {
                            slot.work.with_mut(|work| unsafe { std::mem::take(&mut *work) })
                        })
                    })
                })
                .collect();
            // SAFETY: nobody reads before `submit`; loom checks exactly that.
            slot.work.with_mut(|work| unsafe { *work = 7 });
            slot.progress.submit();
            let taken: Vec<_> = takers.into_iter().filter_map(|t| t.join().unwrap()).collect();
            assert!(taken.len() <= 1 && taken.iter().all(|work| *work == 7), "{taken:?}");
        });
    }
}
