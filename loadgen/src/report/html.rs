//! (soon)
use super::document::Document;
/// The report.
#[must_use]
pub fn render(_: &Document) -> String {
    String::new()
}
