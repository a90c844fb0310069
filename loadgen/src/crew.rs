//! (soon)
/// None yet.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {}
