//! What can go wrong in a simulated machine.

/// Faults to inject. All are drawn from the machine's seed; the default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Chance that a message is lost and its agent not woken: what a lost wake-up comes to.
    pub message_loss: f64,
    /// Chance that a commit takes effect late.
    pub late_commit: f64,
    /// How late.
    pub late_commit_ns: u64,
    /// The agent dies, and another takes over.
    pub outage: Option<Outage>,
}

/// A time without an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the agent dies.
    pub at_ns: u64,
    /// When the next one attaches.
    pub until_ns: u64,
}

/// How soon an agent that was not woken looks on its own. Every agent that sleeps has such a bound:
/// halved it costs an idle machine twice the wake-ups, doubled it doubles what a lost one costs.
pub const HEARTBEAT_NS: u64 = 1_000_000;
