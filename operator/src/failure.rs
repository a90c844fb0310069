//! Why a command ends without what it was asked for.

use std::fmt;

use crate::cli::CANNOT;

/// Exit code of a command that broke on the way.
const FAILED: u8 = 1;

/// What went wrong, and how far the command had come.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was done: the call is wrong, or this machine cannot.
    Cannot(anyhow::Error),
    /// It broke on the way.
    Failed(anyhow::Error),
}

impl Failure {
    pub(crate) fn cannot(error: impl Into<anyhow::Error>) -> Self {
        Self::Cannot(error.into())
    }

    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into())
    }

    /// The exit code that says so.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Cannot(_) => CANNOT,
            Self::Failed(_) => FAILED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Cannot(error) | Self::Failed(error)) = self;
        // The whole chain: a step that failed, and what the kernel said to it. Some errors tell
        // their cause themselves; nobody reads that twice.
        let mut text = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn a_cause_is_told_once() {
        let told = anyhow!("attach: busy");
        assert_eq!(Failure::Failed(told).to_string(), "attach: busy");
        let step = Err::<(), _>(anyhow!("busy")).context("no agent").unwrap_err();
        assert_eq!(Failure::Failed(step).to_string(), "no agent: busy");
        let both = Err::<(), _>(anyhow!("busy")).context("attach: busy").unwrap_err();
        assert_eq!(Failure::Failed(both).to_string(), "attach: busy");
    }
}
