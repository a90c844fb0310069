//! Experiments, their results, and what people read of them.
//!
//! # Life of an experiment
//!
//! [`compare`] takes what was asked for and replays each plan on each [`system`], interleaved by
//! seed. A system gets a [`system::Run`]: the plan, the [`request_work`] and the CPUs of the
//! [`site`]. Those on real threads share a [`replay`]: its generator follows the [`pacer`], all
//! stamp with one [`clock`] into [`stamps`], and [`heartbeat`]s tell when a CPU stalled. What comes
//! back is a [`system::RunOutcome`], which [`measure`] makes rows of. [`simulate`] runs a policy on
//! the simulator instead, on as many CPUs as one likes. [`preemption`] measures what one costs, and
//! `opcosts` (feature `kernel`) each operation of the kernel backend, as rows of [`cost`]. [`network`]
//! compares servers over sockets, ours and the rivals of [`peer`].
//!
//! # Life of a result
//!
//! A run of one system at one load leaves one [`row::Row`] a class; [`row::median_row`] makes one of
//! several seeds'. All rows, with the [`machine::Machine`] they were measured on and what was asked
//! for, are a [`document::Document`]: the JSON file, described field by field in `docs/results.md`.
//! [`comparison::Comparison`] lays the systems of a load side by side, [`table::render`] shows that
//! to a terminal, [`curve`] draws it and [`html::render`] makes the report.
//!
//! What comes after a document is a pure function of it: a report can be made again from its JSON at
//! any time, on any machine.

pub mod affinity;
pub mod clock;
pub mod compare;
pub mod discipline;
pub mod heartbeat;
pub mod measure;
pub mod network;
#[cfg(feature = "kernel")]
pub mod opcosts;
pub mod pacer;
pub mod peer;
pub mod preemption;
pub mod progress;
pub mod replay;
pub mod request_work;
pub mod simulate;
pub mod site;
pub mod stamps;
pub mod switches;
pub mod system;
pub mod workload;

pub mod comparison;
pub mod cost;
pub mod curve;
pub mod document;
pub mod html;
pub mod row;
pub mod table;

// What the networked generator shows its results with, too.
pub use revenant_loadgen::{destination, machine, quantity};

#[cfg(test)]
mod fixture;
