#![no_main]

#[path = "../../server/tests/corpora/config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| config::read(bytes));
