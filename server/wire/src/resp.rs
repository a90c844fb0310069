//! RESP2, the protocol of Redis: requests are arrays of bulk strings or lines of words, replies are
//! values of five types.

mod encode;
mod error;
mod inline;
mod limits;
mod line;
mod reply;
mod request;

pub use encode::{
    encode_array, encode_bulk, encode_command, encode_error, encode_integer, encode_nil,
    encode_simple,
};
pub use error::ProtocolError;
pub use inline::unquote;
pub use limits::Limits;
pub use reply::{DEPTH_MAX, ReplyEnd, Value, decode_reply};
pub use request::decode_request;
