//! Who owns a worker CPU: one word, and its legal edges.
//!
//! # Rules of this memory
//! The owner of a CPU, while *switching*, alone touches the CPU's idle threads and the writing end
//! of its message ring. While it is *in a task* it touches neither. Every edge that gives the right
//! away is a release, every edge that takes it an acquire, on this one word.
//!
//! | edge | from | to | by |
//! |---|---|---|---|
//! | [`Ownership::enter`] | (epoch, me, in task) | (epoch, me, switching) | the owner, from its task or a signal handler in it |
//! | [`Ownership::run`] | (_, me, switching) | (epoch, me, in task) | the owner |
//! | [`Ownership::take`] | (_, me, switching) | (epoch, me, switching) | the owner, of a command that gave it nothing to run |
//! | [`Ownership::hand_over`] | (_, me, switching) | (epoch, heir, switching) | the owner |
//! | [`Ownership::usurp`] | (epoch, other, in task) | (epoch, usurper, switching) | the sentinel or the dispatcher, when the owner is blocked in the kernel |
//!
//! An owner that was usurped finds out at its next `enter`, which fails.

use crate::sync::{AtomicU64, Ordering};

/// Names a native thread of the runtime, by its place in the table of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerId(pub(super) u16);

/// Owns a CPU between taking it from a blocked worker and passing it on: its sentinel, or the
/// dispatcher. Only one of them takes it, and so gives it away.
pub(super) const USURPER: WorkerId = WorkerId(u16::MAX);

/// What the owner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Runs the application's code, or is blocked in it.
    InTask,
    /// Runs ours.
    Switching,
}

/// The word's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The last command taken from the mailbox.
    pub(super) epoch: u32,
    /// The owner.
    pub(super) worker: WorkerId,
    /// What it does.
    pub(super) phase: Phase,
}

impl Owner {
    const fn to_bits(self) -> u64 {
        (self.epoch as u64) << 32
            | (self.worker.0 as u64) << 8
            | matches!(self.phase, Phase::Switching) as u64
    }

    const fn from_bits(bits: u64) -> Self {
        Self {
            epoch: (bits >> 32) as u32,
            worker: WorkerId((bits >> 8) as u16),
            phase: if bits & 1 == 1 { Phase::Switching } else { Phase::InTask },
        }
    }
}

/// The word.
#[derive(Debug)]
pub(super) struct Ownership(AtomicU64);

impl Ownership {
    /// Owned by `worker`, which is switching.
    pub(super) fn new(worker: WorkerId) -> Self {
        Self(AtomicU64::new(Owner { epoch: 0, worker, phase: Phase::Switching }.to_bits()))
    }

    /// The owner at some recent time. Acquire: an heir that reads itself here sees all that the
    /// last owner did (pairs with `hand_over`).
    pub(super) fn read(&self) -> Owner {
        Owner::from_bits(self.0.load(Ordering::Acquire))
    }

    /// Takes the right to switch back from one's own task. `None`: no longer the owner.
    #[must_use]
    pub(super) fn enter(&self, me: WorkerId) -> Option<Owner> {
        let now = self.read();
        if now.worker != me || now.phase != Phase::InTask {
            return None;
        }
        // Acquire on success pairs with `run`, whoever called it on this thread's behalf.
        self.exchange(now, Owner { phase: Phase::Switching, ..now })
    }

    /// Enters a task, having taken command `epoch`.
    pub(super) fn run(&self, me: WorkerId, epoch: u32) {
        debug_assert_eq!((self.read().worker, self.read().phase), (me, Phase::Switching));
        let bits = Owner { epoch, worker: me, phase: Phase::InTask }.to_bits();
        // Release pairs with the acquire of `usurp`: the usurper sees the ring and the idle threads
        // as this owner left them.
        self.0.store(bits, Ordering::Release);
    }

    /// Shows that command `epoch` was taken, without entering a task.
    #[cfg_attr(loom, expect(dead_code, reason = "the models have no lanes, which alone call it"))]
    pub(super) fn take(&self, me: WorkerId, epoch: u32) {
        self.hand_over(me, me, epoch);
    }

