//! The corpora of the fuzzer, as ordinary tests: what once was found stays found.

mod body;

use std::fs;
use std::path::Path;

/// Runs `body` on every file of a corpus.
fn replay(corpus: &str, body: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut count = 0;
    for entry in fs::read_dir(root.join(corpus)).unwrap() {
        body(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus of {corpus} is empty");
}

#[test]
fn the_corpus_of_resp_requests_does_no_harm() {
    replay("resp_request", body::resp_request);
}

#[test]
fn the_corpus_of_resp_replies_does_no_harm() {
    replay("resp_reply", body::resp_reply);
}

#[test]
fn the_corpus_of_native_frames_does_no_harm() {
    replay("native", body::native);
}
