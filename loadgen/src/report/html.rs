//! The report: curves over the rate, the table, and everything a reader must know.

use super::document::{Document, found_in_words};
use super::row::{ClassRow, Percentile, RunRow, is_infinite};
use crate::chart::{self, Curve, Labels, Look, Marker, Stroke};
use crate::page::{self, escaped};
use crate::quantity::{NONE, amount, time};
use crate::traffic::ALL;
use crate::validity::Verdict;

/// Looks of classes, in their order; they repeat when there are more.
const LOOKS: [Look; 6] = [
    look((0x2f, 0x6f, 0xe0), Stroke::Bold, Marker::Disc),
    look((0xe0, 0x45, 0x3b), Stroke::Solid, Marker::Square),
    look((0x0d, 0xa3, 0x8f), Stroke::Solid, Marker::Triangle),
    look((0xe8, 0x86, 0x1c), Stroke::Dashed, Marker::Disc),
    look((0x8a, 0x5c, 0xd6), Stroke::Dashed, Marker::Cross),
    look((0x6f, 0x7a, 0x8a), Stroke::Dotted, Marker::Ring),
];

const fn look(color: (u8, u8, u8), stroke: Stroke, marker: Marker) -> Look {
    Look { color, stroke, marker }
}

/// Makes the report of a document.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut body = heading(document);
    body += &charts(document);
    body += &runs(document);
    body += &method(document);
    body += &format!("<h2>Made by</h2>\n<pre>{}</pre>\n", escaped(&document.command));
    page::render(&format!("Load on {}", document.load.target), &body)
}

fn heading(document: &Document) -> String {
    let load = &document.load;
    let mut html = format!(
        "<h1>{}: latency under load</h1>\n<p class=\"machine\">{}</p>\n<p>{} loop over {}, {}, {} \
         connections; {} s warm-up, {} s measured.</p>\n",
        escaped(&load.target),
        escaped(&document.machine.to_string()),
        escaped(&load.kind),
        escaped(&load.protocol),
        escaped(&load.arrivals),
        load.connections,
        load.warmup_s,
        load.seconds
    );
    let classes = load.classes.iter().map(|class| {
        let (name, operation) = (escaped(&class.name), escaped(&class.operation));
        format!(
            "<li><b>{name}</b>: {}% <code>{operation}</code></li>\n",
            (class.share * 1e8).round() / 1e6
        )
    });
    html += &format!("<ul>\n{}</ul>\n", classes.collect::<String>());
    if load.kind == "closed" {
        html += "<p class=\"warning\">Closed loop: each request waited for the reply to the one \
                 before, so the load fell whenever the server was slow.</p>\n";
    }
    if let Some(search) = &document.search {
        html += &format!("<p><b>{}</b></p>\n", escaped(&found_in_words(search)));
    }
    if !document.complete {
        html += "<p class=\"warning\">Interrupted: these are partial results.</p>\n";
    }
    html
}

/// Curves over the rate; a document of one rate has none.
fn charts(document: &Document) -> String {
    let mut rates: Vec<f64> = document.runs.iter().filter_map(|run| run.rate_rps).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    if rates.len() < 2 {
        return String::new();
    }
    let figures: String = [(50.0, "p50"), (99.0, "p99"), (99.9, "p99.9")]
        .into_iter()
        .filter_map(|(percent, name)| {
            let about = format!("{name} over the rate of valid runs");
            let labels = Labels {
                about: &about,
                x: "requests/s",
                x_number: amount,
                x_marks: &[],
                limit_us: None,
            };
            let svg = chart::chart(&curves(document, percent), labels)?;
            Some(format!("<figure><figcaption>{name}</figcaption>{svg}</figure>\n"))
        })
        .collect();
    if figures.is_empty() {
        return String::new();
    }
    let legend: String = class_names(document)
        .iter()
        .zip(LOOKS.iter().cycle())
        .map(|(name, look)| format!("<li>{}{}</li>\n", chart::swatch(*look, name), escaped(name)))
        .collect();
    format!(
        "<section class=\"charts\">\n{figures}<figure class=\"legend\"><figcaption>classes\
         </figcaption><ul>\n{legend}</ul></figure>\n</section>\n"
    )
}

fn class_names(document: &Document) -> Vec<&str> {
    let names = document.load.classes.iter().map(|class| class.name.as_str());
    if document.load.classes.len() > 1 { names.chain([ALL]).collect() } else { names.collect() }
}

/// A curve a class, of valid runs with a finite latency; of a search's runs, the medians by rate
/// would hide what happened, so each run is a point.
fn curves(document: &Document, percent: f64) -> Vec<Curve> {
    let curve = |(name, look): (&str, &Look)| {
        let point = |run: &RunRow| {
            let us = run.class(name)?.percentile(percent)?.latency_us?;
            Some((run.rate_rps?, us)).filter(|_| run.valid && !is_infinite(us))
        };
        let mut points: Vec<(f64, f64)> = document.runs.iter().filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { points, look: *look }
    };
    class_names(document).into_iter().zip(LOOKS.iter().cycle()).map(curve).collect()
}

const TITLES: [&str; 13] = [
    "class",
    "requests",
    "offered/s",
    "answered/s",
    "p50",
    "p90",
    "p99",
    "p99 95% interval",
    "p99.9",
    "max",
    "p99 from actual send",
    "lateness p99",
    "failed",
];

