//! One result: what one class of requests saw of one system at one load.

use revenant_loadgen::ClassRecord;
use serde::{Deserialize, Serialize};

/// A row of results. `compare` and `simulate` write the same.
///
/// Percentiles are `None` when there was no request to take them from, never 0. Fields marked *run*
/// belong to the whole run and are the same in the rows of all its classes. All numbers are finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What scheduled the requests: a policy, a baseline or a bound.
    pub system: String,
    /// Offered work over capacity: 1 keeps all workers busy all the time.
    pub load: f64,
    /// Class of requests.
    pub class: String,
    /// Runs this row is the median of, each with its own seed.
    pub seeds: u32,
    /// Measured length of a run without its warm-up.
    pub seconds: f64,
    /// Requests of this class intended within it.
    pub requests: u64,
    /// Rate this class was meant to be sent at.
    pub offered_rps: f64,
    /// Rate at which this class was done; below the offered rate, the system did not keep up.
    pub achieved_rps: f64,

    /// Median latency from the intended time of sending.
    pub p50_us: Option<f64>,
    /// 99th percentile of it.
    pub p99_us: Option<f64>,
    /// Lower end of the p99's 95 % confidence interval within a run.
    pub p99_low_us: Option<f64>,
    /// Upper end of it.
    pub p99_high_us: Option<f64>,
    /// 99.9th percentile.
    pub p999_us: Option<f64>,
    /// Largest latency, of all seeds.
    pub max_us: Option<f64>,
    /// 99th percentile over requests that overlap no recorded stall.
    pub p99_clean_us: Option<f64>,
    /// 99.9th percentile over requests that overlap no recorded stall.
    pub p999_clean_us: Option<f64>,
    /// Part of the requests that overlap one, 0 to 1.
    pub stalled_share: f64,
    /// 99th percentile of latency over planned service time.
    pub slowdown_p99: Option<f64>,
    /// 99.9th percentile of it.
    pub slowdown_p999: Option<f64>,
    /// 99th percentile of how late requests were sent.
    pub lateness_p99_us: Option<f64>,
    /// Requests of this class that were not done when the run was ended.
    pub unfinished: u64,

    /// How often requests of this class were preempted.
    pub preemptions: u64,
    /// Preemption signals sent (*run*).
    pub signals_sent: u64,
    /// Signals that arrived after their reason was gone (*run*).
    pub signals_stale: u64,
    /// Signals sent again because nothing came of the one before (*run*).
    pub signals_resent: u64,
    /// Part of this class's requests that was demoted, 0 to 1; `None` where nothing demotes.
    pub demoted_share: Option<f64>,
    /// Part of the worker time left idle by requests that batch work got, 0 to 1; `None` without
    /// batch work (*run*).
    pub batch_share: Option<f64>,
    /// Stalls above 200 us of the dispatcher, a second (*run*).
    pub stalls_per_s_dispatcher: f64,
    /// Stalls above 200 us of all workers, a second (*run*).
    pub stalls_per_s_worker: f64,
    /// Longest stall of either, of all seeds (*run*).
    pub stall_max_us: f64,
    /// Involuntary context switches of the process's threads (*run*).
    pub involuntary_switches: u64,

    /// Runs repeated because too many requests overlapped stalls, over all seeds (*run*).
    pub repeats: u32,
    /// Whether a run stayed above the bound of stalled requests after all repeats (*run*).
    pub unclean: bool,
    /// What a reader must know about this row.
    pub note: Option<String>,
}

