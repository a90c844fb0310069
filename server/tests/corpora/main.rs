//! The corpora of requests to whole servers and of configuration files, as ordinary tests.

mod body;
mod config;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_commands_does_no_harm() {
    replay("command", body::command);
}

#[test]
fn the_corpus_of_configurations_does_no_harm() {
    replay("config", config::read);
}

fn replay(name: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut count = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        body(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
}
