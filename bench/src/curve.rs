//! Latency-load curves as inline SVG: one chart a measure, one line a system.

use plotters::coord::combinators::LogCoord;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::comparison::{Comparison, Line};
use crate::quantity;

/// Size of a chart in its own units; the page scales it. Narrow, so that text stays readable when
/// a phone shows it at two thirds.
const CHART_SIZE: (u32, u32) = (560, 400);
const SWATCH_SIZE: (u32, u32) = (46, 16);

/// Text and axes are drawn in this colour, which no line uses, and then become `currentColor`: the
/// page's own, light or dark.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_SVG: &str = "\"#010203\"";

/// How one system's line looks, on white as on near-black.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    color: RGBColor,
    stroke: Stroke,
    marker: Marker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stroke {
    Bold,
    Solid,
    Dashed,
    Dotted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Disc,
    Ring,
    Square,
    Triangle,
    Cross,
}

/// Own policies are drawn solid, the kernel's scheduler dashed, bounds dotted: the kind of a line
/// can be told without its colour.
const LOOKS: [(&str, Look); 11] = [
    ("two-queue", look(0x2f, 0x6f, 0xe0, Stroke::Bold, Marker::Disc)),
    ("shinjuku", look(0x0d, 0xa3, 0x8f, Stroke::Solid, Marker::Square)),
    ("fifo", look(0x8a, 0x5c, 0xd6, Stroke::Solid, Marker::Triangle)),
    ("fifo-percpu", look(0xd0, 0x53, 0xa8, Stroke::Solid, Marker::Cross)),
    ("eevdf", look(0xe0, 0x45, 0x3b, Stroke::Dashed, Marker::Disc)),
    ("eevdf-100us", look(0xe8, 0x86, 0x1c, Stroke::Dashed, Marker::Square)),
    ("eevdf-nice", look(0xb8, 0x95, 0x1a, Stroke::Dashed, Marker::Triangle)),
    ("fifo-pool", look(0x9c, 0x6b, 0x50, Stroke::Dashed, Marker::Cross)),
    ("rr", look(0x5f, 0x9e, 0x35, Stroke::Dashed, Marker::Ring)),
    ("ideal", look(0x6f, 0x7a, 0x8a, Stroke::Dotted, Marker::Disc)),
    ("ideal-ps", look(0x9d, 0xa8, 0xb6, Stroke::Dotted, Marker::Ring)),
];

const fn look(red: u8, green: u8, blue: u8, stroke: Stroke, marker: Marker) -> Look {
    Look { color: RGBColor(red, green, blue), stroke, marker }
}

/// The look of a system: its own, or one that `index` chooses for a system not known here. Those
/// repeat colours in another stroke.
fn look_of(system: &str, index: usize) -> Look {
    let known = LOOKS.iter().find(|(name, _)| *name == system);
    known.map_or_else(
        || {
            let (_, look) = LOOKS[index % (LOOKS.len() - 2)];
            let stroke = if look.stroke == Stroke::Dashed { Stroke::Solid } else { Stroke::Dashed };
            Look { stroke, marker: Marker::Ring, ..look }
        },
        |(_, look)| *look,
    )
}

/// The colour of a system as CSS writes it.
#[must_use]
pub fn css_color(system: &str, index: usize) -> String {
    let RGBColor(red, green, blue) = look_of(system, index).color;
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The line of a system for a legend, as SVG.
#[must_use]
pub fn swatch(system: &str, index: usize) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SWATCH_SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .build_cartesian_2d(0.0..2.0, (1.0..100.0).log_scale())
            .expect(DRAWS);
        draw_line(&mut chart, &[(0.0, 10.0), (2.0, 10.0)], look_of(system, index), false);
        draw_line(&mut chart, &[(1.0, 10.0)], look_of(system, index), true);
        area.present().expect(DRAWS);
    }
    embeddable(&svg, system)
}

/// One measure of all systems over load, as SVG with a logarithmic time axis; `None` when no line
/// has a value.
#[must_use]
pub fn chart(
    comparison: &Comparison,
    label: &str,
    measure: impl Fn(&Line) -> Option<f64>,
) -> Option<String> {
    let curves = curves(comparison, measure);
    let (loads, times_us) = ranges(&curves)?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, CHART_SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(46)
            .y_label_area_size(62)
            .build_cartesian_2d(loads.0..loads.1, (times_us.0..times_us.1).log_scale())
            .expect(DRAWS);
        draw_axes(&mut chart);
        for (points, look) in &curves {
            draw_line(&mut chart, points, *look, true);
        }
        area.present().expect(DRAWS);
    }
    Some(embeddable(&svg, label))
}

/// Drawing into a string fails only on a bug in the geometry above.
const DRAWS: &str = "drawing into a string does not fail";

