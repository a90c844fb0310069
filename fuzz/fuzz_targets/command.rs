#![no_main]

#[path = "../../server/tests/corpora/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::command(bytes));
