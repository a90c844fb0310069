//! Curves as inline SVG over a logarithmic time axis, for pages that need nothing else.

use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::page;
use crate::quantity;

/// Size of a chart in its own units; the page scales it. Narrow, so that text stays readable when
/// a phone shows it at two thirds.
const CHART_SIZE: (u32, u32) = (560, 400);
const SWATCH_SIZE: (u32, u32) = (46, 16);

/// Text and axes are drawn in this colour, which no line uses, and then become `currentColor`: the
/// page's own, light or dark.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_SVG: &str = "\"#010203\"";

/// How a line looks, on white as on near-black.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Red, green and blue.
    pub color: (u8, u8, u8),
    /// How it is drawn.
    pub stroke: Stroke,
    /// What marks its points.
    pub marker: Marker,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Three wide.
    Bold,
    /// Two wide.
    Solid,
    /// In dashes.
    Dashed,
    /// In dots.
    Dotted,
    /// Not at all: its points are alone.
    Unseen,
}

/// What marks a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Filled.
    Disc,
    /// Open.
    Ring,
    /// Filled.
    Square,
    /// Filled.
    Triangle,
    /// Two strokes.
    Cross,
}

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Points by ascending x, y in microseconds.
    pub points: Vec<(f64, f64)>,
    /// How it looks.
    pub look: Look,
}

/// What a chart says beside its curves.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// What it shows, for who cannot see it.
    pub about: &'a str,
    /// What stands below the x axis.
    pub x: &'a str,
    /// How numbers of the x axis are written.
    pub x_number: fn(f64) -> String,
    /// Where the x axis has numbers; at round ones if this names none.
    pub x_marks: &'a [f64],
    /// A latency that is to be kept: a line all the way along the x axis.
    pub limit_us: Option<f64>,
}

impl Look {
    /// The colour as CSS writes it.
    #[must_use]
    pub fn css_color(self) -> String {
        let (red, green, blue) = self.color;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    fn rgb(self) -> RGBColor {
        let (red, green, blue) = self.color;
        RGBColor(red, green, blue)
    }
}

/// A line for a legend, as SVG.
///
/// # Panics
/// Never: drawing into a string does not fail.
#[must_use]
pub fn swatch(look: Look, about: &str) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SWATCH_SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .build_cartesian_2d(Axis::new((0.0, 2.0), &[]), (1.0..100.0).log_scale())
            .expect(DRAWS);
        draw_line(&mut chart, &[(0.0, 10.0), (2.0, 10.0)], look, false);
        draw_line(&mut chart, &[(1.0, 10.0)], look, true);
        area.present().expect(DRAWS);
    }
    embeddable(&svg, about)
}

/// Curves over a common axis, the last on top; `None` when none has a point. Times of 0 are left
/// out: a logarithm has no place for them.
///
/// # Panics
/// Never: drawing into a string does not fail.
#[must_use]
pub fn chart(curves: &[Curve], labels: Labels<'_>) -> Option<String> {
    let curves: Vec<Curve> = curves.iter().map(with_times).collect();
    let (xs, times_us) = ranges(&curves, labels.limit_us)?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, CHART_SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(46)
            .y_label_area_size(62)
            .build_cartesian_2d(Axis::new(xs, labels.x_marks), (times_us.0..times_us.1).log_scale())
            .expect(DRAWS);
        draw_axes(&mut chart, labels);
        if let Some(limit_us) = labels.limit_us {
            draw_limit(&mut chart, xs, (limit_us, fewest_above(&curves, xs, limit_us)));
        }
        for Curve { points, look } in &curves {
            draw_line(&mut chart, points, *look, true);
        }
        area.present().expect(DRAWS);
    }
    Some(embeddable(&svg, labels.about))
}

/// Drawing into a string fails only on a bug in the geometry above.
const DRAWS: &str = "drawing into a string does not fail";

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, LogCoord<f64>>>;

/// Numbers of an x axis that names none, at most.
const X_NUMBERS_MAX: usize = 8;

/// An x axis with numbers at its marks.
struct Axis {
    line: RangedCoordf64,
    marks: Vec<f64>,
}

