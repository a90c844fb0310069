//! A comparison as rows of text: the terminal and the report show the same.

use revenant_loadgen::quantity::{self, NONE, amount};

use super::document::{Document, Entry, latency};

/// Rows below titles. In titles, a line break says where a narrow page may have one.
pub(super) struct Rows {
    pub(super) titles: &'static [&'static str],
    /// Columns of words; the others are numbers.
    pub(super) words: &'static [usize],
    /// Cells, with the index of the server that a row begins with.
    pub(super) rows: Vec<(Option<usize>, Vec<String>)>,
}

const LATENCY_TITLES: [&str; 9] = [
    "server",
    "class",
    "answered\nreq/s",
    "p50",
    "p99",
    "p99.9",
    "p99 over\nthe first",
    "server\nCPUs",
    "CPU us\na request",
];

const SEARCH_TITLES: [&str; 4] = ["server", "max req/s", "lowest search", "highest search"];

/// The rows of what was asked: latencies, or the rates that searches found.
pub(super) fn of(document: &Document) -> Rows {
    let entries = &document.entries;
    if document.contest.objective.is_some() {
        let rows = entries.iter().enumerate().map(|(index, entry)| (Some(index), searched(entry)));
        return Rows { titles: &SEARCH_TITLES, words: &[0], rows: rows.collect() };
    }
    let rows = entries.iter().enumerate().flat_map(|(index, entry)| {
        let classes = entry.classes().into_iter().enumerate();
        classes.map(move |(at, class)| {
            let is_first = at == 0;
            (is_first.then_some(index), class_cells(entry, &class, is_first, entries.first()))
        })
    });
    Rows { titles: &LATENCY_TITLES, words: &[0, 1], rows: rows.collect() }
}

fn searched(entry: &Entry) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map_or(NONE.to_owned(), amount);
    vec![
        entry.contender.clone(),
        rate(entry.found.map(|found| found.rate_rps)),
        rate(entry.found.map(|found| found.low_rps)),
        rate(entry.found.map(|found| found.high_rps)),
    ]
}

/// What a server as a whole did stands in its first row only.
fn class_cells(entry: &Entry, class: &str, is_first: bool, first: Option<&Entry>) -> Vec<String> {
    let medians = entry.medians();
    let number = |value: Option<f64>| value.map_or(NONE.to_owned(), |v| format!("{v:.2}"));
    let only_first = |text: String| if is_first { text } else { String::new() };
    let at = |percent| latency(entry.latency_us(class, percent));
    vec![
        only_first(entry.contender.clone()),
        class.to_owned(),
        only_first(medians.achieved_rps.map_or(NONE.to_owned(), amount)),
        at(50.0),
        at(99.0),
        at(99.9),
        ratio(first, entry, class),
        only_first(number(medians.cpus)),
        only_first(number(medians.cpu_us_per_request)),
    ]
}

fn ratio(first: Option<&Entry>, entry: &Entry, class: &str) -> String {
    let is_number = |latency_us: &f64| latency_us.is_finite() && *latency_us > 0.0;
    let of = |entry: &Entry| entry.latency_us(class, 99.0).filter(is_number);
    quantity::ratio(first.and_then(of).zip(of(entry)).map(|(first, this)| this / first))
}

#[cfg(test)]
mod tests {
    use revenant_loadgen::quantity::time;

    use super::*;
    use crate::network::fixture;

    #[test]
    fn a_row_a_server_and_class_with_what_its_title_says() {
        let document = fixture::document();
        let rows = of(&document);
        assert_eq!(rows.rows.len(), 3 * 2);
        let us = |at: usize, percent| document.entries[at].latency_us("get", percent).unwrap();
        let (server, cells) = &rows.rows[2];
        let ratio = quantity::ratio(Some(us(1, 99.0) / us(0, 99.0)));
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| time(us(1, percent)));
        assert_eq!(*server, Some(1));
        assert_eq!(
            cells[..],
            ["tokio-blocking", "get", "12.0k", &p50, &p99, &p999, &ratio, NONE, NONE]
        );
        let (server, cells) = &rows.rows[3];
        assert_eq!((*server, &cells[..3]), (None, &["".into(), "search".into(), "".into()][..]));
    }

    #[test]
    fn a_search_that_found_nothing_is_a_row_without_rates() {
        let rows = of(&fixture::search()).rows;
        assert_eq!(rows[0].1, ["revenant", "11.0k", "9.40k", "12.0k"]);
        assert_eq!(rows[1].1, ["tokio-blocking", NONE, NONE, NONE]);
    }
}
