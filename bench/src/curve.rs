//! Latency-load curves: one chart a measure, one line a system.

use revenant_loadgen::chart::{self, Curve, Labels, Look, Marker, Stroke};

use crate::comparison::{Comparison, Line, LoadGroup};

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
    Look { color: (red, green, blue), stroke, marker }
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
    look_of(system, index).css_color()
}

/// The line of a system for a legend, as SVG.
#[must_use]
pub fn swatch(system: &str, index: usize) -> String {
    chart::swatch(look_of(system, index), system)
}

/// One measure of all systems over load, as SVG with a logarithmic time axis; `None` when no line
/// has a value.
#[must_use]
pub fn chart(
    comparison: &Comparison,
    label: &str,
    measure: impl Fn(&Line) -> Option<f64>,
) -> Option<String> {
    let labels = Labels {
        about: label,
        x: "load",
        x_number: |load| format!("{load:.1}"),
        x_marks: &[],
        limit_us: None,
    };
    chart::chart(&curves(comparison, measure), labels)
}

/// The curves from the last system to the first, so that the first, the one looked for, lies on top.
fn curves(comparison: &Comparison, measure: impl Fn(&Line) -> Option<f64>) -> Vec<Curve> {
    let systems = comparison.systems.iter().enumerate().rev();
    let curve = |(index, system): (usize, &String)| {
        let point = |group: &LoadGroup| {
            let line = group.lines.iter().find(|line| line.short.system == *system)?;
            measure(line).map(|us| (group.load, us))
        };
        let points = comparison.loads.iter().filter_map(point).collect();
        Curve { points, look: look_of(system, index) }
    };
    systems.map(curve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn short_p99(line: &Line) -> Option<f64> {
        line.short.p99_us
    }

    #[test]
    fn a_chart_has_every_system() {
        let comparison = Comparison::of(&fixture::document());
        let svg = chart(&comparison, "p99 <short>", short_p99).unwrap();
        for (index, system) in comparison.systems.iter().enumerate() {
            let color = css_color(system, index).to_uppercase();
            assert!(svg.contains(&color), "{system} is not drawn");
        }
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
}
