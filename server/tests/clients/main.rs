//! Clients and proxies that others wrote, as Debian has them, against the program itself.
//!
//! They are not on every machine, so these tests are ignored unless asked for; `make test` installs
//! what they need and asks (`scripts/test-clients`).

mod benchmark;
mod cluster;
mod command_line;
mod fixture;
mod proxy;
mod python;
