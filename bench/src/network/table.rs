//! A comparison as a table for terminals.

use revenant_loadgen::sheet::{fit, ruled, trimmed, wrapped};

use super::document::Document;
use super::{remarks, rows};

/// Who was compared on what, a row a contender and class, and what must be known to read it.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut text = wrapped(&document.machine.to_string());
    text += &wrapped(&remarks::setting(&document.contest));
    if let Some(interruption) = remarks::interruption(document) {
        text += &wrapped(interruption);
    }
    text.push('\n');
    let rows = rows::of(document);
    let mut table = ruled(rows.titles.to_vec());
    for (_, cells) in rows.rows {
        table.add_row(cells);
    }
    fit(&mut table, rows.words);
    text += &table.to_string();
    text.push('\n');
    for entry in &document.entries {
        text += &wrapped(&remarks::of(entry));
    }
    trimmed(&text)
}
