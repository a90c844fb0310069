//! Status words: what is known of a task, readable without a call.
//!
//! # Rules of this memory
//! - One writer at a time: the one that made the version odd. Writers meet rarely (a dispatcher that
//!   notes a task as blocked, and that task, which just came back); the later one waits for a few
//!   stores, or gives up if it only wanted to note something.
//! - Any number of readers. A reader sees one writer's fields together or reads again: the version
//!   is odd while a write is under way (a seqlock). Fields are atomics, so a torn read is a wrong
//!   value that is thrown away, never undefined behaviour.

use crate::cpu::CpuId;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::task::{Seq, TaskId, TaskState};

/// A status word's contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The task's sequence number: that of the last message about it.
    pub seq: Seq,
    /// Its state.
    pub state: TaskState,
    /// Where it runs, is latched to, or ran last.
    pub cpu: CpuId,
    /// CPU time received up to its last stint's end.
    pub runtime_ns: u64,
    /// When its present stint began, if it runs.
    pub since_ns: u64,
}

/// Another writer holds the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterInTheWay;

/// A task's status word.
#[derive(Debug, Default)]
pub struct StatusWord {
    version: AtomicU64,
    id: AtomicU64,
    seq_state_cpu: AtomicU64,
    runtime_ns: AtomicU64,
    since_ns: AtomicU64,
}

/// Reads of a word under change before giving up. A write is five stores; a reader that collides
/// this often has met a writer that lost its CPU between them, and will meet it again later.
const READ_ATTEMPTS: usize = if cfg!(loom) { 1 } else { 64 };

impl StatusWord {
    /// Publishes `status` of task `id`, whatever was there.
    pub fn publish(&self, id: TaskId, status: &Status) {
        let version = loop {
            if let Some(version) = self.lock() {
                break version;
            }
            crate::sync::spin_loop();
        };
        self.write(id, status);
        self.unlock(version);
    }

    /// Changes the status of task `id` by `change`, which may decline by returning `None`. Waits for
    /// another writer. Returns what was published.
    pub fn update(
        &self,
        id: TaskId,
        mut change: impl FnMut(Status) -> Option<Status>,
    ) -> Option<Status> {
        loop {
            match self.try_update(id, &mut change) {
                Ok(published) => return published,
                Err(WriterInTheWay) => crate::sync::spin_loop(),
            }
        }
    }

    /// As [`Self::update`], but gives up if another writer is at work.
    ///
    /// # Errors
    /// [`WriterInTheWay`]: nothing was changed; try again later.
    pub fn try_update(
        &self,
        id: TaskId,
        mut change: impl FnMut(Status) -> Option<Status>,
    ) -> Result<Option<Status>, WriterInTheWay> {
        let version = self.lock().ok_or(WriterInTheWay)?;
        let (found, status) = self.fields();
        let changed = if found == id { change(status) } else { None };
        if let Some(changed) = &changed {
            self.write(id, changed);
        }
        self.unlock(version);
        Ok(changed)
    }

    fn lock(&self) -> Option<u64> {
        let version = self.version.load(Ordering::Relaxed);
        if version % 2 == 1 {
            return None;
        }
        // Acquire pairs with the release of the last `unlock`: this writer sees that one's fields.
        self.version
            .compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // Pairs with the fence in `read`: whoever sees a store of `write` sees the odd version.
        fence(Ordering::Release);
        Some(version)
    }

    fn unlock(&self, version: u64) {
        // Pairs with the first load in `read`, and with `lock`: an even version comes with the
        // fields before it.
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn write(&self, id: TaskId, status: &Status) {
        let packed = u64::from(status.seq.0)
            | u64::from(status.state as u8) << 32
            | u64::from(status.cpu.0) << 48;
        self.id.store(id.to_bits(), Ordering::Relaxed);
        self.seq_state_cpu.store(packed, Ordering::Relaxed);
        self.runtime_ns.store(status.runtime_ns, Ordering::Relaxed);
        self.since_ns.store(status.since_ns, Ordering::Relaxed);
    }

    fn fields(&self) -> (TaskId, Status) {
        let id = self.id.load(Ordering::Relaxed);
        let packed = self.seq_state_cpu.load(Ordering::Relaxed);
        let status = Status {
            seq: Seq(packed as u32),
            state: TaskState::from_bits((packed >> 32) as u8),
            cpu: CpuId((packed >> 48) as u16),
            runtime_ns: self.runtime_ns.load(Ordering::Relaxed),
            since_ns: self.since_ns.load(Ordering::Relaxed),
        };
        (TaskId::from_bits(id), status)
    }

    /// The task and its status, or `None` if a writer was in the way at every attempt.
    pub fn read(&self) -> Option<(TaskId, Status)> {
        for _ in 0..READ_ATTEMPTS {
            // Pairs with `unlock`.
            let before = self.version.load(Ordering::Acquire);
            let fields = self.fields();
            // Pairs with the fence in `lock`.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return Some(fields);
            }
            crate::sync::spin_loop();
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let word = StatusWord::default();
        let id = TaskId { index: 3, generation: 9 };
        let status = Status {
            seq: Seq(u32::MAX),
            state: TaskState::OnCpu,
            cpu: CpuId(511),
            runtime_ns: u64::MAX,
            since_ns: 5,
        };
        word.publish(id, &status);
        assert_eq!(word.read(), Some((id, status)));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn no_update_is_lost() {
        loom::model(|| {
            let word = Arc::new(StatusWord::default());
            let id = TaskId::default();
            let add = |status: Status| Some(Status { runtime_ns: status.runtime_ns + 1, ..status });
            let other = Arc::clone(&word);
            let thread = thread::spawn(move || other.update(id, add));
            let here = word.try_update(id, add);
            thread.join().unwrap();
            let total = word.read().unwrap().1.runtime_ns;
            assert_eq!(total, if here.is_ok() { 2 } else { 1 });
        });
    }

    #[test]
    fn a_reader_never_sees_half_a_write() {
        loom::model(|| {
            let word = Arc::new(StatusWord::default());
            let writer = Arc::clone(&word);
            let id = TaskId { index: 1, generation: 1 };
            let thread = thread::spawn(move || {
                for value in 1..=2 {
                    let status = Status { runtime_ns: value, since_ns: value, ..Status::default() };
                    writer.publish(id, &status);
                }
            });
            if let Some((_, status)) = word.read() {
                assert_eq!(status.runtime_ns, status.since_ns);
            }
            thread.join().unwrap();
        });
    }
}
