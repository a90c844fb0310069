//! The frame of a report: one HTML file that needs nothing else.

const STYLE: &str = include_str!("page.css");

/// A page with this title, as text, and this body, as HTML.
#[must_use]
pub fn render(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head><body><main>\n\
         {body}</main></body></html>\n"
    )
}

/// Text as HTML shows it literally.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let page = render("a<b & \"c\"", "<p>body</p>");
        assert!(page.contains("<title>a&lt;b &amp; &quot;c&quot;</title>"), "{page}");
        assert!(page.ends_with("<p>body</p></main></body></html>\n"), "{page}");
    }
}
