//! Lines and the numbers they hold.

use std::ops::Range;

/// The longest line that holds a number: a type, a sign, 19 digits and an end, with room to spare.
/// Redis allows 64 KiB, which nobody needs and everybody could send.
pub(super) const NUMBER_LINE_MAX: usize = 32;

/// A line that should end in CRLF.
pub(super) enum Line {
    /// Its content, and where what follows begins.
    Complete(Range<usize>, usize),
    /// Its end has not arrived.
    Incomplete,
    /// Its CR is not followed by LF, or it is longer than `max`.
    Bad(Fault),
}

/// What is wrong with a line.
pub(super) enum Fault {
    TooLong,
    NoLineFeed,
}

/// The line that begins at `from`, of at most `max` bytes.
pub(super) fn line(bytes: &[u8], from: usize, max: usize) -> Line {
    let rest = bytes.get(from..).unwrap_or_default();
    let window = &rest[..rest.len().min(max)];
    match memchr::memchr(b'\r', window) {
        None if rest.len() >= max => Line::Bad(Fault::TooLong),
        None => Line::Incomplete,
        Some(length) => match rest.get(length + 1) {
            None => Line::Incomplete,
            Some(b'\n') => Line::Complete(from..from + length, from + length + 2),
            Some(_) => Line::Bad(Fault::NoLineFeed),
        },
    }
}

/// A decimal number as Redis reads it: no plus sign, no leading zeros, no blanks.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!is_negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    digits.iter().try_fold(0_i64, |number, &byte| {
        let digit = i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        // Counting down reaches the smallest number, whose opposite does not exist.
        let number = number.checked_mul(10)?;
        if is_negative { number.checked_sub(digit) } else { number.checked_add(digit) }
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_strictly_as_redis_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("-42", Some(-42)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1x", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