fn runs(document: &Document) -> String {
    let titles: String = TITLES.iter().map(|title| format!("<th>{title}</th>")).collect();
    let bodies: String = document.runs.iter().map(run_body).collect();
    format!(
        "<h2>Runs</h2>\n<div class=\"scroll\"><table><thead><tr>{titles}</tr></thead>\n{bodies}\
         </table></div>\n"
    )
}

fn run_body(run: &RunRow) -> String {
    let rate = run.rate_rps.map_or_else(
        || "at no rate of its own".to_owned(),
        |rate_rps| format!("{} requests/s", amount(rate_rps)),
    );
    // By name: what each says is below, and would make the table wider than any page.
    let faults = run.faults();
    let names = faults.iter().map(|fault| escaped(fault.split(':').next().unwrap_or(fault)));
    let verdict = if run.valid {
        String::new()
    } else {
        format!(" INVALID ({})", names.collect::<Vec<_>>().join(", "))
    };
    let cpus = run.server.as_ref().and_then(|server| server.cpus);
    let cpus = cpus.map_or_else(String::new, |cpus| format!("; server {cpus:.2} CPUs"));
    let rows: String = run.classes.iter().map(class_row).collect();
    format!(
        "<tbody><tr class=\"load\"><th colspan=\"{}\">{rate}{cpus}{verdict}</th></tr>\n{rows}\
         </tbody>\n",
        TITLES.len()
    )
}

fn class_row(class: &ClassRow) -> String {
    let at = |percent: f64, pick: fn(&Percentile) -> Option<f64>| {
        latency(class.percentile(percent).and_then(pick))
    };
    let low_us = at(99.0, |at| at.low_us);
    let cells = [
        class.requests.to_string(),
        amount(class.offered_rps),
        amount(class.achieved_rps),
        at(50.0, |at| at.latency_us),
        at(90.0, |at| at.latency_us),
        at(99.0, |at| at.latency_us),
        format!("{low_us} to {}", at(99.0, |at| at.high_us)),
        at(99.9, |at| at.latency_us),
        at(100.0, |at| at.latency_us),
        at(99.0, |at| at.from_send_us),
        at(99.0, |at| at.lateness_us),
        class.counts.failed().to_string(),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><th>{}</th>{cells}</tr>\n", escaped(&class.class))
}

fn latency(us: Option<f64>) -> String {
    match us {
        None => NONE.to_owned(),
        Some(us) if is_infinite(us) => "infinite".to_owned(),
        Some(us) => time(us),
    }
}

fn method(document: &Document) -> String {
    let checks: String = document
        .runs
        .iter()
        .flat_map(|run| run.checks.iter().map(move |check| (run, check)))
        .map(|(run, check)| {
            let verdict = match check.verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "FAILED",
                Verdict::NotApplicable => "not asked",
            };
            let rate = run.rate_rps.map_or_else(|| NONE.to_owned(), amount);
            let (name, about) = (escaped(&check.name), escaped(&check.about));
            format!("<li>{rate}: {name} {verdict}: {about}</li>\n")
        })
        .collect();
    format!(
        "<h2>How to read this</h2>\n<ul>\n\
         <li>Latency counts from the <em>intended</em> time of sending, written down before the \
         run. A late send is sent late, and its lateness is part of the latency; beside it stands \
         the latency from the actual send.</li>\n\
         <li>Requests that were answered with an error, not answered, lost or dropped count with \
         an infinite latency.</li>\n\
         <li>Intervals hold the true percentile with 95 % probability, by order statistics.</li>\n\
         <li>A run that is INVALID was not the load that was asked for, or changed on the way: \
         its numbers say little, and its points are in no curve.</li>\n</ul>\n\
         <details><summary>Checks of all runs</summary>\n<ul>\n{checks}</ul></details>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn needs_nothing_from_elsewhere() {
        let page = render(&fixture::document());
        for outside in ["http", "src=", "<script", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "the page refers to {outside}");
        }
    }

    #[test]
    fn a_sweep_has_curves_and_one_rate_has_none() {
        let mut document = fixture::document();
        let page = render(&document);
        assert_eq!(page.matches("<figure><figcaption>").count(), 3, "{page}");
        assert_eq!(page.matches("<tr class=\"load\">").count(), fixture::RATES.len());
        assert!(page.contains(&document.command) && page.contains("highest load that meets"));
        document.runs.truncate(1);
        assert!(!render(&document).contains("<svg"));
    }

    #[test]
    fn points_of_invalid_runs_are_in_no_curve() {
        let mut document = fixture::document();
        assert_eq!(curves(&document, 50.0)[0].points.len(), 3);
        document.runs[1].valid = false;
        assert_eq!(curves(&document, 50.0)[0].points.len(), 2);
        assert!(render(&document).contains("INVALID"));
        document.runs.iter_mut().for_each(|run| run.valid = false);
        assert!(!render(&document).contains("<svg"));
    }

    #[test]
    fn names_are_shown_literally() {
        let mut document = fixture::document();
        document.load.target = "<host>".into();
        let page = render(&document);
        assert!(page.contains("&lt;host&gt;") && !page.contains("<host>"), "{page}");
    }
}
