//! Hints: what an application may say about a task. All optional; no policy depends on them.

/// A request class of the application, by its place in the list given at start-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u16);

impl ClassId {
    /// The class as an index into per-class tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How much a task's latency matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Somebody waits for it.
    #[default]
    LatencyCritical,
    /// Gets what is idle, and loses it at once when a latency-critical task arrives; 1 % at least.
    Batch,
}

/// Everything an application may say about a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Its class.
    pub class: ClassId,
    /// Its tier.
    pub tier: Tier,
    /// When its answer is worthless, on the backend's clock; `None` if never.
    pub deadline_ns: Option<u64>,
    /// Relative share among equals; 0 counts as 1.
    pub weight: u16,
}
