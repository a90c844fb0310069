//! Recorded arrivals, read back: a line a request, its time and perhaps its class.

use thiserror::Error;

use crate::duration::parse_duration_ns;
use crate::mix::Mix;
use crate::plan::REQUESTS_MAX;

/// One recorded arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, from the first line's time on.
    pub at_ns: u64,
    /// Its class in the mix; `None` to draw one.
    pub class: Option<u16>,
}

/// Recorded arrivals, ascending, the first at 0. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    arrivals: Vec<Arrival>,
}

/// Why a trace cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TraceError {
    /// No line names a time.
    #[error("the trace is empty: write a line a request, as in `1.5ms get`")]
    Empty,
    /// More requests than a plan holds.
    #[error("the trace has more than {REQUESTS_MAX} requests: split it")]
    TooLong,
    /// A line is not of the right shape.
    #[error("trace line {line}, `{text}`: write a time and perhaps a class, as in `1.5ms get`")]
    Shape {
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A line names a class the traffic does not have.
    #[error("trace line {line}: no class `{class}` in the traffic")]
    Class {
        /// Its number, from 1.
        line: usize,
        /// The class named.
        class: String,
    },
    /// Times go back.
    #[error("trace line {line}: earlier than the line before; sort the trace by time")]
    Order {
        /// Its number, from 1.
        line: usize,
    },
}

impl Trace {
    /// Reads lines `TIME [CLASS]`: times with a unit (`1.5ms`) or bare numbers of seconds (`0.0015`).
    /// Empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// Names the line at fault.
    pub fn parse(text: &str, mix: &Mix) -> Result<Self, TraceError> {
        let mut arrivals: Vec<Arrival> = Vec::new();
        for (index, content) in text.lines().enumerate() {
            let (line, content) = (index + 1, content.trim());
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let shape = || TraceError::Shape { line, text: content.chars().take(40).collect() };
            let mut words = content.split_whitespace();
            let at_ns = words.next().and_then(time_ns).ok_or_else(shape)?;
            let class = match words.next() {
                None => None,
                Some(name) => Some(
                    class_named(mix, name)
                        .ok_or_else(|| TraceError::Class { line, class: name.to_owned() })?,
                ),
            };
            if words.next().is_some() {
                return Err(shape());
            }
            if arrivals.last().is_some_and(|last| last.at_ns > at_ns) {
                return Err(TraceError::Order { line });
            }
            if arrivals.len() == REQUESTS_MAX {
                return Err(TraceError::TooLong);
            }
            arrivals.push(Arrival { at_ns, class });
        }
        let first_ns = arrivals.first().ok_or(TraceError::Empty)?.at_ns;
        for arrival in &mut arrivals {
            arrival.at_ns -= first_ns;
        }
        Ok(Self { arrivals })
    }

    /// Its arrivals.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Time of the last arrival.
    #[must_use]
    pub fn length_ns(&self) -> u64 {
        self.arrivals.last().map_or(0, |arrival| arrival.at_ns)
    }
}

fn time_ns(word: &str) -> Option<u64> {
    if word.ends_with('s') {
        // A duration is positive; a trace may begin at 0.
        let zero = word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse() == Ok(0.0);
        return if zero { Some(0) } else { parse_duration_ns(word).ok() };
    }
    let seconds: f64 = word.parse().ok()?;
    // Times since 1970 fit, to a microsecond.
    (0.0..=1e10).contains(&seconds).then_some((seconds * 1e9).round() as u64)
}

fn class_named(mix: &Mix, name: &str) -> Option<u16> {
    // CLASSES_MAX is far below 2^16.
    mix.classes().iter().position(|class| class.name == name).map(|index| index as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mix() -> Mix {
        Mix::parse("get=99:1us,scan=1:1ms").unwrap()
    }

    #[test]
    fn reads_times_classes_and_comments() {
        let trace = Trace::parse("# recorded\n0s get\n\n1.5ms scan\n0.002\n", &mix()).unwrap();
        let arrival = |at_ns, class| Arrival { at_ns, class };
        assert_eq!(
            trace.arrivals(),
            [arrival(0, Some(0)), arrival(1_500_000, Some(1)), arrival(2_000_000, None)]
        );
        assert_eq!(trace.length_ns(), 2_000_000);
    }

    #[test]
    fn begins_at_its_first_line() {
        let trace = Trace::parse("1700000000.5\n1700000001.5", &mix()).unwrap();
        assert_eq!(trace.arrivals()[0].at_ns, 0);
        assert_eq!(trace.length_ns(), 1_000_000_000);
    }

    #[test]
    fn names_the_line_at_fault() {
        let faults = [
            ("", "empty"),
            ("0\nsoon", "line 2, `soon`"),
            ("0 get more", "line 1"),
            ("0 put", "`put`"),
            ("2ms\n1ms", "line 2: earlier"),
            ("-1", "line 1"),
        ];
        for (text, named) in faults {
            let error = Trace::parse(text, &mix()).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[0-9a-z. \n#-]{0,60}") {
            if let Ok(trace) = Trace::parse(&text, &mix()) {
                prop_assert!(trace.arrivals().is_sorted_by_key(|arrival| arrival.at_ns));
            }
        }
    }
}
