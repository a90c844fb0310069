//! What the kernel half and the agents share: the mirror of `bpf/abi.h`, line by line.
//!
//! Both sides check sizes and offsets when they are compiled, here by `layout`.
//!
//! # Rules of this memory
//! - Fields that the other side may change while they are read are atomics, so a torn or stale value
//!   is a value to be checked, never undefined behaviour.
//! - Who writes what stands in `bpf/maps.h`.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

mod calls;
mod layout;

pub use calls::{Attach, Commit, Join, Named, Resize, Route, Timer};

/// Raised with every change of this file. A loader and an agent that disagree do not work together.
pub const ABI_VERSION: u32 = 3;

/// CPUs a machine may have.
pub const CPUS_MAX: usize = 512;
/// Enclaves at a time.
pub const ENCLAVES_MAX: usize = 16;
/// Tasks at a time, of all enclaves: one status word each.
pub const TASKS_MAX: usize = 16_384;
/// One channel for each CPU's agent and one for the enclave's global agent.
pub const CHANNELS_PER_ENCLAVE: usize = 513;
/// Channels of all enclaves.
pub const CHANNELS_MAX: usize = ENCLAVES_MAX * CHANNELS_PER_ENCLAVE;
/// The channel of an enclave's global agent.
pub const CHANNEL_DEFAULT: u32 = 0;
/// Buckets of a histogram of times: the last begins at 2 s.
pub const DELAYS: usize = 32;
/// Offers a ring holds; a power of two.
pub const OFFERS_MAX: usize = 256;

/// A message, as it lies in its ring. `kind` counts like `revenant::message::MessageKind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Message {
    /// What happened.
    pub kind: u16,
    /// Where.
    pub cpu: u16,
    /// The task's sequence number after it.
    pub seq: u32,
    /// The task: generation in the upper half, slot in the lower.
    pub task: u64,
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// CPU time of the task's present job.
    pub runtime_ns: u64,
}

/// A status word. The first 40 bytes are a seqlock with its fields.
#[derive(Debug, Default)]
#[repr(C)]
pub struct StatusWord {
    /// Odd while a write is under way.
    pub version: AtomicU64,
    /// As in [`Message`].
    pub task: AtomicU64,
    /// Sequence number, state in bits 32 to 39, CPU in bits 48 to 63.
    pub seq_state_cpu: AtomicU64,
    /// CPU time of the present job, up to the last stint's end.
    pub runtime_ns: AtomicU64,
    /// When the present stint began.
    pub since_ns: AtomicU64,
    /// Thread id; not under the version.
    pub tid: AtomicU32,
    /// Process id.
    pub tgid: AtomicU32,
    /// Its enclave.
    pub enclave: AtomicU32,
    /// The kernel's weight: 100 is nice 0.
    pub weight: AtomicU32,
    /// Where its messages go.
    pub channel: AtomicU32,
    /// Nothing.
    pub unused: u32,
}

/// A status word's contents, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusWords {
    /// As in [`StatusWord`].
    pub task: u64,
    /// As in [`StatusWord`].
    pub seq_state_cpu: u64,
    /// As in [`StatusWord`].
    pub runtime_ns: u64,
    /// As in [`StatusWord`].
    pub since_ns: u64,
}

/// Reads of a word under change before giving up: its writer is a few instructions of one operation,
/// so a reader that collides this often has been unlucky with interrupts, and will read it again.
const READ_ATTEMPTS: usize = 64;

