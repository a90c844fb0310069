//! Black-box tests of the threads backend: real threads, real signals, a real kernel.
//!
//! They check behaviour and never time: where something must happen "soon", a test waits for it,
//! with a bound that only a hang can reach.

#![allow(clippy::disallowed_methods, reason = "tests of real threads wait for real threads")]

mod blocked;
mod fallback;
mod fixture;
mod isolation;
mod placement;
mod preempted;
mod requests;

use fixture::*;
use revenant::{Builder, Runtime};

/// The backend under test.
fn builder() -> Builder {
    Runtime::builder()
}
