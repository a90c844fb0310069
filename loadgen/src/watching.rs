//! The line about a run under way, on stderr.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use revenant_loadgen::Glance;
use revenant_loadgen::quantity::{amount, time};

use crate::terminal::tell;

/// Between two lines.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows how a run goes.
#[derive(Debug)]
pub(crate) struct LiveLine {
    shown: Shown,
    title: String,
    last: Option<(Duration, Glance)>,
}

#[derive(Debug, PartialEq)]
enum Shown {
    /// One line, written over.
    Terminal,
    /// A line a second.
    Lines,
    Nothing,
}

impl LiveLine {
    /// On a terminal, or wherever it is asked for.
    pub(crate) fn new(asked_for: bool) -> Self {
        let shown = match (stderr().is_terminal(), asked_for) {
            (true, _) => Shown::Terminal,
            (false, true) => Shown::Lines,
            (false, false) => Shown::Nothing,
        };
        Self { shown, title: String::new(), last: None }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, title: String) {
        self.title = title;
        self.last = None;
    }

    /// All is over: makes room for the results.
    pub(crate) fn end(&mut self) {
        if self.shown == Shown::Terminal {
            tell("\r\x1b[K");
        }
    }

    /// The run has gone on for so long.
    pub(crate) fn look(&mut self, elapsed: Duration, glance: Glance) {
        let (then, before) = self.last.unwrap_or_default();
        if self.shown == Shown::Nothing || elapsed < then + PERIOD {
            return;
        }
        self.last = Some((elapsed, glance));
        let line = line(&self.title, elapsed, elapsed - then, (before, glance));
        if self.shown == Shown::Terminal {
            tell(&format!("\r\x1b[K{line}"));
        } else {
            tell(&format!("{line}\n"));
        }
    }
}

fn line(title: &str, elapsed: Duration, period: Duration, glances: (Glance, Glance)) -> String {
    let (before, now) = glances;
    let per_second =
        |now: u64, before: u64| amount(now.saturating_sub(before) as f64 / period.as_secs_f64());
    format!(
        "{title}: {:.0} s, sent {}/s, answered {}/s, {} under way, p99 {}, {} failed",
        elapsed.as_secs_f64(),
        per_second(now.sent, before.sent),
        per_second(now.answered, before.answered),
        now.in_flight,
        time(now.p99_ns as f64 / 1e3),
        now.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_since_the_line_before() {
        let before = Glance { sent: 1_000, answered: 900, ..Glance::default() };
        let now = Glance { sent: 3_000, answered: 2_900, in_flight: 4, failed: 1, p99_ns: 80_000 };
        let seconds = Duration::from_secs;
        assert_eq!(
            line("rate 1k", seconds(7), seconds(2), (before, now)),
            "rate 1k: 7 s, sent 1.00k/s, answered 1.00k/s, 4 under way, p99 80.0us, 1 failed"
        );
    }
}
