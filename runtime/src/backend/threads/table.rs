//! The table of requests: their work, their status words, and who has begun them.
//!
//! # Rules of this memory
//! A slot's plain fields (work, hints) are written by the submitter between taking the slot from the
//! free list and submitting it. Who reads or takes them when is the business of
//! [`Progress`].

use crossbeam_queue::ArrayQueue;

use super::ownership::WorkerId;
pub(super) use super::progress::Phase;
use super::progress::Progress;
use super::work::Work;
use crate::hint::Hints;
use crate::status::{Status, StatusWord};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, UnsafeCell};
use crate::task::{TaskId, TaskState};

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Ending {
    /// Its work returned.
    #[default]
    Completed = 0,
    /// Its work panicked.
    Panicked = 1,
    /// It was cancelled before it began.
    Cancelled = 2,
    /// Its deadline passed before it began.
    Expired = 3,
}

impl Ending {
    /// Every ending, in declaration order: for counters.
    pub const ALL: [Self; 4] = [Self::Completed, Self::Panicked, Self::Cancelled, Self::Expired];

    const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Panicked,
            2 => Self::Cancelled,
            3 => Self::Expired,
            _ => Self::Completed,
        }
    }
}

/// A finished request, with the stamps of its stages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Completion {
    /// Which.
    pub task: TaskId,
    /// What was said of it.
    pub hints: Hints,
    /// The token it was admitted with; 0 for closures.
    pub token: u64,
    /// How it ended.
    pub ending: Ending,
    /// When it was meant to arrive.
    pub arrived_ns: u64,
    /// When it was admitted.
    pub admitted_ns: u64,
    /// When it first ran; the end, if it never did.
    pub started_ns: u64,
    /// When it ended.
    pub done_ns: u64,
    /// CPU time it held a CPU for.
    pub runtime_ns: u64,
    /// Times it was preempted.
    pub preemptions: u32,
}

/// One request's place.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) status: StatusWord,
    pub(super) worker: AtomicU32,
    pub(super) cancelled: AtomicBool,
    /// Its class has counted it as over.
    pub(super) is_counted: AtomicBool,
    pub(super) started_ns: AtomicU64,
    pub(super) done_ns: AtomicU64,
    pub(super) preemptions: AtomicU32,
    ending: AtomicU32,
    progress: Progress,
    generation: AtomicU32,
    submission: UnsafeCell<Submission>,
}

/// What the submitter wrote.
#[derive(Debug, Default)]
pub(crate) struct Submission {
    pub(crate) hints: Hints,
    pub(crate) arrived_ns: u64,
    pub(crate) admitted_ns: u64,
    pub(crate) token: u64,
    pub(crate) work: Work,
}

// SAFETY: `submission` is reached only under the rules of this memory; the rest is atomics.
unsafe impl Sync for Slot {}

impl Slot {
    fn new() -> Self {
        Self {
            status: StatusWord::default(),
            worker: AtomicU32::new(0),
            cancelled: AtomicBool::new(false),
            is_counted: AtomicBool::new(false),
            started_ns: AtomicU64::new(0),
            done_ns: AtomicU64::new(0),
            preemptions: AtomicU32::new(0),
            ending: AtomicU32::new(0),
            progress: Progress::default(),
            generation: AtomicU32::new(0),
            submission: UnsafeCell::new(Submission::default()),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.progress.phase()
    }

    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase() == phase
    }

    pub(super) fn id(&self, index: usize) -> TaskId {
        TaskId { index: index as u32, generation: self.generation.load(Ordering::Relaxed) }
    }

    /// What was said of the request, while it lives.
    pub(super) fn hints(&self) -> Hints {
        // SAFETY: written before `Pending` was stored; callers hold an id they got after that, and
        // the slot is not reused before its retirement, which only its id's last reader does.
        self.submission.with(|submission| unsafe { (*submission).hints })
    }

    /// When it was meant to arrive, while it lives.
    pub(super) fn arrived_ns(&self) -> u64 {
        // SAFETY: as for `hints`.
        self.submission.with(|submission| unsafe { (*submission).arrived_ns })
    }

    /// Takes the work to begin it; `None`: somebody has.
    pub(super) fn begin(&self, worker: WorkerId) -> Option<Work> {
        if !self.progress.advance(Phase::Pending, Phase::Started) {
            return None;
        }
        self.worker.store(u32::from(worker.0), Ordering::Relaxed);
        // SAFETY: the swap above was won, so this thread alone may take the work.
        Some(
            self.submission
                .with_mut(|submission| unsafe { std::mem::take(&mut (*submission).work) }),
        )
    }

    /// The thread the request is bound to, if it has begun.
    pub(super) fn bound_to(&self) -> Option<WorkerId> {
        self.is_in(Phase::Started).then(|| WorkerId(self.worker.load(Ordering::Relaxed) as u16))
    }

