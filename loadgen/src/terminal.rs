//! Words for people. Whoever has closed the other end does not want them; results in files, and a
//! run under way, do not depend on that.

use std::io::{Write, stderr, stdout};

/// Results, on stdout.
pub(crate) fn show(text: &str) {
    // `| head` has read enough.
    let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
}

/// What happens meanwhile, and what is wrong, on stderr.
pub(crate) fn tell(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}
