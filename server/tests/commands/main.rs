//! Commands, as clients meet them: requests in, replies out, without a network.

mod connection;
mod fixture;
mod strings;