impl Row {
    /// The row of one run's record of one class; what the record cannot know stays at its default.
    #[must_use]
    pub fn of_class(system: &str, load: f64, class: &str, record: &ClassRecord) -> Self {
        let interval_ns = record.latency_interval_ns(0.99);
        Self {
            system: system.to_owned(),
            load,
            class: class.to_owned(),
            seeds: 1,
            seconds: record.seconds(),
            requests: record.count(),
            offered_rps: record.offered_rps(),
            achieved_rps: record.achieved_rps(),
            p50_us: us(record.latency_ns(0.5)),
            p99_us: us(record.latency_ns(0.99)),
            p99_low_us: us(interval_ns.map(|interval| interval.low)),
            p99_high_us: us(interval_ns.map(|interval| interval.high)),
            p999_us: us(record.latency_ns(0.999)),
            max_us: us(record.max_ns()),
            p99_clean_us: us(record.clean_latency_ns(0.99)),
            p999_clean_us: us(record.clean_latency_ns(0.999)),
            stalled_share: record.stalled_share(),
            slowdown_p99: record.slowdown(0.99),
            slowdown_p999: record.slowdown(0.999),
            lateness_p99_us: us(record.lateness_ns(0.99)),
            unfinished: record.unfinished(),
            preemptions: record.preemptions(),
            ..Self::default()
        }
    }

    /// Preemptions of this class a second.
    #[must_use]
    pub fn preemptions_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.preemptions as f64 / self.seconds } else { 0.0 }
    }
}

fn us(ns: Option<u64>) -> Option<f64> {
    ns.map(|ns| ns as f64 / 1e3)
}

/// One row for several seeds of the same system, load and class.
///
/// Each number is the median of the seeds', so that one disturbed run does not decide. Exceptions,
/// because a median would hide what happened: the largest latency and the longest stall are those
/// of all seeds, repeats add up, one unclean run marks the row, and every different note is kept.
///
/// # Panics
/// When there is no row, or the rows are not of one cell.
#[must_use]
pub fn median_row(rows: &[Row]) -> Row {
    let first = rows.first().expect("a median needs at least one row");
    for row in rows {
        let same = row.system == first.system && row.class == first.class && row.load == first.load;
        assert!(same, "a median is of one cell, not of {} and {}", first.system, row.system);
    }
    let seeds = Seeds(rows);
    Row {
        system: first.system.clone(),
        load: first.load,
        class: first.class.clone(),
        seeds: rows.iter().map(|row| row.seeds).sum(),
        seconds: seeds.median(|row| row.seconds),
        requests: seeds.count(|row| row.requests),
        offered_rps: seeds.median(|row| row.offered_rps),
        achieved_rps: seeds.median(|row| row.achieved_rps),
        p50_us: seeds.known(|row| row.p50_us),
        p99_us: seeds.known(|row| row.p99_us),
        p99_low_us: seeds.known(|row| row.p99_low_us),
        p99_high_us: seeds.known(|row| row.p99_high_us),
        p999_us: seeds.known(|row| row.p999_us),
        max_us: rows.iter().filter_map(|row| row.max_us).reduce(f64::max),
        p99_clean_us: seeds.known(|row| row.p99_clean_us),
        p999_clean_us: seeds.known(|row| row.p999_clean_us),
        stalled_share: seeds.median(|row| row.stalled_share),
        slowdown_p99: seeds.known(|row| row.slowdown_p99),
        slowdown_p999: seeds.known(|row| row.slowdown_p999),
        lateness_p99_us: seeds.known(|row| row.lateness_p99_us),
        unfinished: seeds.count(|row| row.unfinished),
        preemptions: seeds.count(|row| row.preemptions),
        signals_sent: seeds.count(|row| row.signals_sent),
        signals_stale: seeds.count(|row| row.signals_stale),
        signals_resent: seeds.count(|row| row.signals_resent),
        demoted_share: seeds.known(|row| row.demoted_share),
        batch_share: seeds.known(|row| row.batch_share),
        stalls_per_s_dispatcher: seeds.median(|row| row.stalls_per_s_dispatcher),
        stalls_per_s_worker: seeds.median(|row| row.stalls_per_s_worker),
        stall_max_us: rows.iter().map(|row| row.stall_max_us).fold(0.0, f64::max),
        involuntary_switches: seeds.count(|row| row.involuntary_switches),
        repeats: rows.iter().map(|row| row.repeats).sum(),
        unclean: rows.iter().any(|row| row.unclean),
        note: seeds.notes(),
    }
}

