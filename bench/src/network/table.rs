//! A comparison as a table for terminals.

use comfy_table::Table;
use revenant_loadgen::quantity::{self, NONE, amount, time_or_none};
use revenant_loadgen::sheet::{fit, ruled, trimmed, wrapped};

use super::document::{Document, Entry};

const HEADER: [&str; 9] = [
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

/// Who was compared on what, a row a contender and class, and what must be known to read it.
#[must_use]
pub fn render(document: &Document) -> String {
    let contest = &document.contest;
    let mut text = wrapped(&document.machine.to_string());
    text += &wrapped(&format!(
        "{}; generator on CPU {}, servers on CPU {}, one at a time; medians of {} runs",
        contest.about, contest.generator_cpu, contest.server_cpus, contest.seeds
    ));
    text.push('\n');
    if document.entries.iter().any(|entry| entry.found.is_some()) {
        text += &searched(&document.entries);
    } else {
        text += &layout(&document.entries).to_string();
    }
    text.push('\n');
    for entry in &document.entries {
        text += &remarks(entry);
    }
    trimmed(&text)
}

fn layout(entries: &[Entry]) -> Table {
    let mut table = ruled(HEADER);
    for entry in entries {
        let medians = entry.medians();
        let number = |value: Option<f64>| value.map_or(NONE.to_owned(), |v| format!("{v:.2}"));
        for (index, class) in entry.classes().iter().enumerate() {
            let only_first = |text: String| if index == 0 { text } else { String::new() };
            let latency = |percent| time_or_none(entry.latency_us(class, percent));
            table.add_row([
                only_first(entry.contender.clone()),
                class.clone(),
                only_first(medians.achieved_rps.map_or(NONE.to_owned(), amount)),
                latency(50.0),
                latency(99.0),
                latency(99.9),
                ratio(entries.first(), entry, class),
                only_first(number(medians.cpus)),
                only_first(number(medians.cpu_us_per_request)),
            ]);
        }
    }
    fit(&mut table, &[0, 1]);
    table
}

fn ratio(first: Option<&Entry>, entry: &Entry, class: &str) -> String {
    let of = |entry: &Entry| entry.latency_us(class, 99.0).filter(|latency| *latency > 0.0);
    quantity::ratio(first.and_then(of).zip(of(entry)).map(|(first, this)| this / first))
}

fn searched(entries: &[Entry]) -> String {
    let mut table = ruled(["server", "max req/s", "lowest search", "highest search"]);
    for entry in entries {
        let rate = |rate: Option<f64>| rate.map_or(NONE.to_owned(), amount);
        table.add_row([
            entry.contender.clone(),
            rate(entry.found.map(|found| found.rate_rps)),
            rate(entry.found.map(|found| found.low_rps)),
            rate(entry.found.map(|found| found.high_rps)),
        ]);
    }
    fit(&mut table, &[0]);
    table.to_string()
}

/// What makes a row worth less than it looks.
fn remarks(entry: &Entry) -> String {
    let (failed, invalid) = (entry.failed(), entry.invalid());
    let mut remarks = Vec::new();
    if failed > 0 {
        remarks.push(format!("{failed} requests failed, and count as infinitely slow"));
    }
    if invalid > 0 && entry.found.is_none() {
        remarks.push(format!("{invalid} of {} runs INVALID", entry.runs.len()));
        let faults = entry.runs.iter().flat_map(|run| run.faults());
        remarks.extend(faults.take(1));
    }
    if let Some(late_us) = entry.medians().lateness_p99_us {
        remarks.push(format!("99 % of requests were sent at most {late_us:.1} us late"));
    }
    wrapped(&format!("{}: {}", entry.contender, remarks.join("; ")))
}
