//! The corpus of requests to whole servers, as an ordinary test.

mod body;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_commands_does_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/command");
    let mut count = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        body::command(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
