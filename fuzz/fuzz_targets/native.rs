#![no_main]

#[path = "../../server/wire/tests/corpora/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::native(bytes));