    /// Gives the CPU to `heir`, having taken command `epoch`. The caller touches nothing of the CPU
    /// afterwards.
    pub(super) fn hand_over(&self, me: WorkerId, heir: WorkerId, epoch: u32) {
        debug_assert_eq!((self.read().worker, self.read().phase), (me, Phase::Switching));
        let bits = Owner { epoch, worker: heir, phase: Phase::Switching }.to_bits();
        // Release pairs with the acquire in `read`.
        self.0.store(bits, Ordering::Release);
    }

    /// Takes the CPU from an owner that is blocked in its task. `None`: it came back first.
    #[must_use]
    pub(super) fn usurp(&self, seen: Owner, me: WorkerId) -> Option<Owner> {
        debug_assert_eq!(seen.phase, Phase::InTask);
        self.exchange(seen, Owner { worker: me, phase: Phase::Switching, ..seen })
    }

    fn exchange(&self, from: Owner, to: Owner) -> Option<Owner> {
        let (from, to) = (from.to_bits(), to.to_bits());
        // Acquire on success pairs with the releases of `run` and `hand_over`. Release lets the
        // next taker, which may read this very value, see what came before.
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .ok()
            .map(|_| Owner::from_bits(to))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(u16::MAX);

    #[test]
    fn only_the_owner_in_its_task_may_enter() {
        let word = Ownership::new(A);
        assert_eq!(word.enter(A), None, "already switching");
        word.run(A, 7);
        assert_eq!(word.enter(B), None, "not the owner");
        assert_eq!(word.enter(A).unwrap().epoch, 7);
        word.hand_over(A, B, 8);
        assert_eq!(word.read(), Owner { epoch: 8, worker: B, phase: Phase::Switching });
    }

    #[test]
    fn an_owner_that_was_usurped_cannot_enter() {
        let word = Ownership::new(A);
        word.run(A, 1);
        let seen = word.read();
        assert!(word.usurp(seen, B).is_some());
        assert_eq!(word.enter(A), None);
    }

    #[test]
    fn a_usurper_that_comes_late_gets_nothing() {
        let word = Ownership::new(A);
        word.run(A, 1);
        let seen = word.read();
        let _ = word.enter(A).unwrap();
        word.run(A, 2);
        assert_eq!(word.usurp(seen, B), None);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::UnsafeCell;
    use loom::{sync::Arc, thread};

    struct Cpu {
        owner: Ownership,
        /// Stands for the idle threads and the ring: loom reports two threads in it at once.
        private: UnsafeCell<u32>,
    }

    // SAFETY: for loom to judge; it reports any access that the protocol does not order.
    unsafe impl Sync for Cpu {}
    // SAFETY: as above.
    unsafe impl Send for Cpu {}

    fn touch(cpu: &Cpu) -> u32 {
        // SAFETY: called only by the owner while switching; loom checks exactly that.
        cpu.private.with_mut(|value| unsafe {
            *value += 1;
            *value
        })
    }

    #[test]
    fn the_owner_and_the_sentinel_are_never_both_switching() {
        loom::model(|| {
            let (worker, sentinel) = (WorkerId(0), WorkerId(1));
            let cpu = Arc::new(Cpu { owner: Ownership::new(worker), private: UnsafeCell::new(0) });
            touch(&cpu);
            cpu.owner.run(worker, 1);
            let other = Arc::clone(&cpu);
            let thread = thread::spawn(move || {
                let seen = other.owner.read();
                if seen.worker == worker
                    && seen.phase == Phase::InTask
                    && other.owner.usurp(seen, sentinel).is_some()
                {
                    touch(&other);
                    return true;
                }
                false
            });
            let entered = cpu.owner.enter(worker).is_some();
            if entered {
                touch(&cpu);
            }
            let usurped = thread.join().unwrap();
            assert!(entered != usurped || !usurped);
        });
    }

    #[test]
    fn an_heir_sees_what_its_predecessor_left() {
        loom::model(|| {
            let (first, heir) = (WorkerId(0), WorkerId(1));
            let cpu = Arc::new(Cpu { owner: Ownership::new(first), private: UnsafeCell::new(0) });
            let other = Arc::clone(&cpu);
            let thread = thread::spawn(move || {
                if other.owner.read().worker == heir {
                    assert_eq!(touch(&other), 2);
                }
            });
            touch(&cpu);
            cpu.owner.hand_over(first, heir, 1);
            thread.join().unwrap();
        });
    }
}
