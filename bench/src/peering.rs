//! The command `peer`: serves until it is ended.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use revenant_bench::peer;

use crate::Failure;
use crate::cli::Peering;

/// Serves, and says where on the first line of its output.
pub(crate) fn peer(options: &Peering) -> Result<ExitCode, Failure> {
    let announce = |address| {
        let mut out = std::io::stdout();
        // Whoever started it waits for this line; without a reader it serves all the same.
        let _unread = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    };
    peer::serve(options.peer, options.listen, announce)
        .with_context(|| format!("cannot serve on {}", options.listen))
        .map_err(|error| Failure::broken(anyhow::anyhow!("{error:#}")))?;
    Ok(ExitCode::SUCCESS)
}
