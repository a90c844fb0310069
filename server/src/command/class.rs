//! The classes by which commands are scheduled.

/// A class of commands that take about as long as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandClass {
    /// Reads of single keys, and whatever is as quick.
    Get,
    /// Writes of single keys.
    Put,
    /// Ranges of keys.
    Scan,
    /// Work made to order.
    Spin,
}

impl CommandClass {
    /// All, in the order of their numbers: the runtime's classes are to be named in this order.
    pub const ALL: [Self; 4] = [Self::Get, Self::Put, Self::Scan, Self::Spin];

    /// What configurations and reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Scan => "scan",
            Self::Spin => "spin",
        }
    }

    /// Its number.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}
