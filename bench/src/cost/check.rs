//! Costs beside those of the record.

use comfy_table::{CellAlignment, Table, presets};

use super::{Document, Record};

/// How much a stable cost may rise. Instruction counts of the same build differ by up to 2 %, for
/// interrupts come when the host has time; half of this would fail by chance, twice as much would
/// let a forgotten system call on a path of ten thousand instructions pass.
pub const RISE_MAX: f64 = 0.05;

/// One operation, then and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// The record's median; `None`: it is new.
    pub old: Option<f64>,
    /// The new one; `None`: it is gone.
    pub new: Option<f64>,
    /// Whether it is held to its record.
    pub stable: bool,
}

impl Change {
    /// New over old, less one.
    #[must_use]
    pub fn rise(&self) -> Option<f64> {
        Some(self.new? / self.old? - 1.0)
    }

    /// Whether the change is not to be accepted: a rise, or an operation nobody measures any more.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.stable && (self.new.is_none() || self.rise().is_some_and(|rise| rise > RISE_MAX))
    }
}

/// Every operation of a new document and of the record's document for the same number of CPUs.
#[must_use]
pub fn changes(record: &Record, new: &Document) -> Vec<Change> {
    let is_alike = |old: &&Document| old.cpus == new.cpus && old.unit == new.unit;
    let old_rows = record.documents.iter().find(is_alike).map_or(&[][..], |old| &old.rows);
    let mut changes: Vec<Change> = Vec::new();
    for row in &new.rows {
        let old = old_rows.iter().find(|old| old.name == row.name).map(|old| old.p50);
        changes.push(Change {
            name: row.name.clone(),
            old,
            new: Some(row.p50),
            stable: row.stable,
        });
    }
    let is_gone = |name: &str| new.rows.iter().all(|row| row.name != name);
    changes.extend(old_rows.iter().filter(|old| is_gone(&old.name)).map(|old| Change {
        name: old.name.clone(),
        old: Some(old.p50),
        new: None,
        stable: old.stable,
    }));
    changes
}

/// The changes as a table.
#[must_use]
pub fn render_changes(changes: &[Change]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["operation", "record", "now", "change", ""]);
    let cost = |cost: Option<f64>| cost.map_or("-".to_owned(), |cost| format!("{cost:.0}"));
    for change in changes {
        let verdict = match (change.is_worse(), change.stable) {
            (true, _) => "WORSE",
            (_, false) => "not held to its record",
            _ => "",
        };
        table.add_row([
            change.name.clone(),
            cost(change.old),
            cost(change.new),
            change.rise().map_or("-".to_owned(), |rise| format!("{:+.1} %", rise * 100.0)),
            verdict.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::super::{FORMAT, Row, Unit};
    use super::*;

    fn document(rows: Vec<Row>) -> Document {
        Document {
            format: FORMAT,
            command: String::new(),
            kernel: String::new(),
            cpus: 2,
            unit: Unit::Instructions,
            rows,
        }
    }

    fn row(name: &str, cost: u64) -> Row {
        Row::of(name, "", vec![cost])
    }

    #[test]
    fn a_rise_beyond_the_limit_of_a_stable_row_is_worse() {
        let old = vec![row("a", 1000), row("b", 1000), row("c", 1000), row("gone", 1)];
        let new = vec![row("a", 1049), row("b", 1051), row("c", 2000).unstable(), row("new", 1)];
        let record = Record { qemu: String::new(), documents: vec![document(old)] };
        let changes = changes(&record, &document(new));
        let worse: Vec<_> = changes.iter().filter(|c| c.is_worse()).map(|c| &c.name[..]).collect();
        assert_eq!(worse, ["b", "gone"]);
        let table = render_changes(&changes);
        assert!(table.contains("+5.1 %") && table.contains("WORSE"), "{table}");
    }

    #[test]
    fn another_machine_has_no_record() {
        let record = Record { qemu: String::new(), documents: vec![document(vec![row("a", 1)])] };
        let new = Document { cpus: 12, ..document(vec![row("a", 100)]) };
        assert_eq!(changes(&record, &new)[0].old, None);
    }
}
