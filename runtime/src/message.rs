//! Messages: what a backend tells an agent.

use crate::cpu::CpuId;
use crate::task::{Seq, TaskId};

/// What happened. The names are ghOSt's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MessageKind {
    /// A task entered the enclave, runnable.
    #[default]
    TaskNew,
    /// A blocked task became runnable.
    TaskWakeup,
    /// A running task waits for an event; its CPU can be given to another.
    TaskBlocked,
    /// A running task lost its CPU and is runnable.
    TaskPreempted,
    /// A running task gave up its CPU and is runnable.
    TaskYield,
    /// A task finished.
    TaskDead,
    /// A task left for another scheduler.
    TaskDeparted,
    /// The CPUs a task may use changed.
    TaskAffinityChanged,
    /// A task's weight or tier changed.
    TaskPriorityChanged,
    /// A latched task began to run.
    TaskOnCpu,
    /// A latched task could not run and is queued again.
    TaskLatchFailed,
    /// A tick on a CPU.
    CpuTick,
    /// A timer of the agent fired.
    CpuTimerExpired,
    /// A higher scheduling class left the CPU.
    CpuAvailable,
    /// A higher scheduling class took the CPU.
    CpuBusy,
    /// An idle CPU picked up work that is not ours.
    CpuNotIdle,
    /// A CPU's agent sleeps.
    AgentBlocked,
    /// A CPU's agent woke.
    AgentWakeup,
}

impl MessageKind {
    /// Every kind, in declaration order: for kinds that cross a boundary as numbers.
    pub const ALL: [Self; 18] = [
        Self::TaskNew,
        Self::TaskWakeup,
        Self::TaskBlocked,
        Self::TaskPreempted,
        Self::TaskYield,
        Self::TaskDead,
        Self::TaskDeparted,
        Self::TaskAffinityChanged,
        Self::TaskPriorityChanged,
        Self::TaskOnCpu,
        Self::TaskLatchFailed,
        Self::CpuTick,
        Self::CpuTimerExpired,
        Self::CpuAvailable,
        Self::CpuBusy,
        Self::CpuNotIdle,
        Self::AgentBlocked,
        Self::AgentWakeup,
    ];

    /// Whether it speaks of a task, and so bumped that task's sequence number.
    pub const fn is_about_task(self) -> bool {
        (self as u16) <= (Self::TaskLatchFailed as u16)
    }
}

/// One message: 32 bytes, copied through channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub kind: MessageKind,
    /// Where.
    pub cpu: CpuId,
    /// The task's sequence number after this message.
    pub seq: Seq,
    /// To which task; meaningless for CPU and agent messages.
    pub task: TaskId,
    /// When, on the backend's clock.
    pub time_ns: u64,
    /// CPU time the task has received in all its life, where `kind` ends a stint on a CPU.
    pub runtime_ns: u64,
}

// Two messages a cache line: a ring of 64 is a page.
const _: () = assert!(size_of::<Message>() == 32);
