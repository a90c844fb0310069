//! The systems of each load side by side: what tables and curves show.

use crate::document::Document;
use crate::row::Row;

/// Rows that count as the kernel's own scheduler at its best slice. `eevdf-nice` is not one: it is
/// told the classes beforehand.
const EEVDF: [&str; 2] = ["eevdf", "eevdf-100us"];
/// The bound that costs nothing.
const IDEAL: &str = "ideal";

/// A document by load and system.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The class that latency is promised to: the first of the workload.
    pub short: String,
    /// The class with the longest service time, where there are several.
    pub long: Option<String>,
    /// Systems in the order of their first row.
    pub systems: Vec<String>,
    /// By ascending load.
    pub loads: Vec<LoadGroup>,
}

/// All systems at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadGroup {
    /// The load.
    pub load: f64,
    /// A line each system that has a result.
    pub lines: Vec<Line>,
}

/// One system at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its row of the short class.
    pub short: Row,
    /// Its row of the long class.
    pub long: Option<Row>,
    /// Rate asked of it, all classes.
    pub offered_rps: f64,
    /// Rate it managed, all classes.
    pub achieved_rps: f64,
    /// Preemptions a second, all classes.
    pub preemptions_per_s: f64,
    /// How many times its short p99 lies below that of EEVDF at the better slice.
    pub below_eevdf: Option<f64>,
    /// Its short p99 as a multiple of the ideal's.
    pub of_ideal: Option<f64>,
}

impl Comparison {
    /// Lays out a document; a partial one gives fewer lines.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let classes = &document.workload.classes;
        let short = classes.first().map(|class| class.name.clone()).unwrap_or_default();
        let longest = classes.iter().max_by(|a, b| a.mean_us.total_cmp(&b.mean_us));
        let long = longest.map(|class| class.name.clone()).filter(|name| *name != short);
        let mut systems: Vec<String> = Vec::new();
        for row in &document.rows {
            if !systems.contains(&row.system) {
                systems.push(row.system.clone());
            }
        }
        let mut loads: Vec<f64> = document.rows.iter().map(|row| row.load).collect();
        loads.sort_unstable_by(f64::total_cmp);
        loads.dedup();
        let group = |load| {
            let rows: Vec<&Row> = document.rows.iter().filter(|row| row.load == load).collect();
            LoadGroup { load, lines: lines(&rows, &systems, &short, long.as_deref()) }
        };
        let loads = loads.into_iter().map(group).collect();
        Self { short, long, systems, loads }
    }
}

impl LoadGroup {
    /// Rate asked of the systems: the median, for a partial run may have seen fewer seeds of some.
    #[must_use]
    pub fn offered_rps(&self) -> f64 {
        let mut rates: Vec<f64> = self.lines.iter().map(|line| line.offered_rps).collect();
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }
}

fn lines(rows: &[&Row], systems: &[String], short: &str, long: Option<&str>) -> Vec<Line> {
    let p99_us =
        |system: &str| rows.iter().find(|row| row.system == system && row.class == short)?.p99_us;
    let eevdf_us = EEVDF.into_iter().filter_map(p99_us).reduce(f64::min);
    let ideal_us = p99_us(IDEAL);
    let line = |system: &String| {
        let own: Vec<&Row> = rows.iter().filter(|row| row.system == *system).copied().collect();
        let of_class = |class: &str| own.iter().find(|row| row.class == class).copied().cloned();
        let short = of_class(short)?;
        Some(Line {
            long: long.and_then(of_class),
            offered_rps: own.iter().map(|row| row.offered_rps).sum(),
            achieved_rps: own.iter().map(|row| row.achieved_rps).sum(),
            preemptions_per_s: own.iter().map(|row| row.preemptions_per_s()).sum(),
            below_eevdf: quotient(eevdf_us, short.p99_us),
            of_ideal: quotient(short.p99_us, ideal_us),
            short,
        })
    };
    systems.iter().filter_map(line).collect()
}

fn quotient(dividend: Option<f64>, divisor: Option<f64>) -> Option<f64> {
    let (dividend, divisor) = (dividend?, divisor?);
    (divisor > 0.0).then(|| dividend / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn line<'a>(comparison: &'a Comparison, load: f64, system: &str) -> &'a Line {
        let group = comparison.loads.iter().find(|group| group.load == load).expect("the load");
        group.lines.iter().find(|line| line.short.system == system).expect("the system")
    }

    #[test]
    fn ratios_are_against_the_better_slice_and_the_ideal() {
        let mut document = fixture::document();
        for row in document.rows.iter_mut().filter(|row| row.class == "short") {
            row.p99_us = match row.system.as_str() {
                "eevdf" => Some(3_000.0),
                "eevdf-100us" => Some(600.0),
                "ideal" => Some(20.0),
                _ => Some(40.0),
            };
        }
        let comparison = Comparison::of(&document);
        let two_queue = line(&comparison, 0.7, "two-queue");
        assert_eq!((two_queue.below_eevdf, two_queue.of_ideal), (Some(15.0), Some(2.0)));
        let eevdf = line(&comparison, 0.7, "eevdf");
        assert_eq!(eevdf.below_eevdf, Some(0.2), "the other slice is the better");
    }

    #[test]
    fn without_a_baseline_there_is_no_ratio() {
        let mut document = fixture::document();
        document.rows.retain(|row| row.system == "two-queue");
        document.rows[0].p99_us = None;
        let comparison = Comparison::of(&document);
        for group in &comparison.loads {
            assert_eq!((group.lines[0].below_eevdf, group.lines[0].of_ideal), (None, None));
        }
    }

    #[test]
    fn loads_ascend_and_classes_add_up() {
        let mut document = fixture::document();
        document.rows.reverse();
        let comparison = Comparison::of(&document);
        assert_eq!(
            (comparison.short.as_str(), comparison.long.as_deref()),
            ("short", Some("long"))
        );
        assert!(comparison.loads.is_sorted_by(|a, b| a.load < b.load));
        let group = &comparison.loads[0];
        let parts: f64 = document
            .rows
            .iter()
            .filter(|row| row.system == "two-queue" && row.load == group.load)
            .map(|row| row.achieved_rps)
            .sum();
        assert_eq!(line(&comparison, group.load, "two-queue").achieved_rps, parts);
    }

    #[test]
    fn one_class_has_no_long_one() {
        let mut document = fixture::document();
        document.workload.classes.truncate(1);
        let comparison = Comparison::of(&document);
        assert_eq!(comparison.long, None);
        assert!(comparison.loads[0].lines[0].long.is_none());
    }
}