impl StatusWord {
    /// One writer's fields together, or `None` if a writer was in the way at every attempt.
    pub fn read(&self) -> Option<StatusWords> {
        for _ in 0..READ_ATTEMPTS {
            // Acquire pairs with the second addition in `publish`: an even version comes with its fields.
            let before = self.version.load(Ordering::Acquire);
            let fields = StatusWords {
                task: self.task.load(Ordering::Relaxed),
                seq_state_cpu: self.seq_state_cpu.load(Ordering::Relaxed),
                runtime_ns: self.runtime_ns.load(Ordering::Relaxed),
                since_ns: self.since_ns.load(Ordering::Relaxed),
            };
            // Pairs with the first addition: whoever saw a store of the next write sees its version.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return Some(fields);
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// A channel's bounds and counters.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Channel {
    /// Messages meant for it, lost ones included.
    pub seq: AtomicU64,
    /// Messages that found it full.
    pub lost: AtomicU64,
    /// Messages read; the reader's.
    pub read: AtomicU64,
    /// Messages it holds at most.
    pub capacity: AtomicU32,
    /// Nonzero: its reader sleeps on it.
    pub wakes: AtomicU32,
    /// Nothing.
    pub unused: [u64; 4],
}

/// Fail instead of preempting what runs.
pub const IDLE_ONLY: u8 = 1;
/// Renew the slice of a task that runs there already.
pub const ALLOW_ON_CPU: u8 = 2;

/// A transaction, in the agent's part of the table.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Transaction {
    /// As in [`Message`].
    pub task: AtomicU64,
    /// `u64::MAX`: without end.
    pub slice_ns: AtomicU64,
    /// The sequence number the decision rests on.
    pub seq: AtomicU32,
    /// Where.
    pub cpu: AtomicU16,
    /// [`IDLE_ONLY`], [`ALLOW_ON_CPU`].
    pub flags: AtomicU8,
    /// Filled in; counts like `revenant::transaction::Outcome`.
    pub outcome: AtomicU8,
    /// Nothing.
    pub unused: u64,
}

/// Nobody's.
pub const ENCLAVE_FREE: u32 = 0;
/// Without an agent; served first-in first-out.
pub const ENCLAVE_ORPHAN: u32 = 1;
/// With an agent.
pub const ENCLAVE_ATTACHED: u32 = 2;
/// At its end; its tasks run like strays until they are taken back.
pub const ENCLAVE_DESTROYED: u32 = 3;

/// CPU_TICK is wanted.
pub const DELIVER_TICKS: u32 = 1;
/// AGENT_BLOCKED and AGENT_WAKEUP are wanted.
pub const DELIVER_AGENTS: u32 = 2;
/// CPUs about to idle look at the offers.
pub const FAST_PATH: u32 = 4;
/// CPU_NOT_IDLE is wanted.
pub const DELIVER_NOT_IDLE: u32 = 8;
/// CPU messages go to the channel of their CPU's agent.
pub const PER_CPU_AGENTS: u32 = 16;

/// Somebody asked for the enclave's end.
pub const REASON_ASKED: u32 = 1;
/// No agent came within the limit.
pub const REASON_NO_AGENT: u32 = 2;
/// A runnable task waited longer than the watchdog allows.
pub const REASON_UNSERVED: u32 = 3;
/// The agent stopped taking turns, and no other came.
pub const REASON_SILENT: u32 = 4;

/// An enclave's record.
#[derive(Debug)]
#[repr(C)]
pub struct Enclave {
    /// [`ENCLAVE_FREE`] and its kin.
    pub state: AtomicU32,
    /// [`DELIVER_TICKS`] and its kin.
    pub flags: AtomicU32,
    /// Enclaves that had this place.
    pub generation: AtomicU32,
    /// The agent's process.
    pub agent_tgid: AtomicU32,
    /// Written by the agent, once a turn.
    pub heartbeat_ns: AtomicU64,
    /// Since when there is no agent.
    pub orphaned_ns: AtomicU64,
    /// An agent that takes no turn for so long is no agent.
    pub silence_limit_ns: AtomicU64,
    /// How long the enclave may be without one.
    pub orphan_limit_ns: AtomicU64,
    /// How long a runnable task may wait.
    pub watchdog_ns: AtomicU64,
    /// Tasks in it.
    pub tasks: AtomicU32,
    /// Nonzero: the agent is asked to make way for a successor.
    pub steps_down: AtomicU32,
    /// Why it ended: [`REASON_ASKED`] and its kin.
    pub reason: AtomicU32,
    /// [`REASON_UNSERVED`]: who waited.
    pub reason_tid: AtomicU32,
    /// And how long.
    pub reason_ns: AtomicU64,
    /// Messages sent.
    pub messages: AtomicU64,
    /// Tasks served without an agent.
    pub fallback_runs: AtomicU64,
    /// Tasks taken from the agent's offers.
    pub fast_path_runs: AtomicU64,
    /// Transactions by outcome.
    pub outcomes: [AtomicU64; 12],
    /// When it was made.
    pub created_ns: AtomicU64,
    /// How long the last change of agents left it without one.
    pub blackout_ns: AtomicU64,
    /// Turns its agent took; the agent's.
    pub turns: AtomicU64,
    /// Times its agent moved to another CPU; the agent's.
    pub handoffs: AtomicU64,
    /// Where a global agent is now; the agent's.
    pub agent_cpu: AtomicU32,
    /// The process that looks after the enclave's end.
    pub keeper_tgid: AtomicU32,
    /// Nothing.
    pub unused: [u64; 2],
    /// Times from queued to running: bucket `n` counts those of `1 << n` to `2 << n` ns.
    pub delays: [AtomicU64; DELAYS],
    /// The operator's name for it, zero-terminated.
    pub name: [AtomicU8; 32],
    /// The policy of its agent, zero-terminated.
    pub policy: [AtomicU8; 32],
}

/// A CPU's record.
#[derive(Debug)]
#[repr(C)]
pub struct Cpu {
    /// Enclave + 1; 0: nobody's.
    pub owner: AtomicU32,
    /// Whether the kernel uses it.
    pub is_online: AtomicU32,
    /// The task of ours that runs here.
    pub current: AtomicU64,
    /// The task a transaction put here, until it runs or fails to.
    pub latched: AtomicU64,
    /// A higher class runs here.
    pub is_busy: AtomicU32,
    /// The agent was told so.
    pub is_busy_told: AtomicU32,
    /// The agent thread that runs here.
    pub agent_tid: AtomicU32,
    /// A fair thread waits behind the agent.
    pub is_wanted: AtomicU32,
    /// The latch may be taken.
    pub is_armed: AtomicU32,
    /// The latch: the sequence number.
    pub latch_seq: AtomicU32,
    /// The latch: the slice.
    pub latch_slice_ns: AtomicU64,
    /// How often a higher class took it.
    pub busy_times: AtomicU64,
    /// Nothing.
    pub unused: [u64; 8],
}

/// A task offered to whichever CPU idles first.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Offer {
    /// As in [`Message`].
    pub task: AtomicU64,
    /// As in [`Transaction`].
    pub slice_ns: AtomicU64,
    /// As in [`Transaction`].
    pub seq: AtomicU32,
    /// Nothing.
    pub unused: u32,
}

