//! A page of a terminal: tables with few rules, and the lines around them.

use comfy_table::{CellAlignment, LineStyle, Row, Table};

/// Widest line.
pub const COLUMNS_MAX: u16 = 120;

/// An empty table with lines above and below its header, and at its end.
#[must_use]
pub fn ruled(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.style_mut().row_separator = LineStyle::none();
    table.set_header(header);
    table
}

/// Fits a table that has its rows to the page: numbers to the right, columns with `words` to the left.
pub fn fit(table: &mut Table, words: &[usize]) {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if !words.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.set_width(COLUMNS_MAX);
}

/// Takes away what the table library pads every line with, as that copies badly.
#[must_use]
pub fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Breaks an entry at spaces; lines after the first are indented. A single word that is too long, a
/// path, stays whole: cut in two it could not be copied.
#[must_use]
pub fn wrapped(entry: &str) -> String {
    let mut text = String::from(" ");
    let mut used = 1;
    for word in entry.split_whitespace() {
        if used > 3 && used + 1 + word.chars().count() > usize::from(COLUMNS_MAX) {
            text += "\n  ";
            used = 2;
        }
        text.push(' ');
        text += word;
        used += 1 + word.chars().count();
    }
    text + "\n"
}
