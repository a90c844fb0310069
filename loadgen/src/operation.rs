//! What a request of a class asks the server to do.

use std::fmt;

use thiserror::Error;

use crate::duration::{DurationError, parse_duration_ns};

/// Most keys one RANGE or SCAN may ask for: their reply is 100 MB of small values.
pub const RANGE_KEYS_MAX: u32 = 1_000_000;

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a key.
    Get,
    /// Writes a key.
    Set,
    /// Reads so many keys in order, from a drawn one on.
    Range {
        /// How many.
        keys: u32,
    },
    /// One step of SCAN, from the beginning, with this COUNT: what Redis has for a range.
    Scan {
        /// The COUNT.
        keys: u32,
    },
    /// Keeps a CPU of the server busy.
    Spin {
        /// For how long.
        service_ns: u64,
    },
    /// Any other command.
    Command(Template),
}

/// A command whose words may hold `{key}` and `{value}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    words: Vec<Vec<Piece>>,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Key,
    Value,
}

/// Why an operation cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OperationError {
    /// There is none.
    #[error(
        "no operation: write GET, SET, RANGE 100, SCAN 100, SPIN 10us or a command of your own"
    )]
    Empty,
    /// The number of keys is none.
    #[error("`{text}`: give a number of keys from 1 to {RANGE_KEYS_MAX}, as in RANGE 100")]
    KeyCount {
        /// The operation.
        text: String,
    },
    /// The length of a spin is none.
    #[error("`{text}`: {source}")]
    Spin {
        /// The operation.
        text: String,
        /// What could not be read.
        source: DurationError,
    },
}

impl std::str::FromStr for Operation {
    type Err = OperationError;

    fn from_str(text: &str) -> Result<Self, OperationError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let keys = |count: &str| match count.parse() {
            Ok(keys) if (1..=RANGE_KEYS_MAX).contains(&keys) => Ok(keys),
            _ => Err(OperationError::KeyCount { text: text.to_owned() }),
        };
        let spin = |length: &str| match parse_duration_ns(length) {
            Ok(service_ns) => Ok(Self::Spin { service_ns }),
            Err(source) => Err(OperationError::Spin { text: text.to_owned(), source }),
        };
        match words[..] {
            [] => Err(OperationError::Empty),
            ["GET"] => Ok(Self::Get),
            ["SET"] => Ok(Self::Set),
            ["RANGE", count] => Ok(Self::Range { keys: keys(count)? }),
            ["SCAN", count] => Ok(Self::Scan { keys: keys(count)? }),
            ["SPIN", length] => spin(length),
            ["RANGE" | "SCAN"] => Err(OperationError::KeyCount { text: text.to_owned() }),
            ["SPIN"] => spin(""),
            // A bare time is a spin, as mixes are written for the in-process comparison.
            [length] if length.starts_with(|c: char| c.is_ascii_digit()) => spin(length),
            _ => Ok(Self::Command(Template::of(&words))),
        }
    }
}

impl Operation {
    /// CPU time that a request is known to take.
    #[must_use]
    pub fn service_ns(&self) -> Option<u64> {
        match self {
            Self::Spin { service_ns } => Some(*service_ns),
            _ => None,
        }
    }

    /// The operation as a command of words, for protocols made of words.
    #[must_use]
    pub fn template(&self) -> Template {
        let words = match self {
            Self::Get => "GET {key}".to_owned(),
            Self::Set => "SET {key} {value}".to_owned(),
            Self::Range { keys } => format!("RANGE {{key}} {keys}"),
            Self::Scan { keys } => format!("SCAN 0 COUNT {keys}"),
            Self::Spin { service_ns } => format!("SPIN {}", *service_ns as f64 / 1e3),
            Self::Command(template) => return template.clone(),
        };
        Template::of(&words.split_whitespace().collect::<Vec<_>>())
    }
}

impl fmt::Display for Operation {
    /// As it is written in traffic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get => f.write_str("GET"),
            Self::Set => f.write_str("SET"),
            Self::Range { keys } => write!(f, "RANGE {keys}"),
            Self::Scan { keys } => write!(f, "SCAN {keys}"),
            Self::Spin { service_ns } => write!(f, "SPIN {service_ns}ns"),
            Self::Command(template) => template.fmt(f),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            for piece in word {
                f.write_str(match piece {
                    Piece::Literal(text) => text,
                    Piece::Key => "{key}",
                    Piece::Value => "{value}",
                })?;
            }
        }
        Ok(())
    }
}

impl Template {
    fn of(words: &[&str]) -> Self {
        Self { words: words.iter().map(|word| pieces(word)).collect() }
    }

    /// How many words it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether it has none; no template that was read has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Writes its words one after the other to `bytes`, with key and value in their places, and
    /// where each ends to `ends`.
    pub fn fill(&self, key: &[u8], value: &[u8], bytes: &mut Vec<u8>, ends: &mut Vec<usize>) {
        bytes.clear();
        ends.clear();
        for word in &self.words {
            for piece in word {
                bytes.extend_from_slice(match piece {
                    Piece::Literal(text) => text.as_bytes(),
                    Piece::Key => key,
                    Piece::Value => value,
                });
            }
            ends.push(bytes.len());
        }
    }
}

fn pieces(word: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        let found = [("{key}", Piece::Key), ("{value}", Piece::Value)]
            .into_iter()
            .filter_map(|(name, piece)| Some((rest.find(name)?, name, piece)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, name, piece)) = found else {
            pieces.push(Piece::Literal(rest.to_owned()));
            break;
        };
        if at > 0 {
            pieces.push(Piece::Literal(rest[..at].to_owned()));
        }
        pieces.push(piece);
        rest = &rest[at + name.len()..];
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let template = text.parse::<Operation>().unwrap().template();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        template.fill(b"K", b"V", &mut bytes, &mut ends);
        assert_eq!(ends.len(), template.len());
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let words = begins.zip(&ends).map(|(from, to)| String::from_utf8_lossy(&bytes[from..*to]));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn operations_become_commands() {
        let expected = [
            ("GET", "GET K"),
            ("SET", "SET K V"),
            ("RANGE 100", "RANGE K 100"),
            ("SCAN 50", "SCAN 0 COUNT 50"),
            ("SPIN 10us", "SPIN 10"),
            ("5.7us", "SPIN 5.7"),
            ("SPIN 500ns", "SPIN 0.5"),
            ("ZADD z 1 a{key}b{value}", "ZADD z 1 aKbV"),
            ("PING", "PING"),
        ];
        for (text, command) in expected {
            assert_eq!(written(text), command, "{text}");
            let operation: Operation = text.parse().unwrap();
            assert_eq!(operation.to_string().parse(), Ok(operation), "{text}");
        }
    }

    #[test]
    fn only_spins_have_a_known_length() {
        assert_eq!("SPIN 10ms".parse::<Operation>().unwrap().service_ns(), Some(10_000_000));
        assert_eq!("GET".parse::<Operation>().unwrap().service_ns(), None);
    }

    #[test]
    fn names_what_it_cannot_read() {
        for text in ["RANGE", "RANGE x", "SCAN 0", "RANGE 2000000", "SPIN", "SPIN 10", "10"] {
            let error = text.parse::<Operation>().unwrap_err().to_string();
            assert!(error.contains(text), "{text}: {error}");
        }
        assert_eq!(" ".parse::<Operation>(), Err(OperationError::Empty));
    }
}
