//! Where results go: checked before anything runs, written when all has run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use revenant_loadgen::Measured;
use revenant_loadgen::destination::{Destination, Unwritable};
use revenant_loadgen::quantity::amount;
use revenant_loadgen::report::document::Document;
use revenant_loadgen::report::row::RunRow;
use revenant_loadgen::report::{csv, hgrm, html, table};

use crate::cli::ResultOptions;
use crate::terminal;

/// Everything that is to be written.
#[derive(Debug)]
pub(crate) struct Destinations {
    json: Option<Destination>,
    csv: Option<Destination>,
    html: Option<Destination>,
    hgrm: Option<PathBuf>,
}

impl Destinations {
    /// Checks that all can be written.
    pub(crate) fn new(options: &ResultOptions) -> Result<Self, anyhow::Error> {
        let file = |path: &Option<PathBuf>| -> Result<Option<Destination>, Unwritable> {
            path.as_deref().map(Destination::new).transpose()
        };
        if let Some(folder) = &options.hgrm {
            fs::create_dir_all(folder).map_err(|source| {
                anyhow!("cannot make the folder {}: {source}", folder.display())
            })?;
        }
        Ok(Self {
            json: file(&options.json)?,
            csv: file(&options.csv)?,
            html: file(&options.html)?,
            hgrm: options.hgrm.clone(),
        })
    }

    /// Writes the distributions of one run, as soon as there are any.
    pub(crate) fn write_run(
        &self,
        index: usize,
        row: &RunRow,
        measured: &Measured,
    ) -> Result<(), anyhow::Error> {
        let Some(folder) = &self.hgrm else { return Ok(()) };
        let all = measured.all();
        let names = row.classes.iter().map(|class| class.class.as_str());
        for (name, tally) in names.zip(measured.classes.iter().chain([&all])) {
            let rate = row.rate_rps.map_or_else(String::new, |rate| format!("-{}", amount(rate)));
            let file = folder.join(format!("{:03}{rate}-{}.hgrm", index + 1, file_name(name)));
            write_file(&file, &hgrm::render(&tally.latencies()))?;
        }
        Ok(())
    }

    /// Shows the table, and writes the files.
    pub(crate) fn write(&self, document: &Document) -> Result<(), anyhow::Error> {
        terminal::show(&table::render(document));
        if let Some(json) = &self.json {
            let text = serde_json::to_string_pretty(document).context("results as JSON")?;
            json.write(&(text + "\n"))?;
        }
        if let Some(csv) = &self.csv {
            csv.write(&csv::render(document))?;
        }
        if let Some(html) = &self.html {
            html.write(&html::render(document))?;
        }
        Ok(())
    }
}

fn write_file(path: &Path, text: &str) -> Result<(), anyhow::Error> {
    fs::write(path, text).map_err(|source| anyhow!("cannot write {}: {source}", path.display()))
}

/// Letters, digits and dashes of a class; all others would surprise a shell.
fn file_name(class: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    class.chars().map(plain).collect()
}
