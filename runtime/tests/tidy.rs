//! The house's budgets, over every source file of the repository.
//!
//! They bite where reading begins to hurt: a file that no longer fits a head, a function that no
//! longer fits a screen, a character that does not show what it is. `EXCEPTIONS` is a ratchet: an
//! entry may go, none may come, and one that is no longer needed fails the test too.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, its tests apart.
const FILE_LINES_MAX: usize = 500;

/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What breaks a budget and may go on doing so, as reported.
const EXCEPTIONS: &[&str] = &[];

/// A breach of a budget: the file, and what is wrong with it.
type Breach = String;

#[test]
fn every_file_keeps_to_the_house_s_budgets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = files_under(root);
    assert!(files.iter().any(|file| file.ends_with("tests/tidy.rs")), "the search found nothing");
    let breaches: Vec<Breach> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(root).unwrap().display().to_string();
            let text = fs::read_to_string(file).unwrap();
            breaches(&name, &text)
        })
        .collect();
    let is_excused = |breach: &Breach| EXCEPTIONS.contains(&breach.as_str());
    let new: Vec<_> = breaches.iter().filter(|breach| !is_excused(breach)).collect();
    assert!(new.is_empty(), "{new:#?}");
    let mended: Vec<_> =
        EXCEPTIONS.iter().filter(|entry| !breaches.iter().any(|b| b == *entry)).collect();
    assert!(mended.is_empty(), "no longer needed in EXCEPTIONS: {mended:#?}");
}

/// Source and text files, leaving out what was built or belongs to tools.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let is_ours = !name.starts_with('.') && !name.starts_with("target") && name != "report";
            if is_ours {
                files.extend(files_under(&path));
            }
        } else if is_text(&name) {
            files.push(path);
        }
    }
    files
}

fn is_text(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "rs" | "md" | "toml" | "css" | "html" | "json") || name == "Makefile"
}

fn breaches(name: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    if let Some((index, line)) = text.lines().enumerate().find(|(_, line)| !line.is_ascii()) {
        found.push(format!("{name}:{}: not ASCII: {line}", index + 1));
    }
    if !name.ends_with(".rs") {
        return found;
    }
    if name.ends_with("/mod.rs") {
        found.push(format!("{name}: name the file after its module"));
    }
    for (index, line) in text.lines().enumerate() {
        if line.contains('\t') {
            found.push(format!("{name}:{}: a tab", index + 1));
        }
    }
    let lines = lines_without_tests(name, text);
    if lines > FILE_LINES_MAX {
        found.push(format!("{name}: {lines} lines"));
    }
    for (function, lines) in functions(text) {
        if lines > FUNCTION_LINES_MAX {
            found.push(format!("{name}: fn {function}: {lines} lines"));
        }
    }
    found
}

/// Unit tests stand at the end of a file or in a file of their own.
fn lines_without_tests(name: &str, text: &str) -> usize {
    let is_test = name.contains("/tests/") || name.ends_with("/tests.rs");
    let begins_tests = |line: &str| line.starts_with("#[cfg(") && line.contains("test");
    if is_test { 0 } else { text.lines().take_while(|line| !begins_tests(line)).count() }
}

/// Functions and how many lines each takes. Relies on rustfmt: a function ends at the first line
/// that is a closing brace as far indented as its signature.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let length = |from: usize| {
        // A declaration without a body ends with its signature.
        let ends = |line: &&str| {
            let is_end = matches!(line.trim_start(), "}" | "},") || line.ends_with(';');
            is_end && indent(line) == indent(lines[from])
        };
        let rest = &lines[from..];
        let is_one_line = rest[0].ends_with(';') || rest[0].ends_with('}');
        if is_one_line { 1 } else { 1 + rest.iter().position(ends).unwrap_or(rest.len()) }
    };
    lines
        .iter()
        .enumerate()
        .filter_map(|(from, line)| Some((function_name(line)?, length(from))))
        .collect()
}

/// The name of the function whose signature begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let (qualifiers, rest) = line.trim_start().split_once("fn ")?;
    let is_qualifier = |word: &str| {
        let is_visibility = word.starts_with("pub") || word.ends_with(')');
        is_visibility || matches!(word, "const" | "async" | "unsafe" | "extern" | "\"C\"")
    };
    let is_signature = qualifiers.split_whitespace().all(is_qualifier)
        && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_signature.then(|| rest.split(['(', '<']).next().unwrap_or(rest))
}

#[test]
fn a_breach_of_each_kind_is_seen() {
    let long_function = format!("fn long() {{\n{}}}\n", "    ();\n".repeat(FUNCTION_LINES_MAX));
    let cases = [
        ("a/long.rs", "\n".repeat(FILE_LINES_MAX + 1), "501 lines"),
        ("a/function.rs", long_function, "fn long: 72 lines"),
        ("a/mod.rs", String::new(), "name the file"),
        ("a/tab.rs", "\tlet a = 1;\n".to_owned(), "a tab"),
        ("a/text.md", "caf\u{e9}".to_owned(), "not ASCII"),
    ];
    for (name, text, expected) in cases {
        let found = breaches(name, &text);
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
    }
}

#[test]
fn tests_at_the_end_of_a_file_do_not_count() {
    let tests = "    ();\n".repeat(FILE_LINES_MAX);
    let text = format!("fn short() {{}}\n\n#[cfg(test)]\nmod tests {{\n{tests}}}\n");
    assert_eq!(breaches("a/short.rs", &text), Vec::<Breach>::new());
}
