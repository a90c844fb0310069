//! A server of small requests, scheduled by [`revenant`]: bytes come in over a transport, become
//! requests, run on the dispatcher or on workers, and go back as replies.
//!
//! Modules are listed in the order a request passes them.

pub mod epoll;
pub mod ring;
pub mod transport;
