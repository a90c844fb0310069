//! Replies, as a client reads them.

use super::error::ProtocolError;
use super::limits::Limits;
use super::line::{Line, NUMBER_LINE_MAX, line, number};

/// How deep arrays may stand in arrays. `COMMAND` needs three; the decoder calls itself this often.
pub const DEPTH_MAX: usize = 8;

/// A reply, borrowed from the bytes it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'b> {
    /// A status.
    Simple(&'b [u8]),
    /// An error, its code first.
    Error(&'b [u8]),
    /// A number.
    Integer(i64),
    /// A string.
    Bulk(&'b [u8]),
    /// The absence of a string or array.
    Nil,
    /// Values.
    Array(Vec<Self>),
}

/// Decodes the reply at the beginning of `bytes`; `None` until all of it has arrived. Also says
/// where it ends.
///
/// Begins anew each time. For replies that arrive in many pieces, let [`ReplyEnd`] find the end
/// first; a client that only counts replies needs nothing else.
///
/// # Errors
/// [`ProtocolError`]: no further bytes make this a reply.
pub fn decode_reply<'b>(
    bytes: &'b [u8],
    limits: &Limits,
) -> Result<Option<(Value<'b>, usize)>, ProtocolError> {
    value(bytes, 0, limits, DEPTH_MAX)
}

fn value<'b>(
    bytes: &'b [u8],
    from: usize,
    limits: &Limits,
    depth_left: usize,
) -> Result<Option<(Value<'b>, usize)>, ProtocolError> {
    let Some((part, mut position)) = part(bytes, from, limits)? else { return Ok(None) };
    let length = match part {
        Part::Whole(value) => return Ok(Some((value, position))),
        Part::Array(length) => length,
    };
    let depth_left = depth_left.checked_sub(1).ok_or(ProtocolError::TooDeep)?;
    // Each element takes at least three bytes, so a short reply cannot ask for much memory.
    let mut values = Vec::with_capacity(length.min(bytes.len() / 3));
    for _ in 0..length {
        let Some((element, next)) = value(bytes, position, limits, depth_left)? else {
            return Ok(None);
        };
        values.push(element);
        position = next;
    }
    Ok(Some((Value::Array(values), position)))
}

/// A value, or the beginning of an array.
enum Part<'b> {
    Whole(Value<'b>),
    Array(usize),
}

/// The part that begins at `from`, and where it ends.
fn part<'b>(
    bytes: &'b [u8],
    from: usize,
    limits: &Limits,
) -> Result<Option<(Part<'b>, usize)>, ProtocolError> {
    let Some(&kind) = bytes.get(from) else { return Ok(None) };
    let line_max = match kind {
        b'+' | b'-' => limits.inline_max,
        b':' | b'$' | b'*' => NUMBER_LINE_MAX,
        other => return Err(ProtocolError::UnknownType(other)),
    };
    let (text, next) = match line(bytes, from + 1, line_max) {
        Line::Complete(text, next) => (&bytes[text], next),
        Line::Incomplete => return Ok(None),
        Line::Bad(_) => return Err(ProtocolError::InvalidLine),
    };
    match kind {
        b'+' => return Ok(Some((Part::Whole(Value::Simple(text)), next))),
        b'-' => return Ok(Some((Part::Whole(Value::Error(text)), next))),
        _ => {}
    }
    let number = number(text).ok_or(ProtocolError::InvalidLine)?;
    match (kind, usize::try_from(number)) {
        (b':', _) => Ok(Some((Part::Whole(Value::Integer(number)), next))),
        (_, Err(_)) if number == -1 => Ok(Some((Part::Whole(Value::Nil), next))),
        (b'*', Ok(length)) if length <= limits.arguments_max => {
            Ok(Some((Part::Array(length), next)))
        }
        (b'*', _) => Err(ProtocolError::InvalidCount),
        (_, Ok(length)) if length <= limits.bulk_max => bulk(bytes, next, length),
        _ => Err(ProtocolError::InvalidLength),
    }
}

fn bulk(
    bytes: &[u8],
    begin: usize,
    length: usize,
) -> Result<Option<(Part<'_>, usize)>, ProtocolError> {
    let end = begin + length;
    match bytes.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((Part::Whole(Value::Bulk(&bytes[begin..end])), end + 2))),
        Some(_) => Err(ProtocolError::ExpectedEnd),
    }
}

/// Finds the end of a reply that arrives in pieces, reading each part once and allocating nothing.
#[derive(Clone, Debug)]
pub struct ReplyEnd {
    position: usize,
    values_left: usize,
}

impl Default for ReplyEnd {
    fn default() -> Self {
        Self { position: 0, values_left: 1 }
    }
}

impl ReplyEnd {
    /// Looks on in `bytes`, which begin where they began before and may have grown. Once it has
    /// said where the reply ends, it is ready for the next.
    ///
    /// # Errors
    /// [`ProtocolError`]: no further bytes make this a reply.
    pub fn find(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        while self.values_left > 0 {
            let Some((part, next)) = part(bytes, self.position, limits)? else { return Ok(None) };
            self.position = next;
            self.values_left -= 1;
            if let Part::Array(length) = part {
                self.values_left = self.values_left.saturating_add(length);
            }
            if next > limits.frame_max {
                return Err(ProtocolError::FrameTooBig { frame_max: limits.frame_max });
            }
        }
        let end = self.position;
        *self = Self::default();
        Ok(Some(end))
    }
}

#[cfg(test)]
mod tests;
