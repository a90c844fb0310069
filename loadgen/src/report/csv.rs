//! The results as lines for spreadsheets: one a run, class and percentile.

use std::fmt::Write as _;

use super::document::Document;

/// The titles of the columns; docs/loadgen.md explains them.
pub const COLUMNS: &str = "run,loop,rate_rps,seed,valid,class,requests,offered_rps,achieved_rps,\
    failed,percent,latency_us,low_us,high_us,answered_us,from_send_us,lateness_us";

/// The results of all runs.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut text = format!("{COLUMNS}\n");
    for (index, run) in document.runs.iter().enumerate() {
        for class in &run.classes {
            for at in &class.percentiles {
                let _ = writeln!(
                    text,
                    "{index},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                    document.load.kind,
                    cell(run.rate_rps),
                    run.seed,
                    run.valid,
                    quoted(&class.class),
                    class.requests,
                    class.offered_rps,
                    class.achieved_rps,
                    class.counts.failed(),
                    at.percent,
                    cell(at.latency_us),
                    cell(at.low_us),
                    cell(at.high_us),
                    cell(at.answered_us),
                    cell(at.from_send_us),
                    cell(at.lateness_us),
                );
            }
        }
    }
    text
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Names of classes hold no comma, but perhaps a quote.
fn quoted(name: &str) -> String {
    if name.contains('"') { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn every_line_has_a_cell_a_column() {
        let document = fixture::document();
        let text = render(&document);
        let columns = COLUMNS.split(',').count();
        assert!(text.lines().all(|line| line.split(',').count() == columns), "{text}");
        let rows: usize = document.runs.iter().flat_map(|run| &run.classes).count();
        assert_eq!(text.lines().count(), 1 + rows * super::super::row::PERCENTS.len());
    }
}
