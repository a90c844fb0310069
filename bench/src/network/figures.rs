//! The charts of a comparison: latency over percentile, or what a search found at the rates it
//! tried; a line a server.

use revenant_loadgen::chart::{self, Curve, Labels, Look, Marker, Stroke};
use revenant_loadgen::page::escaped;
use revenant_loadgen::quantity::amount;
use revenant_loadgen::report::row::{PERCENTS, RunRow};
use revenant_loadgen::{Objective, RATE_MAX_RPS};

use super::document::{Document, Entry, latency_of};

/// Own servers are drawn solid, rivals dashed, what is no server dotted. None has crosses: they mark
/// what was invalid.
const LOOKS: [(&str, Look); 6] = [
    ("revenant", look((0x2f, 0x6f, 0xe0), Stroke::Bold, Marker::Disc)),
    ("revenant-workers", look((0x0d, 0xa3, 0x8f), Stroke::Solid, Marker::Square)),
    ("tokio", look((0xe0, 0x45, 0x3b), Stroke::Dashed, Marker::Disc)),
    ("tokio-blocking", look((0xe8, 0x86, 0x1c), Stroke::Dashed, Marker::Square)),
    ("thread-pool", look((0x9c, 0x6b, 0x50), Stroke::Dashed, Marker::Triangle)),
    ("spinning-echo", look((0x6f, 0x7a, 0x8a), Stroke::Dotted, Marker::Ring)),
];

/// A server that only its document knows.
const UNKNOWN: Look = look((0x8a, 0x5c, 0xd6), Stroke::Dotted, Marker::Disc);

/// What the legend shows of invalid runs, which have the colour of their server.
const INVALID: Look = look((0x80, 0x80, 0x80), Stroke::Unseen, Marker::Cross);

const fn look(color: (u8, u8, u8), stroke: Stroke, marker: Marker) -> Look {
    Look { color, stroke, marker }
}

/// How a server is drawn.
pub(super) fn look_of(contender: &str) -> Look {
    let known = LOOKS.iter().find(|(name, _)| *name == contender);
    known.map_or(UNKNOWN, |(_, look)| *look)
}

/// Points without a line.
fn alone(look: Look) -> Look {
    Look { stroke: Stroke::Unseen, ..look }
}

/// A run that was invalid, of whichever server.
fn invalid(look: Look) -> Look {
    Look { marker: Marker::Cross, ..alone(look) }
}

/// Charts and their legend; nothing if there is nothing to draw.
pub(super) fn section(document: &Document) -> String {
    let figures = match &document.contest.objective {
        Some(objective) => tried(document, objective),
        None => {
            let mut classes = document.entries.iter().map(Entry::classes);
            let classes = classes.find(|classes| !classes.is_empty()).unwrap_or_default();
            classes.iter().map(|class| distribution(document, class)).collect()
        }
    };
    if figures.is_empty() {
        return String::new();
    }
    format!("<section class=\"charts\">\n{figures}{}</section>\n", legend(document))
}

fn figure(caption: &str, curves: &[Curve], labels: Labels<'_>) -> String {
    chart::chart(curves, labels).map_or_else(String::new, |svg| {
        format!("<figure><figcaption>{}</figcaption>{svg}</figure>\n", escaped(caption))
    })
}

fn legend(document: &Document) -> String {
    let item = |look: Look, name: &str| {
        format!("<li>{}{}</li>\n", chart::swatch(look, name), escaped(name))
    };
    let is_search = document.contest.objective.is_some();
    let shown = |look| if is_search { alone(look) } else { look };
    let entries = document.entries.iter();
    let mut items: String =
        entries.map(|entry| item(shown(look_of(&entry.contender)), &entry.contender)).collect();
    if is_search && document.entries.iter().any(|entry| entry.invalid() > 0) {
        items += &item(INVALID, "run that was INVALID");
    }
    format!(
        "<figure class=\"legend\"><figcaption>servers</figcaption><ul>\n{items}</ul></figure>\n"
    )
}

/// Where a percentile lies on an axis that gives each nine the same room.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).log10()
}

