//! Tasks: what a policy schedules, and the states they go through.

use std::fmt;

use crate::cpu::CpuId;
use crate::hint::Hints;

/// Names a task for as long as it lives.
///
/// The index is reused after the task's death, the generation is not: an id kept too long is
/// *detectably* stale instead of naming a stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Place in the task table.
    pub index: u32,
    /// How many tasks had this place before.
    pub generation: u32,
}

impl TaskId {
    /// Whether this task got its place in the table after `other` had died there.
    pub const fn is_heir_of(self, other: Self) -> bool {
        self.index == other.index && (self.generation.wrapping_sub(other.generation) as i32) > 0
    }

    /// The id as one word, for shared memory.
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The id a word of shared memory holds.
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A sequence number: every message about a task adds one to the task's.
///
/// Wraps; compared only for equality and, over the short distance of one channel, for age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether this number was given out after `other`, as long as they are less than 2^31 apart.
    pub const fn is_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) > 0
    }
}

/// Where a task is in its life.
///
/// | from | to | by |
/// |---|---|---|
/// | (new) | `Queued`, `Blocked` | TASK_NEW |
/// | `Queued` | `Latched` | a committed transaction |
/// | `Latched` | `OnCpu` | TASK_ON_CPU |
/// | `Latched` | `Queued` | TASK_LATCH_FAILED |
/// | `OnCpu` | `Queued` | TASK_PREEMPTED, TASK_YIELD |
/// | `OnCpu` | `Blocked` | TASK_BLOCKED |
/// | `Blocked` | `Queued` | TASK_WAKEUP |
/// | `Queued` | `OnCpu` | TASK_ON_CPU: it woke on a CPU nobody had taken meanwhile |
/// | any | `Dead` | TASK_DEAD, TASK_DEPARTED |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TaskState {
    /// Gone; the place in the table is free.
    #[default]
    Dead,
    /// Waits for an event outside the scheduler.
    Blocked,
    /// Runnable, waiting for a transaction.
    Queued,
    /// A transaction put it on a CPU; it has not begun to run there.
    Latched,
    /// Runs.
    OnCpu,
}

impl TaskState {
    /// The state a word of shared memory holds; anything unknown reads as `Dead`.
    pub const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Blocked,
            2 => Self::Queued,
            3 => Self::Latched,
            4 => Self::OnCpu,
            _ => Self::Dead,
        }
    }
}

/// What the agent knows of a task: its image of the status word plus its hints.
#[derive(Clone, Copy, Debug, Default)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The sequence number of the last message read about it; transactions name it.
    pub seq: Seq,
    /// Its state as of that message, or `Latched` by a committed transaction.
    pub state: TaskState,
    /// What the application said about it.
    pub hints: Hints,
    /// When it entered the enclave.
    pub arrived_ns: u64,
    /// CPU time it had received when it last stopped running: in its life, or, where tasks are
    /// threads that serve one job after another, since it last woke up. See
    /// [`crate::Enclave::attained_ns`].
    pub runtime_ns: u64,
    /// Times it was preempted.
    pub preemptions: u32,
    /// The CPU it runs on, is latched to, or last ran on.
    pub cpu: Option<CpuId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_a_word_of_shared_memory() {
        let id = TaskId { index: 7, generation: u32::MAX };
        assert_eq!(TaskId::from_bits(id.to_bits()), id);
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(Seq(u32::MAX).next(), Seq(0));
        assert!(Seq(0).is_after(Seq(u32::MAX)));
        assert!(!Seq(5).is_after(Seq(5)));
    }

    #[test]
    fn states_survive_a_byte() {
        for state in [
            TaskState::Dead,
            TaskState::Blocked,
            TaskState::Queued,
            TaskState::Latched,
            TaskState::OnCpu,
        ] {
            assert_eq!(TaskState::from_bits(state as u8), state);
        }
    }
}
