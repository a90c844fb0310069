//! The mechanisms of the kernel half, each with its own tests, on a real kernel. They need root, a
//! kernel with sched_ext and four CPUs: `vm/test kernel` has them.

#![cfg(feature = "kernel")]
#![allow(clippy::disallowed_methods, reason = "real threads take real time")]

mod channels;
mod enclaves;
mod fast_path;
mod faults;
mod guest;
mod loading;
mod local;
mod messages;
mod offline;
mod roles;
mod sizes;
mod stage;
mod status_words;
mod transactions;
mod troupe;
