//! The report: one HTML file that needs nothing else.

use std::fmt::Write as _;

use revenant_loadgen::page::{self, escaped};

use crate::comparison::{Comparison, Line, LoadGroup};
use crate::curve;
use crate::document::Document;
use crate::quantity::{NONE, amount, ratio, share, time, time_or_none};
use crate::row::Row;
use crate::table::{UNCLEAN_MARK, UNCLEAN_MEANING};

/// Makes the report of a document.
#[must_use]
pub fn render(document: &Document) -> String {
    let comparison = Comparison::of(document);
    let mut body = heading(document);
    body += &charts(&comparison);
    body += &summary(&comparison);
    body += &method(document);
    body += &all_rows(document);
    body += &format!("<h2>Made by</h2>\n<pre>{}</pre>\n", escaped(&document.command));
    page::render(&format!("Revenant: {}", document.workload.name), &body)
}

fn heading(document: &Document) -> String {
    let workload = &document.workload;
    let classes: Vec<String> = workload
        .classes
        .iter()
        .map(|class| {
            format!(
                "{} ({} of requests, {} of work)",
                escaped(&class.name),
                share(class.share),
                time(class.mean_us)
            )
        })
        .collect();
    let mut html = format!(
        "<h1>{}: latency under each scheduler</h1>\n<p class=\"machine\">{}</p>\n\
         <p>{}; {} worker CPU{}, {} requests/s at load 1; {} s a run, median of {} seed{}.",
        escaped(&workload.name),
        escaped(&document.machine.to_string()),
        classes.join(", "),
        workload.workers,
        plural(workload.workers as usize),
        amount(workload.capacity_rps),
        workload.seconds,
        workload.seeds.len(),
        plural(workload.seeds.len()),
    );
    if !workload.options.is_empty() {
        let _ = write!(html, " Options: {}.", escaped(&workload.options.join(", ")));
    }
    html += "</p>\n";
    if !document.complete {
        html += "<p class=\"warning\">Interrupted: these are partial results.</p>\n";
    }
    html
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn charts(comparison: &Comparison) -> String {
    let short = &comparison.short;
    let mut figures = vec![
        figure(comparison, &format!("{short} requests, p99"), |line| line.short.p99_us),
        figure(comparison, &format!("{short} requests, clean p99.9"), |line| {
            line.short.p999_clean_us
        }),
    ];
    if let Some(long) = &comparison.long {
        figures.push(figure(comparison, &format!("{long} requests, p99"), |line| {
            line.long.as_ref()?.p99_us
        }));
    }
    let legend: String = comparison
        .systems
        .iter()
        .enumerate()
        .map(|(index, system)| {
            let swatch = curve::swatch(system, index);
            format!("<li>{swatch}{}</li>\n", escaped(system))
        })
        .collect();
    format!(
        "<section class=\"charts\">\n{}<figure class=\"legend\"><figcaption>systems</figcaption>\
         <ul>\n{legend}</ul></figure>\n</section>\n",
        figures.concat()
    )
}

fn figure(
    comparison: &Comparison,
    caption: &str,
    measure: impl Fn(&Line) -> Option<f64>,
) -> String {
    curve::chart(comparison, caption, measure).map_or_else(String::new, |svg| {
        format!("<figure><figcaption>{}</figcaption>{svg}</figure>\n", escaped(caption))
    })
}

fn summary(comparison: &Comparison) -> String {
    let short = escaped(&comparison.short);
    let long = escaped(comparison.long.as_deref().unwrap_or("long"));
    let titles = [
        "system".into(),
        format!("{short} p50"),
        format!("{short} p99"),
        format!("{short} p99.9 raw"),
        format!("{short} p99.9 clean"),
        format!("{long} p50"),
        format!("{long} p99"),
        "achieved req/s".into(),
        "preempt/s".into(),
        "below EEVDF".into(),
        "of ideal".into(),
    ];
    let mut html =
        format!("<h2>By load</h2>\n{TABLE_OPEN}<thead>{}</thead>\n", titles_row(&titles));
    for group in &comparison.loads {
        html += &load_body(comparison, group, titles.len());
    }
    html + TABLE_CLOSE
}

const TABLE_OPEN: &str = "<div class=\"scroll\"><table>";
const TABLE_CLOSE: &str = "</table></div>\n";

fn titles_row(titles: &[String]) -> String {
    let cells: String = titles.iter().map(|title| format!("<th>{title}</th>")).collect();
    format!("<tr>{cells}</tr>")
}

fn load_body(comparison: &Comparison, group: &LoadGroup, columns: usize) -> String {
    let mut html = format!(
        "<tbody><tr class=\"load\"><th colspan=\"{columns}\">load {}: {} requests/s</th></tr>\n",
        group.load,
        amount(group.offered_rps())
    );
    for line in &group.lines {
        let long = |pick: fn(&Row) -> Option<f64>| time_or_none(line.long.as_ref().and_then(pick));
        let cells = [
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
        ];
        let index = comparison.systems.iter().position(|system| *system == line.short.system);
        html += &body_row(&system_cell(&line.short, index.unwrap_or(0)), &cells);
    }
    html + "</tbody>\n"
}

fn system_cell(row: &Row, index: usize) -> String {
    let color = curve::css_color(&row.system, index);
    let mark = if row.unclean { UNCLEAN_MARK } else { "" };
    format!("<i style=\"background:{color}\"></i>{}{mark}", escaped(&row.system))
}

fn body_row(first: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><th>{first}</th>{cells}</tr>\n")
}

fn method(document: &Document) -> String {
    let mut html = String::from(
        "<h2>How to read this</h2>\n<ul>\n\
         <li>All systems replayed the same requests, drawn from the seeds before the runs, on the \
         same CPUs, in turns. A number is the median over the seeds; max is the largest of all.\
         </li>\n\
         <li>Latency counts from the <em>intended</em> time of sending. A late send is sent late, \
         and its lateness is part of the latency.</li>\n\
         <li><em>Clean</em> percentiles leave out requests that overlap a recorded stall of the \
         machine: a time in which a CPU made no progress at all. The raw ones leave nothing out; \
         the share left out stands in the table of all rows.</li>\n\
         <li><em>Below EEVDF</em> is the p99 of the kernel's scheduler at its better slice \
         (<code>eevdf</code>, <code>eevdf-100us</code>), divided by this system's; <em>of ideal\
         </em> is this system's p99 divided by that of a scheduler that costs nothing.</li>\n",
    );
    if document.rows.iter().any(|row| row.unclean) {
        let _ = writeln!(html, "<li>{UNCLEAN_MARK} {UNCLEAN_MEANING}.</li>");
    }
    for skipped in &document.skipped {
        let (system, reason) = (escaped(&skipped.system), escaped(&skipped.reason));
        let _ = writeln!(html, "<li>Skipped <code>{system}</code>: {reason}</li>");
    }
    html + "</ul>\n"
}

/// A column of the table of all rows: its title and how a cell shows a row.
type Column = (&'static str, fn(&Row) -> String);

/// All columns but system and load.
const COLUMNS: &[Column] = &[
    ("class", |row| escaped(&row.class)),
    ("requests", |row| row.requests.to_string()),
    ("offered/s", |row| amount(row.offered_rps)),
    ("achieved/s", |row| amount(row.achieved_rps)),
    ("p50", |row| time_or_none(row.p50_us)),
    ("p99", |row| time_or_none(row.p99_us)),
    ("p99 95% CI", |row| match (row.p99_low_us, row.p99_high_us) {
        (Some(low_us), Some(high_us)) => format!("{} to {}", time(low_us), time(high_us)),
        _ => NONE.to_owned(),
    }),
    ("p99.9", |row| time_or_none(row.p999_us)),
    ("max", |row| time_or_none(row.max_us)),
    ("clean p99", |row| time_or_none(row.p99_clean_us)),
    ("clean p99.9", |row| time_or_none(row.p999_clean_us)),
    ("in stalls", |row| share(row.stalled_share)),
    ("slowdown p99", |row| ratio(row.slowdown_p99)),
    ("slowdown p99.9", |row| ratio(row.slowdown_p999)),
    ("lateness p99", |row| time_or_none(row.lateness_p99_us)),
    ("unfinished", |row| row.unfinished.to_string()),
    ("preemptions", |row| row.preemptions.to_string()),
    ("signals", |row| row.signals_sent.to_string()),
    ("stale", |row| row.signals_stale.to_string()),
    ("resent", |row| row.signals_resent.to_string()),
    ("demoted", |row| row.demoted_share.map_or_else(|| NONE.to_owned(), share)),
    ("batch", |row| row.batch_share.map_or_else(|| NONE.to_owned(), share)),
    ("dispatcher stalls/s", |row| amount(row.stalls_per_s_dispatcher)),
    ("worker stalls/s", |row| amount(row.stalls_per_s_worker)),
    ("longest stall", |row| time(row.stall_max_us)),
    ("involuntary switches", |row| row.involuntary_switches.to_string()),
    ("repeats", |row| row.repeats.to_string()),
    ("note", |row| row.note.as_deref().map_or_else(String::new, escaped)),
];

fn all_rows(document: &Document) -> String {
    let systems = Comparison::of(document).systems;
    let mut titles = vec!["system".to_owned(), "load".to_owned()];
    titles.extend(COLUMNS.iter().map(|(title, _)| (*title).to_owned()));
    let rows: String = document
        .rows
        .iter()
        .map(|row| {
            let index = systems.iter().position(|system| *system == row.system).unwrap_or(0);
            let mut cells = vec![row.load.to_string()];
            cells.extend(COLUMNS.iter().map(|(_, cell)| cell(row)));
            body_row(&system_cell(row, index), &cells)
        })
        .collect();
    format!(
        "<details><summary>All {} rows, all columns</summary>\n{TABLE_OPEN}<thead>{}</thead>\n\
         <tbody>{rows}</tbody>{TABLE_CLOSE}</details>\n",
        document.rows.len(),
        titles_row(&titles)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn needs_nothing_from_elsewhere() {
        let page = render(&fixture::document());
        for outside in ["http", "src=", "<script", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
    }

    #[test]
    fn has_charts_tables_and_its_command() {
        let document = fixture::document();
        let page = render(&document);
        assert_eq!(page.matches("<figure><figcaption>").count(), 3);
        assert!(
            page.contains("short requests, clean p99.9") && page.contains("long requests, p99")
        );
        assert_eq!(page.matches("<tr class=\"load\">").count(), fixture::LOADS.len());
        assert!(page.contains(&document.command));
        assert!(page.contains("Skipped <code>rr</code>: SCHED_RR is not permitted"));
        let cells = page.matches("<tr><th><i ").count();
        assert_eq!(cells, document.rows.len() + document.rows.len() / 2);
    }

    #[test]
    fn shows_names_literally() {
        let mut document = fixture::document();
        document.rows[0].note = Some("<b>bold</b>".into());
        document.workload.name = "a<b & \"c\"".into();
        let page = render(&document);
        assert!(page.contains("Test CPU &lt;2.6 GHz&gt;") && !page.contains("<2.6 GHz>"));
        assert!(page.contains("&lt;b&gt;bold") && !page.contains("<b>bold"));
        assert!(page.contains("a&lt;b &amp; &quot;c&quot;"));
    }

    #[test]
    fn marks_and_warnings_appear_only_when_due() {
        let mut document = fixture::document();
        let page = render(&document);
        assert!(!page.contains(UNCLEAN_MEANING) && !page.contains("Interrupted"));
        document.rows[0].unclean = true;
        document.complete = false;
        let page = render(&document);
        assert!(page.contains("two-queue*") && page.contains(UNCLEAN_MEANING));
        assert!(page.contains("Interrupted"));
    }

    #[test]
    fn an_empty_document_is_still_a_page() {
        let mut document = fixture::document();
        document.rows.clear();
        document.workload.classes.clear();
        assert!(render(&document).ends_with("</html>\n"));
    }
}
