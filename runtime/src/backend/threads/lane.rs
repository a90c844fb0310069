//! A worker CPU as its threads and the dispatcher share it.
//!
//! One cache line a writer: the mailbox is the dispatcher's, the ownership word the owner's, the
//! beat the sentinel's. What only the owner may touch while switching is reached through a
//! [`Switch`], the proof that one is that owner.

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;

use super::mailbox::Mailbox;
use super::ownership::{Owner, Ownership, WorkerId};
use crate::channel::Producer;
use crate::cpu::CpuId;
use crate::message::Message;
use crate::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell};

/// What only the owner touches, and only while switching.
#[derive(Debug)]
struct Private {
    idle: Vec<WorkerId>,
    messages: Producer,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) cpu: CpuId,
    pub(super) mailbox: CachePadded<Mailbox>,
    pub(super) ownership: CachePadded<Ownership>,
    /// Epoch and count of the sentinel's latest unbroken run: see `sentinel`.
    pub(super) sentinel_beat: CachePadded<AtomicU64>,
    /// Workers that finished a task while this CPU was not theirs.
    pub(super) returned: ArrayQueue<WorkerId>,
    /// 1 while the sentinel naps.
    pub(super) sentinel_nap: AtomicU32,
    /// Idle workers, as the last owner left them.
    idle_count: AtomicU32,
    private: CachePadded<UnsafeCell<Private>>,
}

// SAFETY: `private` is reached through `Switch` only, whose holder owns the CPU (see `ownership`);
// everything else is atomics and queues.
unsafe impl Sync for Lane {}

impl Lane {
    /// A CPU owned by `owner`, with `idle` workers parked.
    pub(super) fn new(
        cpu: CpuId,
        owner: WorkerId,
        idle: Vec<WorkerId>,
        messages: Producer,
        workers_max: usize,
    ) -> Self {
        Self {
            cpu,
            mailbox: CachePadded::default(),
            ownership: CachePadded::new(Ownership::new(owner)),
            sentinel_beat: CachePadded::default(),
            sentinel_nap: AtomicU32::new(0),
            returned: ArrayQueue::new(workers_max),
            idle_count: AtomicU32::new(idle.len() as u32),
            private: CachePadded::new(UnsafeCell::new(Private { idle, messages })),
        }
    }

    /// How many idle workers there are for fresh requests, not counting the owner.
    pub(super) fn idle_count(&self) -> usize {
        self.idle_count.load(Ordering::Relaxed) as usize + self.returned.len()
    }

    /// Takes the switch, for a worker that another made owner.
    pub(super) fn inherit(&self, me: WorkerId) -> Switch<'_> {
        let owner = self.ownership.read();
        assert_eq!(owner.worker, me, "only an heir inherits");
        Switch { lane: self, me, epoch: owner.epoch }
    }

    /// Takes the switch back from one's own task; `None`: the CPU has another owner now.
    pub(super) fn enter(&self, me: WorkerId) -> Option<Switch<'_>> {
        let owner = self.ownership.enter(me)?;
        Some(Switch { lane: self, me, epoch: owner.epoch })
    }

    /// Takes the switch from an owner that is blocked; `None`: it came back.
    pub(super) fn usurp(&self, seen: Owner, me: WorkerId) -> Option<Switch<'_>> {
        let owner = self.ownership.usurp(seen, me)?;
        Some(Switch { lane: self, me, epoch: owner.epoch })
    }
}

/// The right to switch on a CPU: held by its owner outside tasks. Ends in [`Switch::run`] or
/// [`Switch::hand_over`].
#[derive(Debug)]
#[must_use]
pub(super) struct Switch<'l> {
    pub(super) lane: &'l Lane,
    me: WorkerId,
    /// The last command taken. Commands are taken by raising it.
    pub(super) epoch: u32,
}

impl Switch<'_> {
    fn private<R>(&mut self, touch: impl FnOnce(&mut Private) -> R) -> R {
        self.lane.private.with_mut(|private| {
            // SAFETY: a `Switch` exists only in the hands of the CPU's owner while switching, which
            // the ownership word grants to one thread at a time, with acquire and release.
            touch(unsafe { &mut *private })
        })
    }

    /// Posts a message on the CPU's ring. A full ring shows to its reader, which then rescans.
    pub(super) fn post(&mut self, message: Message) {
        let _is_lost_and_counted_by_the_reader =
            self.private(|private| private.messages.post(message));
    }

    /// Takes an idle worker off the stack.
    pub(super) fn pop_idle(&mut self) -> Option<WorkerId> {
        let returned = self.lane.returned.pop();
        let (worker, left) =
            self.private(|private| (returned.or_else(|| private.idle.pop()), private.idle.len()));
        self.lane.idle_count.store(left as u32, Ordering::Relaxed);
        worker
    }

    /// Puts a worker that is about to park on the stack.
    pub(super) fn push_idle(&mut self, worker: WorkerId) {
        let count = self.private(|private| {
            private.idle.push(worker);
            private.idle.len()
        });
        self.lane.idle_count.store(count as u32, Ordering::Relaxed);
    }

    /// Enters a task.
    pub(super) fn run(self) {
        self.lane.ownership.run(self.me, self.epoch);
    }

    /// Stays idle, showing that the command was taken.
    pub(super) fn stay_idle(&self) {
        self.lane.ownership.take(self.me, self.epoch);
    }

    /// Gives the CPU to `heir`. The caller touches nothing of the CPU afterwards.
    pub(super) fn hand_over(self, heir: WorkerId) {
        self.lane.ownership.hand_over(self.me, heir, self.epoch);
    }
}
