//! Files that results go to: checked before anything runs, written when all has run.

use std::path::Path;

use revenant_loadgen::destination::Destination;
use serde::Serialize;

use crate::Failure;

/// Where a command was told to leave its results.
#[derive(Debug)]
pub(crate) struct Destinations {
    json: Option<Destination>,
    html: Option<Destination>,
}

impl Destinations {
    /// Checks that both can be written.
    pub(crate) fn new(json: Option<&Path>, html: Option<&Path>) -> Result<Self, Failure> {
        let check = |path: Option<&Path>| path.map(Destination::new).transpose();
        let json = check(json).map_err(Failure::bad_input)?;
        let html = check(html).map_err(Failure::bad_input)?;
        Ok(Self { json, html })
    }

    /// Writes a document, and the report that is made of it, and says where they are.
    pub(crate) fn write<D: Serialize>(
        &self,
        document: &D,
        report: impl FnOnce(&D) -> String,
    ) -> Result<(), Failure> {
        self.write_json(document)?;
        if let Some(html) = &self.html {
            html.write(&report(document)).map_err(Failure::broken)?;
            println!("  report: {}", html.path().display());
        }
        Ok(())
    }

    /// Writes a document of which no report is made.
    pub(crate) fn write_json(&self, document: &impl Serialize) -> Result<(), Failure> {
        if let Some(json) = &self.json {
            let text = serde_json::to_string_pretty(document).map_err(Failure::broken)?;
            json.write(&(text + "\n")).map_err(Failure::broken)?;
            println!("  results: {}", json.path().display());
        }
        Ok(())
    }
}