impl Axis {
    /// With these marks, as far as they lie on it, or with some of its own if they are none.
    fn new((low, high): Range, marks: &[f64]) -> Self {
        let line = RangedCoordf64::from(low..high);
        let marks = match marks {
            [] => line.key_points(X_NUMBERS_MAX),
            marks => marks.iter().copied().filter(|mark| (low..=high).contains(mark)).collect(),
        };
        Self { line, marks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, x: &f64, pixels: (i32, i32)) -> i32 {
        self.line.map(x, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.line.range()
    }
}

fn with_times(curve: &Curve) -> Curve {
    let points = curve.points.iter().copied().filter(|(_, us)| *us > 0.0);
    Curve { points: points.collect(), look: curve.look }
}

type Range = (f64, f64);

/// Room above a limit for what it is called, as a factor.
const LIMIT_ROOM: f64 = 1.5;

/// The x axis with a little room, and whole decades of time: each grid line is then a power of ten.
fn ranges(curves: &[Curve], limit_us: Option<f64>) -> Option<(Range, Range)> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let extent = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let (x_min, x_max) = extent(&mut points().map(|(x, _)| x))?;
    let limit_us = limit_us.into_iter().flat_map(|us| [us, us * LIMIT_ROOM]);
    let (us_min, us_max) = extent(&mut points().map(|(_, us)| us).chain(limit_us))?;
    let room = ((x_max - x_min) * 0.04).max(x_max.abs() * 0.02);
    let decade = |us: f64| 10_f64.powf(us);
    let low = us_min.log10().floor();
    let high = us_max.log10().ceil().max(low + 1.0);
    Some(((x_min - room, x_max + room), (decade(low), decade(high))))
}

fn text_style() -> TextStyle<'static> {
    ("sans-serif", 17).into_font().color(&INK)
}

fn draw_axes(chart: &mut Chart<'_, '_>, labels: Labels<'_>) {
    let text = text_style();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(INK.mix(0.18))
        .light_line_style(INK.mix(0.0))
        .axis_style(INK.mix(0.5))
        .x_labels(X_NUMBERS_MAX)
        .y_labels(7)
        .x_label_formatter(&|x| (labels.x_number)(*x))
        .y_label_formatter(&|us| short_time(*us))
        .x_desc(labels.x)
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()
        .expect(DRAWS);
}

/// Places along a limit for what it is called: its beginning, its middle, its end.
const LIMIT_PLACES: [HPos; 3] = [HPos::Left, HPos::Center, HPos::Right];

/// The place along a limit above which the fewest points lie in the way of words.
fn fewest_above(curves: &[Curve], (low, high): Range, limit_us: f64) -> usize {
    let width = (high - low) / LIMIT_PLACES.len() as f64;
    let room_us = limit_us..limit_us * LIMIT_ROOM;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let count = |place: &usize| {
        let from = low + *place as f64 * width;
        let is_there =
            |(x, us): &&(f64, f64)| (from..from + width).contains(x) && room_us.contains(us);
        points().filter(is_there).count()
    };
    (0..LIMIT_PLACES.len()).min_by_key(count).unwrap_or(0)
}

/// A line from end to end, and above it at a place what it is.
fn draw_limit(chart: &mut Chart<'_, '_>, (low, high): Range, (limit_us, place): (f64, usize)) {
    let ends = [(low, limit_us), (high, limit_us)];
    let line = DashedLineSeries::new(ends, 7, 5, INK.mix(0.7).stroke_width(1));
    chart.draw_series(line).expect(DRAWS);
    let style = text_style().pos(Pos::new(LIMIT_PLACES[place], VPos::Bottom));
    let (anchor, indent) = [(low, 6), (f64::midpoint(low, high), 0), (high, -6)][place];
    let text = format!("limit {}", short_time(limit_us));
    let text = EmptyElement::at((anchor, limit_us)) + Text::new(text, (indent, -3), style);
    chart.draw_series([text]).expect(DRAWS);
}

/// A time without idle decimals: `10us`, not `10.0us`.
fn short_time(us: f64) -> String {
    let text = quantity::time(us);
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number}{unit}")
}

fn draw_line(chart: &mut Chart<'_, '_>, points: &[(f64, f64)], look: Look, markers: bool) {
    let width = if look.stroke == Stroke::Bold { 3 } else { 2 };
    let style = look.rgb().stroke_width(width);
    let path = points.iter().copied();
    match look.stroke {
        Stroke::Bold | Stroke::Solid => {
            chart.draw_series(LineSeries::new(path, style)).expect(DRAWS);
        }
        Stroke::Dashed => {
            chart.draw_series(DashedLineSeries::new(path, 8, 4, style)).expect(DRAWS);
        }
        Stroke::Dotted => {
            chart.draw_series(DashedLineSeries::new(path, 2, 4, style)).expect(DRAWS);
        }
        Stroke::Unseen => {}
    }
    if markers {
        draw_markers(chart, points, look);
    }
}

fn draw_markers(chart: &mut Chart<'_, '_>, points: &[(f64, f64)], look: Look) {
    let (filled, outline) = (look.rgb().filled(), look.rgb().stroke_width(2));
    let points = points.iter().copied();
    let drawn = match look.marker {
        Marker::Disc => chart.draw_series(points.map(|at| Circle::new(at, 4, filled))).map(drop),
        Marker::Ring => chart.draw_series(points.map(|at| Circle::new(at, 4, outline))).map(drop),
        Marker::Triangle => {
            chart.draw_series(points.map(|at| TriangleMarker::new(at, 6, filled))).map(drop)
        }
        Marker::Cross => chart.draw_series(points.map(|at| Cross::new(at, 4, outline))).map(drop),
        Marker::Square => {
            let square = |at| EmptyElement::at(at) + Rectangle::new([(-4, -4), (4, 4)], filled);
            chart.draw_series(points.map(square)).map(drop)
        }
    };
    drawn.expect(DRAWS);
}