fn percent_label(nines: f64) -> String {
    let percent = 100.0 - 10_f64.powf(2.0 - nines);
    format!("{}%", (percent * 1e4).round() / 1e4)
}

/// Latency of a class over the percentile, medians over the runs of each server.
fn distribution(document: &Document, class: &str) -> String {
    let marks = [50.0, 90.0, 99.0, 99.9, 99.99].map(nines);
    let caption = format!("{class}: latency by percentile");
    let labels = Labels {
        about: &caption,
        x: "percentile",
        x_number: percent_label,
        x_marks: &marks,
        limit_us: None,
    };
    // The first server, the one looked for, on top.
    let entries = document.entries.iter().rev();
    let curves: Vec<Curve> = entries.map(|entry| by_percentile(entry, class)).collect();
    figure(&caption, &curves, labels)
}

/// Ends where less than one request of a run lies beyond: the rest would be that run's maximum under
/// other names. What failed has no place on the axis.
fn by_percentile(entry: &Entry, class: &str) -> Curve {
    let requests = entry.fewest_requests(class) as f64;
    let is_known = |percent: &f64| requests * (1.0 - percent / 100.0) >= 1.0;
    let point = |percent: f64| {
        let us = entry.latency_us(class, percent).filter(|us| us.is_finite())?;
        Some((nines(percent), us))
    };
    let points = PERCENTS.into_iter().filter(is_known).filter_map(point).collect();
    Curve { points, look: look_of(&entry.contender) }
}

/// Decades of rates that have room for numbers between the powers of ten.
const DECADES_MAX: f64 = 2.0;

