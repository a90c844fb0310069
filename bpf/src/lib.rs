//! Revenant's kernel half: a sched_ext scheduler that holds threads until a user-space agent says
//! where they run, and the handle by which agents and operators reach it.
//!
//! Data flows one way: a thread's [`abi::Message`] goes through a `Ring` to the agent; the agent's
//! [`abi::Transaction`]s go back by one call, `Scheduler::commit`.
//!
//! Without the cargo feature `kernel` there is only [`abi`], which needs no compiler but Rust's.

pub mod abi;

#[cfg(feature = "kernel")]
mod call;
#[cfg(feature = "kernel")]
mod error;
#[cfg(feature = "kernel")]
pub mod kernel;
#[cfg(feature = "kernel")]
mod loader;
#[cfg(feature = "kernel")]
mod mapped;
#[cfg(feature = "kernel")]
mod profile;
#[cfg(feature = "kernel")]
mod ring;
#[cfg(feature = "kernel")]
mod scheduler;
#[cfg(feature = "kernel")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes_without_reason,
    unused_imports,
    unused_qualifications,
    missing_debug_implementations,
    unreachable_pub,
    elided_lifetimes_in_paths,
    reason = "generated"
)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/revenant.skel.rs"));
}

#[cfg(feature = "kernel")]
pub use error::{CallError, LoadError, OpenError};
#[cfg(feature = "kernel")]
pub use loader::{load, unload};
#[cfg(feature = "kernel")]
pub use mapped::Mapped;
#[cfg(feature = "kernel")]
pub use profile::{ProgramCost, count_programs, programs};
#[cfg(feature = "kernel")]
pub use ring::Ring;
#[cfg(feature = "kernel")]
pub use scheduler::{PINS, Scheduler, set_text, text};
