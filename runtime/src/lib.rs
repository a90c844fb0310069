//! Revenant: ghOSt's user-space scheduling on stock Linux.
//!
//! # Life of a decision
//! Something happens to a task: the backend bumps the task's sequence number, publishes its status
//! word, and posts a [`Message`](message::Message) to the agent's channel. The
//! [`Agent`](agent::Agent) reads it, brings its image of the [`Enclave`] up to date and tells the
//! [`Policy`](policy::Policy). The policy decides: it adds a
//! [`Transaction`](transaction::Transaction) to the batch. The backend commits the batch; a decision
//! that something has overtaken fails with a reason and changes nothing.
//!
//! Modules are listed in the order a decision passes them.

pub mod agent;
pub mod backend;
pub mod channel;
pub mod cpu;
pub mod enclave;
pub mod hint;
pub mod message;
pub mod offer;
pub mod policy;
pub mod status;
pub mod task;
pub mod topology;
pub mod transaction;

#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod class;
#[cfg(not(loom))]
pub mod ingress;
#[cfg(not(loom))]
mod runtime;
#[cfg(not(loom))]
pub mod stall;
#[cfg(not(loom))]
pub mod stats;
#[cfg(not(loom))]
mod ticket;

mod sync;

/// The README's program is compiled and run as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use enclave::Enclave;

#[cfg(not(loom))]
pub use {
    backend::threads::Context,
    builder::{BackendKind, BuildError, Builder, Chosen, UnknownBackend},
    class::Class,
    ingress::Rejected,
    runtime::{Drained, Leftover, Runtime},
    ticket::{RequestError, Ticket},
};