/// Where an axis of rates, a decade as wide as the next, has numbers: at 1, 2 and 5 of each decade
/// if there is room. None if that is less than two: the chart then finds its own.
fn rate_marks(curves: &[Curve]) -> Vec<f64> {
    let xs = || curves.iter().flat_map(|curve| curve.points.iter().map(|at| at.0));
    let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let steps: &[f64] = if high - low > DECADES_MAX { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = 0..=RATE_MAX_RPS.log10().ceil() as u32;
    let marks = decades.flat_map(|at| steps.iter().map(move |step| step.log10() + f64::from(at)));
    // A hundredth of a decade more: logarithms of round rates are not quite round.
    let is_within = |mark: &f64| (low - 0.01..=high + 0.01).contains(mark);
    let marks: Vec<f64> = marks.filter(is_within).collect();
    if marks.len() < 2 { Vec::new() } else { marks }
}

/// What the rates tried had at the objective's percentile, a point a run.
fn tried(document: &Document, objective: &Objective) -> String {
    let caption = format!("{}: p{} at the rates tried", objective.class, objective.percent());
    let entries = document.entries.iter().rev();
    let curves: Vec<Curve> = entries.flat_map(|entry| by_rate(entry, objective)).collect();
    let labels = Labels {
        about: &caption,
        x: "requests/s",
        x_number: |decade| amount(10_f64.powf(decade)),
        x_marks: &rate_marks(&curves),
        limit_us: Some(objective.limit_ns as f64 / 1e3),
    };
    figure(&caption, &curves, labels)
}

/// Valid runs and invalid ones. Not joined by lines: a search tries neighbouring rates at different
/// times, and what a line between them would show is the machine's mood.
fn by_rate(entry: &Entry, objective: &Objective) -> [Curve; 2] {
    let look = look_of(&entry.contender);
    let of = |is_valid: bool, look: Look| {
        let runs = entry.runs.iter().filter(|run| run.valid == is_valid);
        let point = |run: &RunRow| {
            let us = objective_us(run, objective).filter(|us| us.is_finite())?;
            Some((run.rate_rps?.log10(), us))
        };
        let mut points: Vec<(f64, f64)> = runs.filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { points, look }
    };
    [of(false, invalid(look)), of(true, alone(look))]
}

/// What a run had at the percentile of an objective.
pub(super) fn objective_us(run: &RunRow, objective: &Objective) -> Option<f64> {
    latency_of(run.class(&objective.class)?.percentile(objective.percent())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Contender, fixture};

    #[test]
    fn every_server_has_a_look_of_its_own() {
        let looks: Vec<Look> = Contender::all().map(|who| look_of(who.name())).collect();
        for (index, look) in looks.iter().chain([&UNKNOWN]).enumerate() {
            assert!(looks[..index].iter().all(|other| other.color != look.color), "{look:?}");
            assert_ne!(look.marker, Marker::Cross, "{look:?}");
        }
    }

    #[test]
    fn a_chart_a_class_and_a_curve_a_server() {
        let document = fixture::document();
        let section = section(&document);
        assert_eq!(section.matches("<figure><figcaption>").count(), 2, "{section}");
        for name in ["get: latency by percentile", "search: latency by percentile"] {
            assert!(section.contains(name), "{section}");
        }
        for entry in &document.entries {
            let curve = by_percentile(entry, "get");
            let last = curve.points.last().unwrap();
            assert_eq!(curve.points.len(), 6, "all but the maximum");
            assert!((last.0 - 4.0).abs() < 1e-9, "{last:?}");
            assert_eq!(Some(last.1), entry.latency_us("get", 99.99));
            assert!(section.contains(&curve.look.css_color().to_uppercase()), "{section}");
        }
    }

    #[test]
    fn a_curve_ends_where_a_run_has_no_request_beyond() {
        let entry = &fixture::document().entries[0];
        assert_eq!(entry.fewest_requests("search"), 180);
        let last = by_percentile(entry, "search").points.pop().unwrap();
        assert_eq!(percent_label(last.0), "99%");
    }

    #[test]
    fn a_percentile_that_is_missing_or_failed_is_no_point() {
        let mut entry = fixture::document().entries.remove(0);
        for run in &mut entry.runs {
            run.classes[0].percentiles.retain(|known| known.percent != 90.0);
            run.classes[0].percentiles.last_mut().unwrap().latency_us = Some(1e8);
            run.classes[0].percentiles[4].latency_us = Some(1e8);
        }
        let labels: Vec<String> =
            by_percentile(&entry, "get").points.iter().map(|at| percent_label(at.0)).collect();
        assert_eq!(labels, ["50%", "95%", "99%", "99.9%"]);
    }

    #[test]
    fn a_search_shows_its_limit_and_marks_what_was_invalid() {
        let mut document = fixture::search();
        let objective = document.contest.objective.clone().unwrap();
        let [invalid, valid] = by_rate(&document.entries[0], &objective);
        assert_eq!((invalid.points.len(), valid.points.len()), (1, 5));
        assert_eq!(invalid.look.marker, Marker::Cross);
        assert!(valid.points.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let page = section(&document);
        assert!(page.contains("limit 200us") && page.contains("get: p99 at the rates tried"));
        assert!(page.contains("run that was INVALID"), "{page}");
        for rate in [">2.00k<", ">5.00k<", ">10.0k<"] {
            assert!(page.replace('\n', "").contains(rate), "{page}");
        }
        for entry in &mut document.entries {
            entry.runs.retain(|run| run.valid);
        }
        assert!(!section(&document).contains("INVALID"));
    }

    #[test]
    fn rates_of_many_decades_have_room_for_powers_of_ten_only() {
        let marks = |from: f64, to: f64| {
            let points = vec![(from.log10(), 1.0), (to.log10(), 1.0)];
            let marks = rate_marks(&[Curve { points, look: UNKNOWN }]);
            marks.into_iter().map(|mark| amount(10_f64.powf(mark))).collect::<Vec<_>>()
        };
        assert_eq!(marks(12.0, 30_000.0), ["100", "1.00k", "10.0k"]);
        assert_eq!(marks(1_500.0, 11_000.0), ["2.00k", "5.00k", "10.0k"]);
        assert!(marks(9_000.0, 11_000.0).is_empty());
        assert!(rate_marks(&[]).is_empty());
    }

    #[test]
    fn without_runs_there_is_no_chart() {
        let mut document = fixture::document();
        document.entries.iter_mut().for_each(|entry| entry.runs.clear());
        assert_eq!(section(&document), "");
        assert_eq!(section(&Document { entries: Vec::new(), ..document }), "");
    }
}