/// The offers of an enclave's agent.
#[derive(Debug)]
#[repr(C)]
pub struct Offers {
    /// Taken up to here; the CPUs'.
    pub head: AtomicU64,
    /// Nothing.
    pub unused: [u64; 7],
    /// Filled up to here; the agent's.
    pub tail: AtomicU64,
    /// Nothing.
    pub unused2: [u64; 7],
    /// Place `n` is at `n % OFFERS_MAX`.
    pub ring: [Offer; OFFERS_MAX],
}

/// What an application says of a task.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Hint {
    /// A hint for another task than the slot's present one is void.
    pub task: AtomicU64,
    /// `CLOCK_MONOTONIC`; 0: none.
    pub deadline_ns: AtomicU64,
    /// Its class.
    pub class: AtomicU16,
    /// 0: latency-critical; 1: batch.
    pub tier: AtomicU8,
    /// Nothing.
    pub unused: u8,
    /// Relative share; 0 counts as 1.
    pub weight: AtomicU16,
    /// Nothing.
    pub unused2: u16,
    /// Nothing.
    pub unused3: u64,
}

/// Of the whole scheduler.
#[derive(Debug)]
#[repr(C)]
pub struct Machine {
    /// [`ABI_VERSION`] of the kernel half.
    pub abi_version: AtomicU32,
    /// Numbers below this exist.
    pub cpus: AtomicU32,
    /// The kernel can hand a task back that does not run at once.
    pub has_immediate: AtomicU32,
    /// Nonzero: the scheduler has ended.
    pub exit_kind: AtomicU32,
    /// With what code.
    pub exit_code: AtomicU64,
    /// Times the watchdog looked.
    pub watchdog_ticks: AtomicU64,
    /// Newcomers that found no status word.
    pub tasks_refused: AtomicU64,
    /// Tasks in the class but in no enclave, ever.
    pub strays: AtomicU64,
    /// Status words that were ever given out.
    pub slots_used: AtomicU64,
    /// How many may be given out: all of them, unless a test makes them scarce.
    pub slots_max: AtomicU64,
    /// Tasks in the class but in no enclave.
    pub strays_now: AtomicU64,
    /// The kernel's word for the kind.
    pub exit_reason: [AtomicU8; 64],
    /// What it said besides.
    pub exit_message: [AtomicU8; 128],
}
