//! When what is written is on the disk.

use std::str::FromStr;

/// When a durable store makes the disk keep what was written. Whatever is written outlives the
/// process at once; this is about the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged.
    Always,
    /// Within a second.
    #[default]
    EverySecond,
    /// When the kernel likes.
    No,
}

/// A durability that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no durability called {0}: it is always, everysec or no")]
pub struct UnknownDurability(String);

impl FromStr for Durability {
    type Err = UnknownDurability;

    fn from_str(name: &str) -> Result<Self, UnknownDurability> {
        match name {
            "always" => Ok(Self::Always),
            "everysec" => Ok(Self::EverySecond),
            "no" => Ok(Self::No),
            _ => Err(UnknownDurability(name.to_owned())),
        }
    }
}
