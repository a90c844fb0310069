//! Messages: every kind comes from its event, with what its agent needs to know.

mod cpus;
mod life;
mod script;
mod stints;
