//! Whether a CPU's owner is blocked where the sentinel cannot see it.
//!
//! A sentinel runs only when nothing else on its CPU wants to. If a process that is not ours keeps
//! the CPU busy, it never does, and a blocked owner would keep its CPU for as long as it blocks. So
//! the owner's CPU clock is read now and then: if it stood still, the kernel is asked whether the
//! thread sleeps, or only waits for the CPU that the other process has.

use std::io::Write;

use super::clock;
use super::ownership::Owner;
use super::worker::Worker;
use crate::sync::Ordering;

/// Time between two readings: the longest that a blocked request holds up others on a CPU that is
/// not ours alone. Halved, long requests would be read (0.3 us) that much more often for nothing.
const PERIOD_NS: u64 = 5_000_000;

/// The owner's clock as last read.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    epoch: u32,
    cpu_ns: Option<u64>,
    read_ns: u64,
}

/// What a reading showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The owner used CPU time.
    Moved,
    /// It used none, and sleeps.
    Asleep,
}

impl Stillness {
    /// Reads the clock of `owner`, in its task on `worker`, if it is time to and it was read before.
    pub(super) fn read(&mut self, owner: Owner, worker: &Worker, now_ns: u64) -> Option<Reading> {
        if owner.epoch != self.epoch {
            *self = Self { epoch: owner.epoch, cpu_ns: None, read_ns: now_ns };
        }
        if now_ns.saturating_sub(self.read_ns) < PERIOD_NS {
            return None;
        }
        self.read_ns = now_ns;
        let cpu_ns = clock::thread_cpu_ns(worker.cpu_clock.load(Ordering::Relaxed));
        let before_ns = std::mem::replace(&mut self.cpu_ns, cpu_ns)?;
        if cpu_ns? > before_ns {
            return Some(Reading::Moved);
        }
        is_asleep(worker.tid.load(Ordering::Relaxed)).then_some(Reading::Asleep)
    }
}

/// Whether the kernel says that thread `tid` of this process sleeps. Neither allocates nor blocks.
pub(super) fn is_asleep(tid: libc::pid_t) -> bool {
    let mut path = [0_u8; 48];
    // The last byte stays 0 and ends the path.
    let room = path.len() - 1;
    if write!(&mut path[..room], "/proc/self/task/{tid}/stat").is_err() {
        return false;
    }
    let mut stat = [0_u8; 96];
    // SAFETY: `path` is a string that ends in 0; the descriptor is closed below.
    let file = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return false;
    }
    // SAFETY: `stat` is valid for writes of its length, and `file` is open.
    let length = unsafe { libc::read(file, stat.as_mut_ptr().cast(), stat.len()) };
    // SAFETY: `file` was opened above and is used by nobody else.
    unsafe { libc::close(file) };
    let read = &stat[..usize::try_from(length).unwrap_or(0)];
    matches!(state_of(read), Some(b'S' | b'D'))
}

/// The state letter: it follows the name, which is in parentheses and may hold any byte.
fn state_of(stat: &[u8]) -> Option<u8> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state_of(b"12 (a) R b) S 1 2"), Some(b'S'));
        assert_eq!(state_of(b"12 (worker"), None);
        assert_eq!(state_of(b""), None);
    }

    #[test]
    fn a_thread_that_waits_is_asleep_and_one_that_runs_is_not() {
        assert!(!is_asleep(super::super::placement::own_tid()));
        let (to_thread, orders) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(super::super::placement::own_tid()).unwrap();
            orders.recv().unwrap_err();
        });
        let tid = told.recv().unwrap();
        while !is_asleep(tid) {
            std::thread::yield_now();
        }
        drop(to_thread);
        thread.join().unwrap();
    }
}
