//! Requests, as a server reads them.

use std::ops::Range;

use super::error::ProtocolError;
use super::inline;
use super::limits::Limits;
use super::line::{Fault, Line, NUMBER_LINE_MAX, line, number};

/// Finds the request at the beginning of `bytes`: where its arguments lie, and where it ends.
///
/// While the request is incomplete, `arguments` holds those that have arrived and is the decoder's
/// memory: call again with the same bytes, more behind them, and the same vector, and nothing is
/// read twice, however small the pieces. Clear it before the next request.
///
/// A request may have no arguments (`*0`, an empty line): it asks for nothing and gets no reply.
/// Arguments of an inline request may be quoted; see [`unquote`](super::unquote).
///
/// # Errors
/// [`ProtocolError`]: no further bytes make this a request.
pub fn decode_request(
    bytes: &[u8],
    limits: &Limits,
    arguments: &mut Vec<Range<usize>>,
) -> Result<Option<usize>, ProtocolError> {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => decode_multibulk(bytes, limits, arguments),
        Some(_) => inline::decode(bytes, limits, arguments),
    }
}

fn decode_multibulk(
    bytes: &[u8],
    limits: &Limits,
    arguments: &mut Vec<Range<usize>>,
) -> Result<Option<usize>, ProtocolError> {
    let Some((count, first)) = argument_count(bytes, limits)? else { return Ok(None) };
    let mut position = arguments.last().map_or(first, |last| last.end + 2);
    while arguments.len() < count {
        let Some(argument) = bulk(bytes, position, limits)? else { return Ok(None) };
        position = argument.end + 2;
        arguments.push(argument);
    }
    Ok(Some(position))
}

/// How many arguments follow, and where the first begins.
fn argument_count(bytes: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, ProtocolError> {
    let (text, next) = match line(bytes, 1, NUMBER_LINE_MAX) {
        Line::Complete(text, next) => (text, next),
        Line::Incomplete => return Ok(None),
        Line::Bad(Fault::TooLong) => return Err(ProtocolError::CountTooLong),
        Line::Bad(Fault::NoLineFeed) => return Err(ProtocolError::ExpectedEnd),
    };
    let count = number(&bytes[text]).ok_or(ProtocolError::InvalidCount)?;
    // Redis takes a negative number of arguments for none.
    let count = usize::try_from(count).unwrap_or(0);
    if count <= limits.arguments_max {
        Ok(Some((count, next)))
    } else if limits.is_authenticated {
        Err(ProtocolError::InvalidCount)
    } else {
        Err(ProtocolError::UnauthenticatedCount)
    }
}

/// The string that begins at `from`; `None` until all of it has arrived.
fn bulk(bytes: &[u8], from: usize, limits: &Limits) -> Result<Option<Range<usize>>, ProtocolError> {
    match bytes.get(from) {
        None => return Ok(None),
        Some(b'$') => {}
        Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
    }
    let (text, begin) = match line(bytes, from + 1, NUMBER_LINE_MAX) {
        Line::Complete(text, next) => (text, next),
        Line::Incomplete => return Ok(None),
        Line::Bad(Fault::TooLong) => return Err(ProtocolError::LengthTooLong),
        Line::Bad(Fault::NoLineFeed) => return Err(ProtocolError::ExpectedEnd),
    };
    let length = number(&bytes[text])
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(ProtocolError::InvalidLength)?;
    if length > limits.bulk_max {
        return Err(match limits.is_authenticated {
            true => ProtocolError::InvalidLength,
            false => ProtocolError::UnauthenticatedLength,
        });
    }
    let end = begin + length;
    if end + 2 > limits.frame_max {
        return Err(ProtocolError::FrameTooBig { frame_max: limits.frame_max });
    }
    match bytes.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some(begin..end)),
        Some(_) => Err(ProtocolError::ExpectedEnd),
    }
}

#[cfg(test)]
mod tests;
