//! Commands, as clients meet them: requests in, replies out, without a network.

mod cluster;
mod connection;
mod fixture;
mod golden;
mod keys;
mod native;
mod scans;
mod server;
mod strings;
