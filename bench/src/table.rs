//! The results as a table for terminals of 120 columns.

use comfy_table::{ColumnConstraint, Table, Width};
use revenant_loadgen::sheet::{fit, ruled, trimmed, wrapped};

use crate::comparison::{Comparison, Line, LoadGroup};
use crate::document::Document;
use crate::quantity::{amount, ratio, time_or_none};
use crate::row::Row;

/// Mark of a row whose runs stayed disturbed.
pub const UNCLEAN_MARK: &str = "*";

/// What the mark means; the report says the same.
pub const UNCLEAN_MEANING: &str = "the machine stalled too often in at least one run, even after \
    repeats: over 2 % of its requests arrived during a stall, read its raw tail with care";

/// The machine, one table over all loads, and below it what must be known to read it.
#[must_use]
pub fn render(document: &Document) -> String {
    let comparison = Comparison::of(document);
    let mut text = wrapped(&document.machine.to_string()) + "\n";
    text += &layout(&comparison).to_string();
    text.push('\n');
    for line in legend(document, &comparison) {
        text += &wrapped(&line);
    }
    trimmed(&text)
}

fn layout(comparison: &Comparison) -> Table {
    let mut table = ruled(header(comparison));
    for (index, group) in comparison.loads.iter().enumerate() {
        if index > 0 {
            table.add_row([""]);
        }
        for (index, line) in group.lines.iter().enumerate() {
            table.add_row(cells(group, line, index == 0));
        }
    }
    fit(&mut table, &[1]);
    let name = ColumnConstraint::UpperBoundary(Width::Fixed(20));
    table.column_mut(1).expect("the column of systems").set_constraint(name);
    table
}

fn header(comparison: &Comparison) -> Vec<String> {
    let short = &comparison.short;
    let long = comparison.long.as_deref().unwrap_or("long");
    vec![
        "load".into(),
        "system".into(),
        format!("{short}\np50"),
        format!("{short}\np99"),
        format!("{short}\np99.9"),
        format!("{short} p99.9\nclean"),
        format!("{long}\np50"),
        format!("{long}\np99"),
        "achieved\nreq/s".into(),
        "preempt\n/s".into(),
        "below\nEEVDF".into(),
        "of\nideal".into(),
    ]
}

fn cells(group: &LoadGroup, line: &Line, first: bool) -> Vec<String> {
    let mark = if line.short.unclean { UNCLEAN_MARK } else { "" };
    let long = |pick: fn(&Row) -> Option<f64>| time_or_none(line.long.as_ref().and_then(pick));
    vec![
        if first { format!("{}", group.load) } else { String::new() },
        format!("{}{mark}", line.short.system),
        time_or_none(line.short.p50_us),
        time_or_none(line.short.p99_us),
        time_or_none(line.short.p999_us),
        time_or_none(line.short.p999_clean_us),
        long(|row| row.p50_us),
        long(|row| row.p99_us),
        amount(line.achieved_rps),
        amount(line.preemptions_per_s),
        ratio(line.below_eevdf),
        ratio(line.of_ideal),
    ]
}

/// What stands below the table, an entry each.
fn legend(document: &Document, comparison: &Comparison) -> Vec<String> {
    let mut entries = vec![
        "latency counts from the intended time of sending; clean leaves out requests that overlap \
         a stall of the machine"
            .to_owned(),
        format!(
            "below EEVDF: {short} p99 of EEVDF at its better slice over this one's; of ideal: this \
             {short} p99 over that of a scheduler that costs nothing",
            short = comparison.short
        ),
    ];
    if document.rows.iter().any(|row| row.unclean) {
        entries.push(format!("{UNCLEAN_MARK} {UNCLEAN_MEANING}"));
    }
    entries.extend(notes(document));
    let skipped = document.skipped.iter();
    entries
        .extend(skipped.map(|skipped| format!("skipped {}: {}", skipped.system, skipped.reason)));
    if !document.complete {
        entries.push("interrupted: these are partial results".to_owned());
    }
    entries
}

/// Notes of rows, each once a system.
fn notes(document: &Document) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for row in &document.rows {
        let Some(note) = &row.note else { continue };
        let entry = format!("{}: {note}", row.system);
        if !notes.contains(&entry) {
            notes.push(entry);
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn line_of<'a>(text: &'a str, load: &str, system: &str) -> &'a str {
        let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with(load));
        lines.find(|line| line.split_whitespace().any(|word| word == system)).expect(system)
    }

    #[test]
    fn fits_its_width() {
        let mut document = fixture::document();
        document.rows[0].system = "a-policy-whose-name-nobody-wanted-to-type".into();
        document.skipped[0].reason = "not permitted ".repeat(30);
        let text = render(&document);
        let table: Vec<&str> = text.lines().collect();
        for line in table {
            assert!(
                line.chars().count() <= usize::from(revenant_loadgen::sheet::COLUMNS_MAX),
                "{line}"
            );
        }
    }

    #[test]
    fn shows_numbers_and_ratios() {
        let mut document = fixture::document();
        for row in document.rows.iter_mut().filter(|row| row.load == 0.7) {
            row.p99_us = Some(match (row.system.as_str(), row.class.as_str()) {
                ("two-queue", "short") => 40.0,
                ("ideal", "short") => 20.0,
                (_, "long") => 31_400.0,
                _ => 6_120.0,
            });
        }
        let text = render(&document);
        let line = line_of(&text, "0.7", "two-queue");
        for cell in ["40.0us", "31.4ms", "153x", "2.00x"] {
            assert!(line.contains(cell), "{cell} in {line}");
        }
    }

    #[test]
    fn says_what_is_marked_skipped_and_partial() {
        let mut document = fixture::document();
        let text = render(&document);
        assert!(text.contains("rr: SCHED_RR is not permitted"), "{text}");
        assert!(!text.contains("eevdf* ") && !text.contains("interrupted"), "{text}");
        for row in document.rows.iter_mut().filter(|row| row.system == "eevdf") {
            row.unclean = true;
            row.note = Some("two seeds only".into());
        }
        document.complete = false;
        let text = render(&document);
        assert!(text.contains("eevdf* ") && text.contains("* the machine stalled"), "{text}");
        assert_eq!(text.matches("eevdf: two seeds only").count(), 1, "{text}");
        assert!(text.contains("interrupted"), "{text}");
    }

    #[test]
    fn an_empty_document_is_a_table_without_lines() {
        let mut document = fixture::document();
        document.rows.clear();
        assert!(render(&document).contains("system"));
    }
}
