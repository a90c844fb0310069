//! The program under test.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Beside this test in a guest, else where cargo has built it.
pub(crate) fn path() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|test| test.with_file_name("revenant"));
    let beside = beside.filter(|path| path.exists() && std::env::var_os("REVENANT_VM").is_some());
    beside.unwrap_or_else(|| env!("CARGO_BIN_EXE_revenant").into())
}

/// The program, not yet started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it; the line is split at blanks.
pub(crate) fn run(line: &str) -> Said {
    let words: Vec<&str> = line.split_whitespace().collect();
    Said::of(line, command(&words).output().expect("the program starts"))
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    #[expect(dead_code, reason = "for those who read of a failure")]
    line: String,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

impl Said {
    pub(crate) fn of(line: &str, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
        Self {
            line: line.to_owned(),
            out: text(output.stdout),
            err: text(output.stderr),
            code: output.status.code(),
        }
    }

    /// It ended like this.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It refused, with one line that contains these parts, and did nothing.
    #[track_caller]
    pub(crate) fn refused(self, parts: &[&str]) {
        let said = self.ended(2);
        assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:#?}");
        for part in parts {
            assert!(said.err.contains(part), "{part} is missing in {said:#?}");
        }
    }

    /// Standard output as a document.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
