//! A build without the kernel backend: what it says to commands that need it.

use anyhow::anyhow;

use crate::cli::Command;
use crate::failure::Failure;

/// Why this build cannot, and how to get one that can.
pub(crate) const REASON: &str = "this build of `revenant` has no kernel backend: build it with \
    `cargo build --release -p revenant-operator --features kernel` (scripts/install-needs kernel \
    installs what that takes: clang, libelf and zlib)";

/// Nothing but the reason.
pub(crate) fn perform(_command: Command, _json: bool) -> Result<u8, Failure> {
    Err(Failure::cannot(anyhow!(REASON)))
}
