//! Status words: what is known of a task, readable without a call.
//!
//! # Rules of this memory
//! - One writer at a time: whoever may change the task's state (its CPU's owner while it runs or is
//!   latched, the dispatcher while it is queued or blocked). Handing that right over is a
//!   release/acquire pair elsewhere (mailbox, message ring), so writers never race.
//! - Any number of readers. A reader sees one writer's four fields together or reads again: the
//!   version is odd while a write is under way (a seqlock). Fields are atomics, so a torn read is a
//!   wrong value that is thrown away, never undefined behaviour.

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
const READ_ATTEMPTS: usize = if cfg!(loom) { 3 } else { 64 };

impl StatusWord {
    /// Publishes `status` of task `id`. The caller holds the right to write (see the module's rules).
    pub fn publish(&self, id: TaskId, status: &Status) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // Pairs with the fence in `read`: whoever sees one of the stores below sees the odd version.
        fence(Ordering::Release);
        let packed = u64::from(status.seq.0)
            | u64::from(status.state as u8) << 32
            | u64::from(status.cpu.0) << 48;
        self.id.store(id.to_bits(), Ordering::Relaxed);
        self.seq_state_cpu.store(packed, Ordering::Relaxed);
        self.runtime_ns.store(status.runtime_ns, Ordering::Relaxed);
        self.since_ns.store(status.since_ns, Ordering::Relaxed);
        // Pairs with the first load in `read`: an even version comes with the fields before it.
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The task and its status, or `None` if a writer was in the way at every attempt.
    pub fn read(&self) -> Option<(TaskId, Status)> {
        for _ in 0..READ_ATTEMPTS {
            // Pairs with the last store of `publish`.
            let before = self.version.load(Ordering::Acquire);
            let id = self.id.load(Ordering::Relaxed);
            let packed = self.seq_state_cpu.load(Ordering::Relaxed);
            let runtime_ns = self.runtime_ns.load(Ordering::Relaxed);
            let since_ns = self.since_ns.load(Ordering::Relaxed);
            // Pairs with the fence in `publish`.
            fence(Ordering::Acquire);
            if before % 2 == 0 && self.version.load(Ordering::Relaxed) == before {
                let status = Status {
                    seq: Seq(packed as u32),
                    state: TaskState::from_bits((packed >> 32) as u8),
                    cpu: CpuId((packed >> 48) as u16),
                    runtime_ns,
                    since_ns,
                };
                return Some((TaskId::from_bits(id), status));
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
