//! The doorbell of a thread that polls, and sleeps when there is nothing to poll for.
//!
//! # Rules of this memory
//! The sleeper lies down, then looks for news once more, then sleeps. Whoever has news publishes it,
//! then rings. A fence on each side orders the two pairs: either the sleeper sees the news, or the
//! ringer sees that it sleeps.

use crate::sync::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

#[derive(Debug, Default)]
pub(super) struct Doorbell(AtomicU32);

impl Doorbell {
    /// Wakes the sleeper, if there is one. After publishing what it should see.
    pub(super) fn ring(&self) {
        if self.answer() {
            #[cfg(not(loom))]
            super::futex::wake(&self.0, 1);
        }
    }

    /// Whether the sleeper must be woken. `true` obliges the caller to do it.
    pub(super) fn answer(&self) -> bool {
        // Pairs with the fence in `lie_down`.
        fence(Ordering::SeqCst);
        let is_asleep = self.is_asleep();
        if is_asleep {
            self.get_up();
        }
        is_asleep
    }

    /// Announces sleep. The sleeper must look for news once more, and get up if there is any.
    pub(super) fn lie_down(&self) {
        // Release pairs with the acquire in `is_asleep`: whoever wakes the sleeper sees how.
        self.0.store(ASLEEP, Ordering::Release);
        // Pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back.
    pub(super) fn get_up(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Sleeps until rung or `timeout` has passed. After [`Self::lie_down`].
    #[cfg(not(loom))]
    pub(super) fn sleep(&self, timeout: std::time::Duration) {
        super::futex::wait(&self.0, ASLEEP, Some(timeout));
        self.get_up();
    }

    /// Whether the sleeper sleeps, or is about to.
    pub(super) fn is_asleep(&self) -> bool {
        // Acquire pairs with the release in `lie_down`.
        self.0.load(Ordering::Acquire) == ASLEEP
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sleeper_is_woken() {
        let bell = Arc::new(Doorbell::default());
        let sleeper = Arc::clone(&bell);
        sleeper.lie_down();
        // Far longer than a test may take: only the bell ends it.
        let thread = std::thread::spawn(move || sleeper.sleep(Duration::from_secs(3_600)));
        while bell.is_asleep() {
            bell.ring();
        }
        thread.join().unwrap();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn no_news_is_slept_through() {
        loom::model(|| {
            let bell = Arc::new(Doorbell::default());
            let news = Arc::new(AtomicU32::new(0));
            let (other_bell, other_news) = (Arc::clone(&bell), Arc::clone(&news));
            let thread = thread::spawn(move || {
                other_news.store(1, Ordering::Relaxed);
                other_bell.ring();
            });
            bell.lie_down();
            let sleeps = news.load(Ordering::Relaxed) == 0;
            thread.join().unwrap();
            assert!(!sleeps || !bell.is_asleep(), "asleep with news and nobody to ring");
        });
    }
}
