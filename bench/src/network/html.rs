//! A comparison as a report: one HTML file that needs nothing else.

use revenant_loadgen::page::{self, escaped};
use revenant_loadgen::quantity::{NONE, amount, time_or_none};
use revenant_loadgen::report::row::RunRow;
use revenant_loadgen::{ALL, Objective};

use super::document::{Document, Entry, latency, latency_of};
use super::{figures, remarks, rows};

/// Makes the report of a document.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut body = heading(document);
    body += &figures::section(document);
    body += &numbers(document);
    body += &method(document);
    body += &all_runs(document);
    body += &format!("<h2>Made by</h2>\n<pre>{}</pre>\n", escaped(&document.command));
    page::render("Revenant: servers compared", &body)
}

fn heading(document: &Document) -> String {
    let mut html = format!(
        "<h1>Servers compared over sockets</h1>\n<p class=\"machine\">{}</p>\n<p>{}</p>\n",
        escaped(&document.machine.to_string()),
        escaped(&remarks::setting(&document.contest)),
    );
    if let Some(interruption) = remarks::interruption(document) {
        html += &format!("<p class=\"warning\">{interruption}</p>\n");
    }
    html
}

/// The table of the terminal, and what it says below.
fn numbers(document: &Document) -> String {
    let rows = rows::of(document);
    let bodies = rows.rows.iter().map(|(server, cells)| {
        let mark = server.and_then(|at| document.entries.get(at)).map(mark).unwrap_or_default();
        row(&mark, cells, rows.words)
    });
    let remarks = document.entries.iter().map(remarks::of);
    let remarks: String =
        remarks.map(|remark| format!("<li>{}</li>\n", escaped(&remark))).collect();
    let table = table(rows.titles, &bodies.collect::<String>(), rows.words);
    format!("<h2>Numbers</h2>\n{table}<h2>Remarks</h2>\n<ul>\n{remarks}</ul>\n")
}

/// The colour of a server before its name.
fn mark(entry: &Entry) -> String {
    format!("<i style=\"background:{}\"></i>", figures::look_of(&entry.contender).css_color())
}

/// A table whose columns of `words` stand to the left, as in the terminal.
fn table(titles: &[&str], rows: &str, words: &[usize]) -> String {
    let titles = cells("th", titles, words);
    format!(
        "<div class=\"scroll\"><table><thead><tr>{titles}</tr></thead>\n<tbody>{rows}</tbody>\
         </table></div>\n"
    )
}

fn row(mark: &str, texts: &[String], words: &[usize]) -> String {
    let (first, others) = texts.split_first().expect("a row has cells");
    let words: Vec<usize> = words.iter().filter_map(|at| at.checked_sub(1)).collect();
    let others = cells("td", others, &words);
    format!("<tr><th>{mark}{}</th>{others}</tr>\n", escaped(first))
}

fn cells(element: &str, texts: &[impl AsRef<str>], words: &[usize]) -> String {
    let cell = |(at, text): (usize, &_)| {
        let style = if words.contains(&at) { " style=\"text-align:left\"" } else { "" };
        format!("<{element}{style}>{}</{element}>", escaped(AsRef::<str>::as_ref(text)))
    };
    texts.iter().enumerate().map(cell).collect()
}

fn method(document: &Document) -> String {
    let question = match &document.contest.objective {
        Some(_) => {
            "<li>A search doubles the rate until the objective is missed, then narrows the bracket; a \
             miss is believed when a second run confirms it, and a run that was INVALID counts as \
             one. Servers were searched one after another. Runs whose percentile is infinite are \
             in no chart.</li>\n"
        }
        None => {
            "<li>Servers took turns, seed by seed. A point of a curve is the median over the runs, \
             whether they were valid or not. A curve ends where less than one request of a run lies \
             beyond, and where requests failed.</li>\n"
        }
    };
    format!(
        "<h2>How to read this</h2>\n<ul>\n\
         <li>Each run started its server afresh, in a process and with a store of its own.</li>\n\
         {question}\
         <li>Latency counts from the <em>intended</em> time of sending, written down before the \
         run; in a closed loop, from when the reply before came. Requests that failed count as \
         infinitely slow.</li>\n\
         <li>A run that is INVALID was not the load that was asked for, or changed on the way: its \
         numbers say little.</li>\n</ul>\n"
    )
}

/// Columns of words in the table of runs: the server, and the verdict.
const RUN_WORDS: [usize; 2] = [0, 5];

/// Every run, and why it was invalid if it was.
fn all_runs(document: &Document) -> String {
    let objective = document.contest.objective.as_ref();
    let percentile = objective.map_or_else(
        || format!("p99 of {ALL}"),
        |objective| format!("p{} of {}", objective.percent(), objective.class),
    );
    let titles = ["server", "asked req/s", "answered req/s", &percentile, "late p99", "verdict"];
    let (mut count, mut rows, mut faults) = (0, String::new(), String::new());
    for entry in &document.entries {
        for run in &entry.runs {
            count += 1;
            rows += &row(&mark(entry), &run_cells(entry, run, objective), &RUN_WORDS);
            if !run.valid {
                faults += &format!("<li>{}</li>\n", escaped(&why_invalid(entry, run)));
            }
        }
    }
    format!(
        "<details><summary>All {count} runs</summary>\n{}<ul>\n{faults}</ul></details>\n",
        table(&titles, &rows, &RUN_WORDS)
    )
}

