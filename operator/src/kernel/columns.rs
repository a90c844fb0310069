//! Text in columns, as wide as their widest cell.

/// Lines of cells, the first being the header. Columns are two blanks apart.
pub(crate) fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let aligned = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    });
    aligned.collect()
}

/// A time, to three digits, in the unit that fits.
pub(crate) fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0 => return "0".to_owned(),
        1..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let line = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = align(&[line(["NAME", "CPUS"]), line(["two-queue", "1"])]);
        assert_eq!(text, "NAME       CPUS\ntwo-queue  1\n");
    }

    #[test]
    fn times_have_three_digits() {
        let times =
            [(7, "7 ns"), (1_234, "1.23 us"), (45_678_000, "45.7 ms"), (2_000_000_000, "2.00 s")];
        for (ns, text) in times {
            assert_eq!(time(ns), text);
        }
    }
}