/// The rows of one cell, a seed each.
struct Seeds<'a>(&'a [Row]);

impl Seeds<'_> {
    fn median(&self, field: impl Fn(&Row) -> f64) -> f64 {
        median(self.0.iter().map(field).collect()).unwrap_or(0.0)
    }

    fn known(&self, field: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
        median(self.0.iter().filter_map(field).collect())
    }

    fn count(&self, field: impl Fn(&Row) -> u64) -> u64 {
        self.median(|row| field(row) as f64).round() as u64
    }

    fn notes(&self) -> Option<String> {
        let mut notes: Vec<&str> = self.0.iter().filter_map(|row| row.note.as_deref()).collect();
        notes.sort_unstable();
        notes.dedup();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use revenant_loadgen::{Phase, Record, Sample};

    use super::*;

    fn row(p99_us: f64) -> Row {
        Row { system: "two-queue".into(), p99_us: Some(p99_us), seeds: 1, ..Row::default() }
    }

    #[test]
    fn the_middle_seed_decides() {
        let rows = [row(900.0), row(20.0), row(25.0)];
        let median = median_row(&rows);
        assert_eq!((median.p99_us, median.seeds), (Some(25.0), 3));
        assert_eq!(median_row(&rows[1..]).p99_us, Some(22.5));
        assert_eq!(median_row(&rows[..1]), rows[0]);
    }

    #[test]
    fn what_a_median_would_hide_is_kept() {
        let mut rows = [row(1.0), row(2.0), row(3.0)];
        rows[0].max_us = Some(9_000.0);
        rows[0].stall_max_us = 4_000.0;
        rows[2].unclean = true;
        rows[2].note = Some("host stalled".into());
        for row in &mut rows {
            row.repeats = 1;
        }
        let median = median_row(&rows);
        assert_eq!((median.max_us, median.stall_max_us), (Some(9_000.0), 4_000.0));
        assert_eq!((median.unclean, median.repeats), (true, 3));
        assert_eq!(median.note.as_deref(), Some("host stalled"));
    }

    #[test]
    fn seeds_without_a_value_do_not_count_as_zero() {
        let mut rows = [row(10.0), row(12.0), row(14.0)];
        rows[0].p99_us = None;
        assert_eq!(median_row(&rows).p99_us, Some(13.0));
        assert_eq!(median_row(&rows).demoted_share, None);
    }

    #[test]
    #[should_panic(expected = "of one cell")]
    fn rows_of_two_cells_have_no_median() {
        let _ = median_row(&[row(1.0), Row { load: 0.5, ..row(1.0) }]);
    }

    #[test]
    fn a_row_of_a_record_is_in_microseconds() {
        let phase = Phase { start_ns: 0, end_ns: 2_000_000_000 };
        let samples: Vec<Sample> = (0..200)
            .map(|index| Sample {
                class: 0,
                intended_ns: index * 1_000_000,
                sent_ns: index * 1_000_000 + 500,
                started_ns: index * 1_000_000 + 1_000,
                done_ns: index * 1_000_000 + 25_000,
                service_ns: 10_000,
                preempted: 1,
            })
            .collect();
        let record = Record::new(&samples, 1, phase, &[]);
        let row = Row::of_class("fifo", 0.7, "get", &record.classes[0]);
        assert!((row.p99_us.unwrap() - 25.0).abs() < 0.05);
        assert!((row.lateness_p99_us.unwrap() - 0.5).abs() < 0.001);
        assert_eq!((row.offered_rps, row.max_us), (100.0, Some(25.0)));
        assert!((row.slowdown_p99.unwrap() - 2.5).abs() < 0.01);
        assert_eq!(row.preemptions_per_s(), 100.0);
    }
}
