//! Arguments that mean something: numbers, options, patterns.

use revenant_wire::resp;

use crate::failure::Failure;

/// A decimal number.
pub(super) fn integer(text: &[u8]) -> Result<i64, Failure> {
    resp::number(text).ok_or(Failure::NotInteger)
}

/// A number of things; a negative one is no such number.
pub(super) fn count(text: &[u8]) -> Result<usize, Failure> {
    usize::try_from(integer(text)?).map_err(|_| Failure::NotInteger)
}

/// Whether `text` is `word`, in whatever case.
pub(super) fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// Whether `text` matches a pattern of `*`, `?`, `[a-c]`, `[^a]` and `\` as Redis understands
/// them.
///
/// Only the last `*` is ever taken up again: what an earlier one could match more of, the last can
/// too. So a hostile pattern costs the product of the lengths, not a power.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen));
        } else if let Some(length) = matches_one(&pattern[at..], text[seen]) {
            at += length;
            seen += 1;
        } else if let Some((after_star, begin)) = &mut star {
            *begin += 1;
            (at, seen) = (*after_star, *begin);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How much of `pattern` matches this one byte.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => {
            let (is_in, length) = class(&pattern[1..], byte);
            is_in.then_some(1 + length)
        }
        [b'\\', escaped, ..] => (escaped == byte).then_some(2),
        [literal, ..] => (literal == byte).then_some(1),
    }
}

/// Whether the class of bytes at the beginning of `pattern`, behind its bracket, has this one, and
/// how long it is. A class without an end goes on to that of the pattern.
fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let is_negated = pattern.first() == Some(&b'^');
    let (mut at, mut is_in) = (usize::from(is_negated), false);
    loop {
        match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                is_in |= escaped == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                is_in |= (low.min(high)..=low.max(high)).contains(&byte);
                at += 3;
            }
            [member, ..] => {
                is_in |= member == byte;
                at += 1;
            }
        }
    }
    (is_in != is_negated, at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[ab", "b", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(20_000).as_bytes()));
    }
}
