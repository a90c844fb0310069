//! A key-value server whose requests Revenant schedules.
//!
//! # Life of a request
//! A frame becomes a [`Request`](request::Request); its name, a [`Command`](command::Command),
//! which says where it runs: on the dispatcher, as it belongs to the connection's
//! [`Session`](session::Session) or is quickly done, or on a worker. There it does its work on the
//! [`Keyspace`](keyspace::Keyspace), asking its [`Turn`](turn::Turn) for safepoints, and writes its
//! [`Reply`](reply::Reply).
//!
//! Modules are listed in the order a request passes them.

pub mod request;
pub mod session;

pub mod command;
pub mod turn;

pub mod cluster;
pub mod cursor;
pub mod keyspace;
pub mod service;
pub mod spinner;
pub mod store;

pub mod failure;
pub mod reply;
