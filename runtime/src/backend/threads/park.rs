//! Parking a native thread until it is told what to do next.
//!
//! # Rules of this memory
//! The thread stores `PARKED` *before* it tells anyone that it can be resumed, and reads nothing of
//! its CPU afterwards. Exactly one resumer wins: the one whose compare-and-swap turns `PARKED` into
//! `CLAIMED`. It then prepares what the thread will find, and resumes it.

use crate::sync::{AtomicU32, Ordering};

/// Why a thread was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// It owns the CPU now; its orders lie with it.
    AsOwner,
    /// It goes on with its task outside our scheduling, under the kernel's.
    Released,
    /// It should end.
    Stop,
}

const RUNNING: u32 = 0;
const PARKED: u32 = 1;
const AS_OWNER: u32 = 2;
const RELEASED: u32 = 3;
const STOP: u32 = 4;
const CLAIMED: u32 = 5;

/// The word a native thread parks on.
#[derive(Debug, Default)]
pub(super) struct ParkWord(AtomicU32);

impl ParkWord {
    /// Announces that the thread is about to park; from here on it can be resumed.
    pub(super) fn prepare(&self) {
        // Release pairs with the acquire in `claim`: the resumer sees where the thread left off.
        self.0.store(PARKED, Ordering::Release);
    }

    /// Sleeps until resumed. After [`Self::prepare`].
    #[cfg(not(loom))]
    pub(super) fn park(&self) -> Resume {
        loop {
            if let Some(resume) = self.take() {
                return resume;
            }
            let seen = self.0.load(Ordering::Relaxed);
            if seen == PARKED || seen == CLAIMED {
                super::futex::wait(&self.0, seen, None);
            }
        }
    }

    /// Why it was resumed, if it was.
    fn take(&self) -> Option<Resume> {
        // Acquire pairs with the store in `resume`: the thread sees what was prepared for it.
        let resume = match self.0.load(Ordering::Acquire) {
            AS_OWNER => Resume::AsOwner,
            RELEASED => Resume::Released,
            STOP => Resume::Stop,
            _ => return None,
        };
        self.0.store(RUNNING, Ordering::Relaxed);
        Some(resume)
    }

    /// Takes the right to resume the thread; `false`: it is not parked, or another was first.
    #[must_use]
    pub(super) fn claim(&self) -> bool {
        // Acquire pairs with `prepare`.
        self.0.compare_exchange(PARKED, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Resumes the thread. After a successful [`Self::claim`].
    pub(super) fn resume(&self, why: Resume) {
        debug_assert_eq!(self.0.load(Ordering::Relaxed), CLAIMED);
        let bits = match why {
            Resume::AsOwner => AS_OWNER,
            Resume::Released => RELEASED,
            Resume::Stop => STOP,
        };
        // Release pairs with the acquire in `take`.
        self.0.store(bits, Ordering::Release);
        #[cfg(not(loom))]
        super::futex::wake(&self.0, 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn one_resumer_wins_and_none_is_forgotten() {
        loom::model(|| {
            let word = Arc::new(ParkWord::default());
            word.prepare();
            let threads: Vec<_> = [Resume::AsOwner, Resume::Released]
                .into_iter()
                .map(|why| {
                    let word = Arc::clone(&word);
                    thread::spawn(move || {
                        let won = word.claim();
                        if won {
                            word.resume(why);
                        }
                        won
                    })
                })
                .collect();
            let won: Vec<bool> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            let expected = if won[0] { Resume::AsOwner } else { Resume::Released };
            assert_eq!(won.iter().filter(|won| **won).count(), 1);
            assert_eq!(word.take(), Some(expected));
            assert_eq!(word.take(), None);
        });
    }
}
