//! Settings as people write them.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use revenant::cpu::CpuSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::cluster::Node;

/// A value, and the text it was read from: what is shown is what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T> {
    text: String,
    value: T,
}

impl<T> Deref for Text<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: FromStr> FromStr for Text<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self { value: text.parse()?, text: text.to_owned() })
    }
}

impl<T> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A time: `200us`, `5s`, `1min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// In nanoseconds; centuries are as good as for ever.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| format!("`{text}` is no time ({error}): write 200us, 5ms, 10s, 1min"))
    }
}

/// A number of bytes: `65536`, `64KiB`, `8MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match &text[digits.len()..] {
            "" | "B" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            "GiB" => Some(30),
            _ => None,
        };
        let number: Option<usize> = digits.trim().parse().ok();
        let bytes = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
        bytes
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no number of bytes: write 65536, 64KiB, 8MiB"))
    }
}

/// A set of CPUs: `1`, `0-3,7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus(pub CpuSet);

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        CpuSet::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

/// A member of a cluster: `HOST:PORT=FIRST-LAST`, the slots it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member(pub Node);

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let node = || {
            let (address, slots) = text.split_once('=')?;
            let (host, port) = address.rsplit_once(':')?;
            let (first, last) = slots.split_once('-')?;
            Some(Node {
                host: host.to_owned(),
                port: port.parse().ok()?,
                first_slot: first.parse().ok()?,
                last_slot: last.parse().ok()?,
            })
        };
        node().map(Self).ok_or_else(|| {
            format!("`{text}` is no member of a cluster: write HOST:PORT=FIRST-LAST, the slots")
        })
    }
}
