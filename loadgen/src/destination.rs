//! A file that results will be written to, checked before anything runs.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A writable file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    path: PathBuf,
}

/// A file that cannot be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}; name a file in a directory that exists and is yours", path.display())]
pub struct Unwritable {
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl Destination {
    /// Checks that the file can be written, and leaves things as they were.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new(path: &Path) -> Result<Self, Unwritable> {
        let existed = path.exists();
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map_err(|source| Unwritable { path: path.to_owned(), source })?;
        if !existed {
            // An empty file would look like results; that it stays is no reason to stop.
            let _ = fs::remove_file(path);
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When it cannot be written after all.
    pub fn write(&self, text: &str) -> Result<(), Unwritable> {
        fs::write(&self.path, text).map_err(|source| Unwritable { path: self.path.clone(), source })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_leaves_no_trace_and_spoils_nothing() {
        let path = std::env::temp_dir().join(format!("revenant-{}.json", std::process::id()));
        let destination = Destination::new(&path).unwrap();
        assert!(!path.exists());
        destination.write("results").unwrap();
        Destination::new(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "results");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_missing_directory_is_told_by_name() {
        let Err(error) = Destination::new(Path::new("/nowhere/at/all.json")) else {
            panic!("there is no such directory");
        };
        assert!(error.to_string().contains("/nowhere/at/all.json"), "{error}");
    }
}