/// Makes a file's SVG part of a page: no namespace, which is an address, no fixed size, the page's
/// ink, and a label for who cannot see it.
fn embeddable(svg: &str, label: &str) -> String {
    let (_, body) = svg.split_once('>').expect("an svg element");
    let (_, view_box) = svg.split_once("viewBox=\"").expect("plotters states its view box");
    let (view_box, _) = view_box.split_once('"').expect("an attribute ends");
    let label = page::escaped(label);
    format!("<svg viewBox=\"{view_box}\" role=\"img\" aria-label=\"{label}\">{body}")
        .replace(INK_SVG, "\"currentColor\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look =
        Look { color: (0x2f, 0x6f, 0xe0), stroke: Stroke::Bold, marker: Marker::Disc };
    const LABELS: Labels<'_> = Labels {
        about: "p99 <short>",
        x: "load",
        x_number: |x| format!("{x:.1}"),
        x_marks: &[],
        limit_us: None,
    };

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve { points: points.to_vec(), look: LOOK }
    }

    #[test]
    fn a_chart_has_its_lines_and_no_address() {
        let svg = chart(&[curve(&[(0.5, 120.0), (0.7, 9_000.0)])], LABELS).unwrap();
        assert!(svg.contains(&LOOK.css_color().to_uppercase()), "{svg}");
        assert!(!svg.contains("http") && !svg.contains("#010203"), "{svg}");
        assert!(svg.contains("p99 &lt;short&gt;") && svg.contains("10ms") && svg.contains("100us"));
    }

    #[test]
    fn lines_without_values_are_no_chart() {
        assert!(chart(&[], LABELS).is_none());
        assert!(chart(&[curve(&[]), curve(&[(1.0, 0.0)])], LABELS).is_none());
        assert!(chart(&[curve(&[(1.0, 5.0)])], LABELS).is_some(), "one point is a line");
    }

    #[test]
    fn a_limit_is_drawn_and_named_even_above_all_curves() {
        let labels = Labels { limit_us: Some(1_000.0), ..LABELS };
        let svg = chart(&[curve(&[(1.0, 20.0), (2.0, 90.0)])], labels).unwrap();
        assert!(svg.contains("limit 1ms") && svg.contains("10ms"), "{svg}");
        let without = chart(&[curve(&[(1.0, 20.0), (2.0, 90.0)])], LABELS).unwrap();
        assert!(!without.contains("limit") && !without.contains("1ms"), "{without}");
        assert!(chart(&[], labels).is_none(), "a limit alone is no chart");
    }

    #[test]
    fn a_limit_is_named_where_points_leave_room() {
        let place = |points: &[(f64, f64)]| fewest_above(&[curve(points)], (0.0, 9.0), 200.0);
        assert_eq!(place(&[]), 0);
        assert_eq!(place(&[(1.0, 250.0), (1.5, 190.0), (4.0, 900.0)]), 1, "the middle is free");
        assert_eq!(place(&[(1.0, 250.0), (4.0, 201.0), (8.0, 301.0)]), 2);
    }

    #[test]
    fn numbers_stand_at_the_marks_that_lie_on_the_axis() {
        let x_number = |x: f64| format!("at {x}");
        let labels = Labels { x_number, x_marks: &[1.0, 2.5, 7.0], ..LABELS };
        let svg = chart(&[curve(&[(1.0, 20.0), (3.0, 90.0)])], labels).unwrap();
        assert_eq!(svg.matches("at ").count(), 2, "{svg}");
        assert!(svg.contains("at 1") && svg.contains("at 2.5"), "{svg}");
    }

    #[test]
    fn an_unseen_line_leaves_its_points() {
        let points = curve(&[(1.0, 20.0), (3.0, 90.0)]);
        let look = Look { stroke: Stroke::Unseen, ..LOOK };
        let lines = |curve| chart(&[curve], LABELS).unwrap().matches("<polyline").count();
        assert_eq!(lines(points.clone()) - lines(Curve { look, ..points.clone() }), 1);
        let svg = chart(&[Curve { look, ..points }], LABELS).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
    }

    #[test]
    fn decades_are_written_without_decimals() {
        let labels: Vec<String> = [0.1, 1.0, 10.0, 1_000.0, 1e6].map(short_time).into();
        assert_eq!(labels, ["100ns", "1us", "10us", "1ms", "1s"]);
    }
}
