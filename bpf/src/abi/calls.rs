//! Arguments of the calls into the kernel half: a copy of each goes there and comes back.

use super::CPUS_MAX;

/// Arguments of a commit.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Commit {
    /// Whose.
    pub enclave: u32,
    /// Transactions in the enclave's part of the table.
    pub count: u32,
    /// Nonzero: all or none.
    pub is_all_or_none: u32,
    /// Of a local commit: the agent's channel.
    pub channel: u32,
    /// Of a local commit: the channel's number before it was drained.
    pub seq_read: u64,
    /// Of a local commit: the agent's CPU; else [`CPUS_MAX`].
    pub local_cpu: u32,
    /// Place of its first transaction in the enclave's part of the table.
    pub first: u32,
    /// 0 or a negative errno.
    pub result: i32,
    /// Nothing.
    pub unused: u32,
}

/// Arguments of a join.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Join {
    /// Where to.
    pub enclave: u32,
    /// Who.
    pub tid: u32,
    /// Filled in: its id.
    pub task: u64,
    /// 0 or a negative errno.
    pub result: i32,
    /// Nothing.
    pub unused: u32,
}

/// Arguments of attaching and detaching an agent's thread.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Attach {
    /// Whose agent.
    pub enclave: u32,
    /// Nothing yet.
    pub tid: u32,
    /// The CPU the thread runs on; [`CPUS_MAX`]: none in particular.
    pub cpu: u32,
    /// 0 or a negative errno.
    pub result: i32,
}

/// Arguments of a change of CPUs.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Resize {
    /// Whose.
    pub enclave: u32,
    /// Filled in: the CPU in the way, if the result is `-EBUSY`.
    pub cpu: u32,
    /// CPUs to take, a bit each.
    pub claim: [u64; CPUS_MAX / 64],
    /// CPUs to give back.
    pub release: [u64; CPUS_MAX / 64],
    /// 0 or a negative errno.
    pub result: i32,
    /// Nothing.
    pub unused: u32,
}

/// Arguments of a change of channel.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Route {
    /// Who.
    pub task: u64,
    /// Of which enclave.
    pub enclave: u32,
    /// The task's sequence number, as the agent knows it.
    pub seq: u32,
    /// Where its messages shall go.
    pub channel: u32,
    /// 0 or a negative errno; `-ESTALE`: messages are pending.
    pub result: i32,
}

/// Arguments of calls that only name an enclave.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Named {
    /// Which; filled in by the one that makes it.
    pub enclave: u32,
    /// 0 or a negative errno.
    pub result: i32,
}

/// Arguments of a timer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Timer {
    /// Whose.
    pub enclave: u32,
    /// For which CPU.
    pub cpu: u32,
    /// 0: no longer.
    pub after_ns: u64,
    /// 0 or a negative errno.
    pub result: i32,
    /// Nothing.
    pub unused: u32,
}