    /// Ends the request.
    pub(super) fn finish(&self, ending: Ending, now_ns: u64) {
        self.ending.store(ending as u32, Ordering::Relaxed);
        self.done_ns.store(now_ns, Ordering::Relaxed);
        let finished = self.progress.advance(Phase::Started, Phase::Done);
        debug_assert!(finished, "only a started request ends, and only once");
    }

    fn completion(&self, task: TaskId) -> Completion {
        let runtime_ns = self.status.read().map_or(0, |(_, status)| status.runtime_ns);
        // SAFETY: `Done` was seen (acquire) and the slot is not yet retired, so nobody writes it.
        self.submission.with(|submission| unsafe {
            Completion {
                task,
                hints: (*submission).hints,
                token: (*submission).token,
                ending: Ending::from_bits(self.ending.load(Ordering::Relaxed)),
                arrived_ns: (*submission).arrived_ns,
                admitted_ns: (*submission).admitted_ns,
                started_ns: self.started_ns.load(Ordering::Relaxed),
                done_ns: self.done_ns.load(Ordering::Relaxed),
                runtime_ns,
                preemptions: self.preemptions.load(Ordering::Relaxed),
            }
        })
    }
}

/// Free slots that are used again first. They fit a CPU's own cache (100 KB), where a queue of all
/// slots would lead every request through memory that went cold long ago. Halved, bursts would miss
/// it; doubled four times, it would no longer fit beside what requests themselves need.
const HOT_SLOTS: usize = 256;

/// All slots, and the free ones.
#[derive(Debug)]
pub(super) struct Table {
    slots: Box<[Slot]>,
    hot: ArrayQueue<u32>,
    cold: ArrayQueue<u32>,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        let table = Self {
            slots: (0..capacity).map(|_| Slot::new()).collect(),
            hot: ArrayQueue::new(HOT_SLOTS),
            cold: ArrayQueue::new(capacity),
        };
        (0..capacity as u32).for_each(|index| table.free(index));
        table
    }

    fn free(&self, index: u32) {
        if let Err(index) = self.hot.push(index) {
            self.cold.push(index).expect("there is room for every slot, and each is freed once");
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The slot at `index`, whoever has it now.
    pub(super) fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    /// The slot of `task`, if it still is that task's.
    pub(super) fn get(&self, task: TaskId) -> Option<&Slot> {
        let slot = self.slots.get(task.index as usize)?;
        (slot.id(task.index as usize) == task).then_some(slot)
    }

    /// Every slot with the id it has now.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &Slot)> {
        self.slots.iter().enumerate().map(|(index, slot)| (slot.id(index), slot))
    }

    /// Takes a free slot for `submission`; gives it back if there is none.
    pub(super) fn submit(&self, submission: Submission) -> Result<TaskId, Submission> {
        let Some(index) = self.hot.pop().or_else(|| self.cold.pop()) else {
            return Err(submission);
        };
        let slot = self.slot(index);
        let generation = slot.generation.load(Ordering::Relaxed).wrapping_add(1);
        slot.generation.store(generation, Ordering::Relaxed);
        let task = TaskId { index, generation };
        slot.cancelled.store(false, Ordering::Relaxed);
        slot.is_counted.store(false, Ordering::Relaxed);
        slot.started_ns.store(0, Ordering::Relaxed);
        slot.preemptions.store(0, Ordering::Relaxed);
        slot.status.publish(task, &Status { state: TaskState::Queued, ..Status::default() });
        // SAFETY: the slot came from the free list, so this thread alone has it.
        slot.submission.with_mut(|place| unsafe { *place = submission });
        slot.progress.submit();
        Ok(task)
    }

    /// Frees the slot of a finished request and returns its story; `None`: it is not finished, or
    /// somebody else retired it.
    pub(super) fn retire(&self, task: TaskId) -> Option<Completion> {
        let slot = self.get(task)?;
        if !slot.is_in(Phase::Done) {
            return None;
        }
        let completion = slot.completion(task);
        // The winner of this swap alone frees the slot; a loser's completion is thrown away.
        slot.progress.advance(Phase::Done, Phase::Free).then(|| {
            self.free(task.index);
            completion
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(table: &Table) -> Option<TaskId> {
        table.submit(Submission::default()).ok()
    }

    #[test]
    fn a_full_table_refuses_and_a_retired_slot_is_reused_under_a_new_id() {
        let table = Table::new(1);
        let first = submit(&table).unwrap();
        assert!(submit(&table).is_none());
        let slot = table.get(first).unwrap();
        assert!(slot.begin(WorkerId(3)).is_some());
        assert_eq!(slot.bound_to(), Some(WorkerId(3)));
        assert!(slot.begin(WorkerId(4)).is_none(), "begun once");
        assert!(table.retire(first).is_none(), "still runs");
        slot.finish(Ending::Panicked, 9);
        let completion = table.retire(first).unwrap();
        assert_eq!((completion.ending, completion.done_ns), (Ending::Panicked, 9));
        assert!(table.retire(first).is_none(), "retired once");
        let second = submit(&table).unwrap();
        assert_ne!(first, second);
        assert!(table.get(first).is_none());
    }
}
