//! The embedded runtime on the kernel backend, in a guest: the same requests that the threads backend
//! is tested with, and what only this backend has.
#![cfg(feature = "kernel")]
#![allow(clippy::disallowed_methods, reason = "tests of real threads wait for real threads")]

#[path = "../threads/fixture.rs"]
#[allow(dead_code, unused_imports, reason = "the threads backend's tests use the rest")]
mod fixture;
mod kernel;
#[path = "../threads/requests.rs"]
mod requests;

use fixture::*;
use revenant::{BackendKind, Builder, Runtime};

/// The backend under test. Few workers: a guest under emulation takes long to start hundreds.
fn builder() -> Builder {
    Runtime::builder().backend(BackendKind::Kernel).workers_per_cpu(8)
}
