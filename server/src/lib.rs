//! A key-value server whose requests Revenant schedules.
//!
//! # Life of a request
//! Bytes come in over a [`Transport`](transport::Transport): a [`Ring`](ring::Ring), or an
//! [`Epoll`](epoll::Epoll) where io_uring is forbidden. Behind those of the same
//! [`Connection`](connection::Connection) they become a frame, and a frame becomes a
//! [`Request`](request::Request); its name, a [`Command`](command::Command), which says where it
//! runs: on the [`Dispatcher`](dispatcher::Dispatcher), as it belongs to the connection's
//! [`Session`](session::Session) or is quickly done, or on a worker. There it does its work on the
//! [`Keyspace`](keyspace::Keyspace), asking its [`Turn`](turn::Turn) for safepoints, and writes its
//! [`Reply`](reply::Reply), which goes back the way the bytes came.
//!
//! Modules are listed in the order a request passes them.

pub mod door;
pub mod transport;

pub mod epoll;
pub mod ring;

pub mod connection;
pub mod frame;
pub mod request;
pub mod session;

pub mod dispatcher;
pub mod job;
pub mod overload;
pub mod worker;

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

pub mod config;
pub mod counters;
pub mod metrics;
pub mod server;