type Curve = (Vec<(f64, f64)>, Look);
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, LogCoord<f64>>>;

/// The curves from the last system to the first, so that the first, the one looked for, lies on top.
fn curves(comparison: &Comparison, measure: impl Fn(&Line) -> Option<f64>) -> Vec<Curve> {
    let systems = comparison.systems.iter().enumerate().rev();
    let curve = |(index, system): (usize, &String)| {
        let point = |group: &crate::comparison::LoadGroup| {
            let line = group.lines.iter().find(|line| line.short.system == *system)?;
            // A logarithm has no place for 0.
            measure(line).filter(|us| *us > 0.0).map(|us| (group.load, us))
        };
        let points: Vec<_> = comparison.loads.iter().filter_map(point).collect();
        (points, look_of(system, index))
    };
    systems.map(curve).collect()
}

type Range = (f64, f64);

/// Loads with a little room, and whole decades of time: each grid line is then a power of ten.
fn ranges(curves: &[Curve]) -> Option<(Range, Range)> {
    let points = || curves.iter().flat_map(|(points, _)| points.iter().copied());
    let extent = |values: &mut dyn Iterator<Item = f64>| {
        values.map(|value| (value, value)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let (load_min, load_max) = extent(&mut points().map(|(load, _)| load))?;
    let (us_min, us_max) = extent(&mut points().map(|(_, us)| us))?;
    let room = ((load_max - load_min) * 0.04).max(0.02);
    let decade = |us: f64| 10_f64.powf(us);
    let low = us_min.log10().floor();
    let high = us_max.log10().ceil().max(low + 1.0);
    Some(((load_min - room, load_max + room), (decade(low), decade(high))))
}

fn draw_axes(chart: &mut Chart<'_, '_>) {
    let text = ("sans-serif", 17).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(INK.mix(0.18))
        .light_line_style(INK.mix(0.0))
        .axis_style(INK.mix(0.5))
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(&|load| format!("{load:.1}"))
        .y_label_formatter(&|us| decade_label(*us))
        .x_desc("load")
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()
        .expect(DRAWS);
}

/// Powers of ten without decimals: `10us`, not `10.0us`.
fn decade_label(us: f64) -> String {
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
    let style = look.color.stroke_width(width);
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
    }
    if markers {
        draw_markers(chart, points, look);
    }
}

fn draw_markers(chart: &mut Chart<'_, '_>, points: &[(f64, f64)], look: Look) {
    let (filled, outline) = (look.color.filled(), look.color.stroke_width(2));
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
    let label = crate::html::escaped(label);
    format!("<svg viewBox=\"{view_box}\" role=\"img\" aria-label=\"{label}\">{body}")
        .replace(INK_SVG, "\"currentColor\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn short_p99(line: &Line) -> Option<f64> {
        line.short.p99_us
    }

    #[test]
    fn a_chart_has_every_system_and_no_address() {
        let comparison = Comparison::of(&fixture::document());
        let svg = chart(&comparison, "p99 <short>", short_p99).unwrap();
        for (index, system) in comparison.systems.iter().enumerate() {
            let color = css_color(system, index).to_uppercase();
            assert!(svg.contains(&color), "{system} is not drawn");
        }
        assert!(!svg.contains("http") && !svg.contains("#010203"), "{svg}");
        assert!(svg.contains("p99 &lt;short&gt;") && svg.contains("10ms") && svg.contains("100us"));
    }

    #[test]
    fn lines_without_values_are_no_chart() {
        let comparison = Comparison::of(&fixture::document());
        assert!(chart(&comparison, "nothing", |_| None).is_none());
        assert!(chart(&comparison, "zero", |_| Some(0.0)).is_none());
        let one_load = |line: &Line| short_p99(line).filter(|_| line.short.load == 0.5);
        assert!(chart(&comparison, "one point a line", one_load).is_some());
    }

    #[test]
    fn systems_look_different() {
        let looks: Vec<Look> =
            LOOKS.iter().enumerate().map(|(index, (name, _))| look_of(name, index)).collect();
        for (index, look) in looks.iter().enumerate() {
            let same = |other: &&Look| {
                let shape = (other.stroke, other.marker) == (look.stroke, look.marker);
                other.color == look.color || shape
            };
            assert_eq!(looks[..index].iter().find(same), None, "{}", LOOKS[index].0);
            assert_ne!(look_of("unheard-of", index), *look);
        }
    }

    #[test]
    fn decades_are_labelled_without_decimals() {
        let labels: Vec<String> = [0.1, 1.0, 10.0, 1_000.0, 1e6].map(decade_label).into();
        assert_eq!(labels, ["100ns", "1us", "10us", "1ms", "1s"]);
    }
}
