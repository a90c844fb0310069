//! Lengths of time as people write them: `500ns`, `10us`, `2.5ms`, `1s`.

use thiserror::Error;

/// A length of time that could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is no length of time: write a positive number and ns, us, ms or s, as in 10us")]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

/// Longest and thus exactly countable length: one day, far above any request or run.
const DURATION_MAX_NS: f64 = 86_400e9;

/// Reads a positive length of time, rounded to nanoseconds.
///
/// # Errors
/// When the number or the unit is missing, or the length is not within one nanosecond and one day.
pub fn parse_duration_ns(text: &str) -> Result<u64, DurationError> {
    let text = text.trim();
    let error = || DurationError { text: text.to_owned() };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(error)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ns = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(error()),
    };
    let length_ns = (number.trim().parse::<f64>().map_err(|_| error())? * unit_ns).round();
    if !(1.0..=DURATION_MAX_NS).contains(&length_ns) {
        return Err(error());
    }
    Ok(length_ns as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        assert_eq!(parse_duration_ns("500ns"), Ok(500));
        assert_eq!(parse_duration_ns("5.7us"), Ok(5_700));
        assert_eq!(parse_duration_ns(" 10 ms "), Ok(10_000_000));
        assert_eq!(parse_duration_ns("1s"), Ok(1_000_000_000));
    }

    #[test]
    fn names_what_it_cannot_read() {
        for text in ["", "10", "us", "10min", "-1us", "0us", "0.1ns", "nanus", "1e30s", "10us5"] {
            let error = parse_duration_ns(text).unwrap_err();
            assert_eq!(error.text, text);
        }
    }
}
