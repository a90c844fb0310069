//! What operations of the kernel backend cost: rows, the document they make, and its record.

use serde::{Deserialize, Serialize};

mod check;

pub use check::{Change, RISE_MAX, changes, render_changes};

use comfy_table::{CellAlignment, Table, presets};

/// Version of the document's layout; fields are only ever added within one.
pub const FORMAT: u32 = 1;

/// What a cost is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time.
    Ns,
    /// Instructions of all CPUs of an emulated machine, which runs one CPU at a time and whose clock
    /// counts them. They are no time.
    Instructions,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// From where to where it is counted.
    pub about: String,
    /// Median, in the document's unit.
    pub p50: f64,
    /// The least.
    pub min: f64,
    /// 99th percentile.
    pub p99: f64,
    /// How often it was measured.
    pub repetitions: u64,
    /// Whether a rise means that the code became slower. An operation whose path depends on chance
    /// is measured and not held to its record.
    pub stable: bool,
}

/// The rows of one machine, as JSON: `docs/results.md` describes every field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Layout of this document: [`FORMAT`].
    pub format: u32,
    /// Command line that made it.
    pub command: String,
    /// Kernel release.
    pub kernel: String,
    /// CPUs of the machine.
    pub cpus: u32,
    /// What its rows count.
    pub unit: Unit,
    /// The operations.
    pub rows: Vec<Row>,
}

/// What is committed of documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What emulated the machines.
    pub qemu: String,
    /// A document each machine.
    pub documents: Vec<Document>,
}

impl Row {
    /// The row of `samples`, of which there is at least one.
    #[must_use]
    pub fn of(name: &str, about: &str, mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        let at = |share: f64| samples[((samples.len() - 1) as f64 * share).round() as usize] as f64;
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            p50: at(0.5),
            min: at(0.0),
            p99: at(0.99),
            repetitions: samples.len() as u64,
            stable: true,
        }
    }

    /// The same operation, `parts` at a time, as the cost of one of them.
    #[must_use]
    pub fn per(mut self, parts: u32, name: &str) -> Self {
        let parts = f64::from(parts);
        name.clone_into(&mut self.name);
        (self.p50, self.min, self.p99) = (self.p50 / parts, self.min / parts, self.p99 / parts);
        self
    }

    /// The same, without a promise that the next measurement finds it again.
    #[must_use]
    pub fn unstable(self) -> Self {
        Self { stable: false, ..self }
    }
}

impl Unit {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Instructions => "instructions",
        }
    }
}

/// The rows as a table.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["operation", "p50", "min", "p99", "times", "what is counted"]);
    for row in &document.rows {
        table.add_row([
            row.name.clone(),
            format!("{:.0}", row.p50),
            format!("{:.0}", row.min),
            format!("{:.0}", row.p99),
            row.repetitions.to_string(),
            row.about.clone(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let Document { kernel, cpus, unit, .. } = document;
    format!("kernel {kernel}, {cpus} CPUs; in {}\n{table}\n", unit.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_order_of_its_samples() {
        let row = Row::of("a", "b", (1..=101).rev().collect());
        assert_eq!((row.min, row.p50, row.p99, row.repetitions), (1.0, 51.0, 100.0, 101));
        let tenth = row.per(10, "c");
        assert_eq!((tenth.name.as_str(), tenth.p50), ("c", 5.1));
    }

    #[test]
    fn every_field_is_described() {
        let page = include_str!("../../docs/results.md");
        let document = Document {
            format: FORMAT,
            command: String::new(),
            kernel: String::new(),
            cpus: 2,
            unit: Unit::Instructions,
            rows: vec![Row::of("a", "b", vec![1])],
        };
        let record = Record { qemu: String::new(), documents: vec![document] };
        let mut values = vec![serde_json::to_value(record).expect("a record is JSON")];
        while let Some(value) = values.pop() {
            match value {
                serde_json::Value::Object(fields) => {
                    for (field, value) in fields {
                        assert!(page.contains(&format!("`{field}`")), "results.md lacks `{field}`");
                        values.push(value);
                    }
                }
                serde_json::Value::Array(items) => values.extend(items),
                _ => {}
            }
        }
    }
}
