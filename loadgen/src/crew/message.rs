//! What coordinator and agents say to each other.
//!
//! The coordinator sends `Prepare`; each agent connects to the server, tries it, and says `Ready` or
//! `Failed`. When all are ready, all get `Go` at once: runs then begin within a round trip of each
//! other, and no clocks are compared. While it runs an agent says `Live`; at the end `Done`, and the
//! histograms of each class behind it.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::frame;
use crate::generator::{Incidents, Measured};
use crate::job::Job;
use crate::live::Glance;
use crate::tally::{ClassTally, Counts, Span};
use crate::validity::Check;

/// Version of this conversation; both sides must have the same.
pub(super) const VERSION: u32 = 2;

/// To an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Get ready for this.
    Prepare { version: u32, job: Box<Job> },
    /// Begin.
    Go,
    /// End before the time.
    Stop,
}

/// From an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It can begin.
    Ready { version: u32 },
    /// It cannot.
    Failed { reason: String },
    /// How it goes.
    Live(Glance),
    /// What came of it; histograms follow.
    Done { classes: Vec<Totals>, arrival_checks: Vec<Check>, incidents: Incidents },
}

/// A tally without its histograms.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Totals {
    span: Span,
    counts: Counts,
    completed: u64,
}

/// Says `Done`.
pub(super) fn send_measured(stream: &mut impl Write, measured: &Measured) -> io::Result<()> {
    let totals = |class: &ClassTally| Totals {
        span: class.span,
        counts: class.counts,
        completed: class.completed,
    };
    let done = Report::Done {
        classes: measured.classes.iter().map(totals).collect(),
        arrival_checks: measured.arrival_checks.clone(),
        incidents: measured.incidents.clone(),
    };
    frame::send_message(stream, &done)?;
    measured.classes.iter().try_for_each(|class| frame::send_histograms(stream, class))
}

/// Hears the tallies that `Done` announced.
pub(super) fn receive_tallies(
    stream: &mut impl Read,
    totals: &[Totals],
) -> io::Result<Vec<ClassTally>> {
    let tally = |totals: &Totals| {
        let mut tally = ClassTally::new(totals.span);
        tally.counts = totals.counts;
        tally.completed = totals.completed;
        frame::receive_histograms(stream, &mut tally)?;
        Ok(tally)
    };
    totals.iter().map(tally).collect()
}
