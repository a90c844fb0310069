//! revenant-bench.
fn main() {}
