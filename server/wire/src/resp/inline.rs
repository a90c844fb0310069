//! Inline requests: words on a line, for people with a terminal.

use std::ops::Range;

use super::error::ProtocolError;
use super::limits::Limits;

/// Finds the words of the line at the beginning of `bytes`.
///
/// The search for its end starts anew each time; `inline_max` bounds what that can cost.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    arguments: &mut Vec<Range<usize>>,
) -> Result<Option<usize>, ProtocolError> {
    let window = &bytes[..bytes.len().min(limits.inline_max)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let is_too_big = bytes.len() >= limits.inline_max;
        return if is_too_big { Err(ProtocolError::InlineTooBig) } else { Ok(None) };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    arguments.clear();
    let mut position = 0;
    while let Some(begin) = line[position..].iter().position(|byte| !is_blank(*byte)) {
        let begin = position + begin;
        position = word_end(line, begin).ok_or(ProtocolError::UnbalancedQuotes)?;
        arguments.push(begin..position);
        if arguments.len() > limits.arguments_max {
            return Err(ProtocolError::InvalidCount);
        }
    }
    Ok(Some(end + 1))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0)
}

/// Where the word that begins at `begin` ends; `None` if its quotes do not match.
fn word_end(line: &[u8], begin: usize) -> Option<usize> {
    let mut position = begin;
    while let Some(&byte) = line.get(position) {
        match byte {
            byte if is_blank(byte) => break,
            b'"' | b'\'' => {
                position = closing_quote(line, position)? + 1;
                // A closing quote ends the word.
                let ends = line.get(position).is_none_or(|byte| is_blank(*byte));
                return ends.then_some(position);
            }
            _ => position += 1,
        }
    }
    Some(position)
}

fn closing_quote(line: &[u8], opening: usize) -> Option<usize> {
    let quote = line[opening];
    let mut position = opening + 1;
    loop {
        match *line.get(position)? {
            byte if byte == quote => return Some(position),
            b'\\' if quote == b'"' || line.get(position + 1) == Some(&b'\'') => position += 2,
            _ => position += 1,
        }
    }
}

/// Takes quotes and escapes out of the arguments of an inline request, in place: `"a\tb"` and
/// `'a b'` become what they stand for. Leaves multibulk requests alone.
pub fn unquote(frame: &mut [u8], arguments: &mut [Range<usize>]) {
    if frame.first() == Some(&b'*') {
        return;
    }
    for argument in arguments {
        if let Some(text) = frame.get_mut(argument.clone()) {
            argument.end = argument.start + unquote_word(text);
        }
    }
}

/// Writes what `word` stands for over its beginning, and returns that length.
fn unquote_word(word: &mut [u8]) -> usize {
    let Some(opening) = word.iter().position(|byte| matches!(byte, b'"' | b'\'')) else {
        return word.len();
    };
    let quote = word[opening];
    let (mut from, mut to) = (opening + 1, opening);
    while from + 1 < word.len() {
        let (byte, taken) = match quote {
            b'"' => double_quoted(&word[from..]),
            _ if word[from..].starts_with(b"\\'") => (b'\'', 2),
            _ => (word[from], 1),
        };
        word[to] = byte;
        to += 1;
        from += taken;
    }
    to
}

/// The byte that a double-quoted text begins with, and how many bytes stand for it.
fn double_quoted(text: &[u8]) -> (u8, usize) {
    match *text {
        [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            (hex(high) << 4 | hex(low), 4)
        }
        [b'\\', escaped, ..] => {
            let byte = match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 0x08,
                b'a' => 0x07,
                other => other,
            };
            (byte, 2)
        }
        [byte, ..] => (byte, 1),
        [] => (0, 1),
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
