//! What a request does when it runs.

use std::fmt;
use std::sync::Arc;

use super::context::Context;
use super::table::Ending;

/// Called once, with a context when the request's turn comes, or with the reason why it will not.
pub type Once = dyn FnOnce(Result<&Context<'_>, Ending>) + Send;

/// Called for every request of its kind, with the request's token.
pub type Handler = dyn Fn(&Context<'_>, u64) + Send + Sync;

/// A plain, blocking piece of work.
#[derive(Default)]
pub enum Work {
    /// Taken, or never given.
    #[default]
    None,
    /// A closure, called once: with a context when its turn comes, or with the reason why it will
    /// not come.
    Once(Box<Once>),
    /// A handler shared by many requests, and the token that tells it which one this is. Admitting
    /// one allocates nothing.
    Shared(Arc<Handler>, u64),
}

impl Work {
    /// Does it.
    pub(super) fn run(self, context: &Context<'_>) {
        match self {
            Self::None => {}
            Self::Once(work) => work(Ok(context)),
            Self::Shared(handler, token) => handler(context, token),
        }
    }

    /// Tells it that it will not be done. A shared handler's requester reads the completion.
    pub(super) fn refuse(self, ending: Ending) {
        if let Self::Once(work) = self {
            work(Err(ending));
        }
    }

    /// The token a completion carries.
    pub(crate) fn token(&self) -> u64 {
        match self {
            Self::None | Self::Once(_) => 0,
            Self::Shared(_, token) => *token,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Once(_) => "Once",
            Self::Shared(..) => "Shared",
        })
    }
}