fn run_cells(entry: &Entry, run: &RunRow, objective: Option<&Objective>) -> Vec<String> {
    let all = run.class(ALL);
    let at_p99 = all.and_then(|class| class.percentile(99.0));
    let us = match objective {
        Some(objective) => figures::objective_us(run, objective),
        None => at_p99.and_then(latency_of),
    };
    vec![
        entry.contender.clone(),
        run.rate_rps.map_or_else(|| NONE.to_owned(), amount),
        all.map_or_else(|| NONE.to_owned(), |class| amount(class.achieved_rps)),
        latency(us),
        time_or_none(at_p99.and_then(|percentile| percentile.lateness_us)),
        verdict(run, us, objective),
    ]
}

/// What a run was worth: an invalid one by the names of what it failed, which are explained below.
fn verdict(run: &RunRow, us: Option<f64>, objective: Option<&Objective>) -> String {
    if !run.valid {
        let faults = run.faults();
        let names: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        return format!("INVALID ({})", names.join(", "));
    }
    let Some(objective) = objective else { return "valid".to_owned() };
    let is_met = us.is_some_and(|us| us * 1e3 <= objective.limit_ns as f64);
    if is_met { "met" } else { "missed" }.to_owned()
}

fn why_invalid(entry: &Entry, run: &RunRow) -> String {
    let rate = run.rate_rps.map_or_else(String::new, |rps| format!(" at {} req/s", amount(rps)));
    format!("{}{rate}, INVALID: {}", entry.contender, run.faults().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{fixture, table};

    #[test]
    fn needs_nothing_from_elsewhere() {
        for page in [render(&fixture::document()), render(&fixture::search())] {
            for outside in ["http", "src=", "<script", "<link", "@import", "url("] {
                assert!(!page.contains(outside), "the page refers to {outside}");
            }
        }
    }

    #[test]
    fn says_what_the_table_of_the_terminal_says() {
        for document in [fixture::document(), fixture::search()] {
            let (page, table) = (render(&document), table::render(&document));
            // The terminal breaks lines, the page escapes.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let table = words(&table);
            for entry in &document.entries {
                let remarks = words(&remarks::of(entry));
                assert!(table.contains(&remarks), "{table}");
                assert!(words(&page).contains(&escaped(&remarks)), "{page}");
            }
            for (_, cells) in rows::of(&document).rows {
                for cell in cells.iter().filter(|cell| !cell.is_empty()) {
                    assert!(table.contains(cell) && page.contains(&escaped(cell)), "{cell}");
                }
            }
            assert!(page.contains("generator on CPU 0, servers on CPU 1"), "{page}");
            assert!(page.contains(&document.command), "{page}");
        }
    }

    #[test]
    fn names_are_shown_literally() {
        let mut document = fixture::document();
        document.entries[0].contender = "<b>bold</b>".into();
        document.command = "a<b & \"c\"".into();
        for run in &mut document.entries[1].runs {
            run.classes[0].class = "<i>class".into();
        }
        fixture::spoil(&mut document.entries[0].runs[0]);
        document.entries.swap(0, 1);
        let page = render(&document);
        assert!(page.contains("&lt;b&gt;bold") && !page.contains("<b>bold"), "{page}");
        assert!(page.contains("&lt;i&gt;class: latency") && !page.contains("<i>class"), "{page}");
        assert!(page.contains("a&lt;b &amp; &quot;c&quot;"), "{page}");
        assert!(page.contains("answered &lt;less&gt;") && !page.contains("<less>"), "{page}");
    }

    #[test]
    fn invalid_runs_are_named_with_their_reason() {
        let mut document = fixture::document();
        let page = render(&document);
        assert!(!page.contains("INVALID (") && !page.contains("INVALID;"), "{page}");
        fixture::spoil(&mut document.entries[2].runs[1]);
        let page = render(&document);
        assert!(page.contains("thread-pool: 1 of 3 runs INVALID; rate: answered"), "{page}");
        assert!(page.contains(">INVALID (rate)</td>"), "{page}");
        assert!(page.contains("thread-pool at 12.0k req/s, INVALID: rate: answered"), "{page}");
    }

    #[test]
    fn runs_of_a_search_met_or_missed() {
        let page = render(&fixture::search());
        for verdict in ["met", "missed", "INVALID (rate)"] {
            assert!(page.contains(&format!(">{verdict}</td>")), "{page}");
        }
    }

    #[test]
    fn partial_results_say_so() {
        let mut document = fixture::document();
        assert!(!render(&document).contains("Interrupted"));
        document.complete = false;
        document.entries[2].runs.clear();
        let page = render(&document);
        assert!(page.contains("Interrupted") && page.contains("thread-pool: not measured"));
        document.entries.clear();
        assert!(render(&document).ends_with("</html>\n"), "an empty document is a page");
    }
}
