//! Makes the disk keep what a store wrote, for all who wait for it together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Durability, StoreError};

/// How much a machine that dies may lose under [`Durability::EverySecond`].
const PERIOD: Duration = Duration::from_secs(1);

type Sync = dyn Fn() -> Result<(), StoreError> + Send + std::marker::Sync;

/// Makes the disk keep what a store has written, as often as its durability asks for.
pub(super) struct Syncer {
    durability: Durability,
    shared: Arc<Shared>,
    every_second: Option<JoinHandle<()>>,
}

struct Shared {
    sync: Box<Sync>,
    /// Changes handed to the kernel.
    written: AtomicU64,
    /// How many of them the disk has. Locked while it gets more, so that all who wait meanwhile
    /// are served by the next sync together.
    synced: Mutex<u64>,
    is_closing: Mutex<bool>,
    closing: Condvar,
}

impl Syncer {
    /// `sync` returns once the disk has all that was handed to the kernel before.
    pub(super) fn new(durability: Durability, sync: Box<Sync>) -> Self {
        let shared = Arc::new(Shared {
            sync,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
            is_closing: Mutex::new(false),
            closing: Condvar::new(),
        });
        let every_second = (durability == Durability::EverySecond).then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.sync_every_second())
        });
        Self { durability, shared, every_second }
    }

    /// A change was handed to the kernel.
    pub(super) fn note_write(&self) {
        // Release: pairs with the Acquire of `sync`; whoever sees the count sees the change.
        self.shared.written.fetch_add(1, Ordering::Release);
    }

    /// Returns once all changes noted before the call are as durable as they are to be.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        if self.durability == Durability::Always { self.shared.sync() } else { Ok(()) }
    }
}

impl Shared {
    fn sync(&self) -> Result<(), StoreError> {
        // Acquire: pairs with the Release of `note_write`.
        let wanted = self.written.load(Ordering::Acquire);
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced < wanted {
            // Those who wrote while this thread waited for the lock are served with it.
            let target = self.written.load(Ordering::Acquire);
            (self.sync)()?;
            *synced = target;
        }
        Ok(())
    }

    /// A failure shows in the writes that follow: both stores refuse them after it.
    fn sync_every_second(&self) {
        let mut is_closing = self.lock_closing();
        while !*is_closing {
            let (guard, _) = self
                .closing
                .wait_timeout(is_closing, PERIOD)
                .unwrap_or_else(PoisonError::into_inner);
            drop(guard);
            let _ = self.sync();
            is_closing = self.lock_closing();
        }
    }

    fn lock_closing(&self) -> MutexGuard<'_, bool> {
        self.is_closing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        *self.shared.lock_closing() = true;
        self.shared.closing.notify_all();
        if let Some(thread) = self.every_second.take() {
            let _ = thread.join();
        }
        // An orderly end loses nothing, whatever the durability.
        let _ = self.shared.sync();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A syncer, and how often it made the disk keep something.
    fn counted(durability: Durability) -> (Syncer, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let sync = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        (Syncer::new(durability, Box::new(sync)), count)
    }

    #[test]
    fn an_acknowledgement_waits_for_a_sync_after_its_write_and_only_for_that() {
        let (syncer, count) = counted(Durability::Always);
        syncer.settle().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 0, "nothing was written");
        for writes in 1..4 {
            syncer.note_write();
            syncer.settle().unwrap();
            syncer.settle().unwrap();
            assert_eq!(count.load(Ordering::SeqCst), writes);
        }
    }

    #[test]
    fn a_failed_sync_is_told_and_tried_again() {
        let is_broken = Arc::new(Mutex::new(true));
        let is_broken_now = Arc::clone(&is_broken);
        let error = StoreError { store: "test", action: "sync", reason: "full".to_owned() };
        let failure = error.clone();
        let sync =
            move || if *is_broken_now.lock().unwrap() { Err(failure.clone()) } else { Ok(()) };
        let syncer = Syncer::new(Durability::Always, Box::new(sync));
        syncer.note_write();
        assert_eq!(syncer.settle(), Err(error.clone()));
        assert_eq!(syncer.settle(), Err(error), "the write is still not durable");
        *is_broken.lock().unwrap() = false;
        assert_eq!(syncer.settle(), Ok(()));
    }

    #[test]
    fn an_orderly_end_syncs_whatever_the_durability() {
        for durability in [Durability::Always, Durability::EverySecond, Durability::No] {
            let (syncer, count) = counted(durability);
            syncer.note_write();
            drop(syncer);
            assert_eq!(count.load(Ordering::SeqCst), 1, "{durability:?}");
        }
    }

    #[test]
    fn those_who_wait_together_share_a_sync() {
        let (syncer, count) = counted(Durability::Always);
        let held = syncer.shared.synced.lock().unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                syncer.note_write();
            }
            let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| syncer.settle())).collect();
            drop(held);
            for thread in waiting {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
