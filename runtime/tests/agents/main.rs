//! Agents at work, in a guest: real threads under real policies, and what happens when agents die,
//! hang or are replaced.
#![cfg(feature = "kernel")]
#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

mod allocation;
mod fast_path;
mod faults;
mod fleet;
mod handoff;
mod local;
mod upgrade;
