//! What the steps of a decision cost.

/// The cost table. All zero is the ideal machine, whose results bound what a real one can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// From an event to its message being readable.
    pub message_ns: u64,
    /// An agent's turn, whatever it decides.
    pub turn_ns: u64,
    /// Each transaction, on top of the turn.
    pub transaction_ns: u64,
    /// From the end of the turn to the task's start on a CPU that was idle.
    pub start_ns: u64,
    /// From the end of the turn to the running task's stop on a CPU that was not.
    pub preempt_ns: u64,
    /// Between one task and the next on a CPU.
    pub switch_ns: u64,
    /// CPU time burnt by a preemption on top of the switch: signals, refilled caches.
    pub preemption_ns: u64,
}

impl Costs {
    /// Nothing costs anything.
    pub const ZERO: Self = Self {
        message_ns: 0,
        turn_ns: 0,
        transaction_ns: 0,
        start_ns: 0,
        preempt_ns: 0,
        switch_ns: 0,
        preemption_ns: 0,
    };

    /// Only preemptions cost, on the CPU where they happen: the tables of queueing limits that the
    /// simulator is checked against are made this way.
    pub const fn per_preemption(preemption_ns: u64) -> Self {
        Self { preemption_ns, ..Self::ZERO }
    }

    /// Native threads with safepoints, as measured on a two-CPU virtual machine: a mailbox line
    /// crosses in 0.1 us, a preempted worker wakes its successor and parks in 2.5 to 4 us.
    pub const THREADS: Self = Self {
        message_ns: 100,
        turn_ns: 150,
        transaction_ns: 100,
        start_ns: 200,
        preempt_ns: 200,
        switch_ns: 0,
        preemption_ns: 3_000,
    };
}
