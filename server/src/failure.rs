//! Why a request failed, in the words of Redis where Redis has them.

use std::time::Duration;

use revenant::Rejected;
use revenant_wire::native::{FrameError, Status, UnknownOp};
use revenant_wire::resp::ProtocolError;

use crate::store::StoreError;

/// Why a request failed. Its text is what a RESP client reads after the minus sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No such command.
    #[error("ERR unknown command '{name}', with args beginning with: {arguments}")]
    UnknownCommand {
        /// What was asked for, cut to a readable length.
        name: String,
        /// How its arguments begin.
        arguments: String,
    },
    /// No such subcommand.
    #[error("ERR unknown subcommand '{subcommand}'. Try {command} HELP.")]
    UnknownSubcommand {
        /// The command, in capitals.
        command: String,
        /// What was asked for, cut to a readable length.
        subcommand: String,
    },
    /// Too many arguments, or too few.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    /// More arguments than the dispatcher has time for.
    #[error("ERR '{0}' takes at most {1} arguments")]
    TooManyArguments(&'static str, usize),
    /// Options that do not exist or exclude each other.
    #[error("ERR syntax error")]
    Syntax,
    /// An argument or value should be a number, and is not.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// The sum does not fit.
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// The opposite of the smallest number.
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    /// A time to live that is none.
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    /// A SCAN cursor that is no number.
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// The end of a range by key has neither bracket nor sign.
    #[error("ERR min or max not valid string range item")]
    InvalidLexRange,
    /// A value would be larger than the server allows.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    ValueTooLarge,
    /// A reply would be larger than the server allows.
    #[error("ERR the reply would exceed {reply_max} bytes: ask for less at a time")]
    ReplyTooLarge {
        /// The bound.
        reply_max: usize,
    },
    /// There is one database.
    #[error("ERR DB index is out of range")]
    DbIndex,
    /// A version of the protocol that is no number.
    #[error("ERR Protocol version is not an integer or out of range")]
    ProtocolNotInteger,
    /// HELLO knows no such option.
    #[error("ERR Syntax error in HELLO option '{0}'")]
    HelloOption(String),
    /// HELLO comes after authentication, or brings it.
    #[error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
         <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
         RESP protocol version at the same time"
    )]
    HelloUnauthenticated,
    /// Something about a client that is not kept.
    #[error("ERR Unrecognized option '{0}'")]
    UnknownClientOption(String),
    /// Something about a client that would break lists of them.
    #[error("ERR {0} cannot contain spaces, newlines or special characters.")]
    InvalidClientInfo(&'static str),
    /// A name with characters that would break lists of clients.
    #[error("ERR Client names cannot contain spaces, newlines or special characters.")]
    InvalidClientName,
    /// An older protocol was asked for, or a newer one.
    #[error("NOPROTO unsupported protocol version")]
    UnsupportedProtocol,
    /// Authenticate first.
    #[error("NOAUTH Authentication required.")]
    AuthRequired,
    /// The password is wrong, or the user.
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPassword,
    /// There is no password to give.
    #[error(
        "ERR AUTH <password> called without any password configured for the default user. \
         Are you sure your configuration is correct?"
    )]
    NoPassword,
    /// The server is not one of several.
    #[error("ERR This instance has cluster support disabled")]
    ClusterDisabled,
    /// A slot that does not exist, or a node.
    #[error("ERR Invalid slot or node")]
    InvalidSlot,
    /// What clusters of a later protocol offer.
    #[error("ERR CLUSTER SHARDS is not served here: use CLUSTER SLOTS")]
    NoShards,
    /// No server has the key's slot.
    #[error("CLUSTERDOWN Hash slot not served")]
    SlotNotServed,
    /// Keys that different servers have.
    #[error("CROSSSLOT Keys in request don't hash to the same slot")]
    CrossSlot,
    /// Another server has the key.
    #[error("MOVED {slot} {address}")]
    Moved {
        /// The key's slot.
        slot: u16,
        /// The server that has it.
        address: String,
    },
    /// Turned away before it could wait for long.
    #[error("OVERLOADED retry-after-ms {}", .retry_after.as_millis().max(1))]
    Overloaded {
        /// When a place should be free.
        retry_after: Duration,
    },
    /// Its deadline passed, or whoever asked has gone.
    #[error("EXPIRED the deadline passed before the request was done")]
    Expired,
    /// The server is going down.
    #[error("SHUTTINGDOWN the server accepts no more requests")]
    ShuttingDown,
    /// The store did not do as told.
    #[error("ERR {0}")]
    Store(#[from] StoreError),
    /// More work was asked for than one request may do.
    #[error("ERR one request may spin for at most {0} microseconds")]
    SpinTooLong(u64),
    /// Not RESP.
    #[error("ERR {0}")]
    Protocol(#[from] ProtocolError),
    /// Not a native frame.
    #[error("ERR {0}")]
    Frame(#[from] FrameError),
    /// A native frame without a meaning.
    #[error("ERR {0}")]
    UnknownOp(#[from] UnknownOp),
    /// A fault of ours.
    #[error("ERR internal error: {0}")]
    Internal(&'static str),
}

impl Failure {
    /// The status of a native reply that tells it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::UnknownCommand { .. } | Self::UnknownOp(_) => Status::UnknownOp,
            Self::ValueTooLarge | Self::ReplyTooLarge { .. } => Status::TooLarge,
            Self::Arity(_)
            | Self::TooManyArguments(..)
            | Self::Syntax
            | Self::Protocol(_)
            | Self::Frame(_) => Status::BadRequest,
            Self::AuthRequired => Status::AuthRequired,
            Self::Moved { .. } => Status::Moved,
            Self::Overloaded { .. } => Status::Overloaded,
            Self::Expired => Status::Expired,
            Self::ShuttingDown => Status::ShuttingDown,
            Self::Internal(_) => Status::Internal,
            _ => Status::Failed,
        }
    }

    /// When an overloaded server should be asked again; 0 if it is not that.
    #[must_use]
    pub fn retry_after_us(&self) -> u32 {
        match self {
            Self::Overloaded { retry_after } => {
                u32::try_from(retry_after.as_micros()).unwrap_or(u32::MAX).max(1)
            }
            _ => 0,
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Overloaded { retry_after } => Self::Overloaded { retry_after },
            Rejected::Expired => Self::Expired,
            Rejected::ShuttingDown => Self::ShuttingDown,
            Rejected::UnknownClass(_) => Self::Internal("a class that the runtime does not know"),
        }
    }
}
