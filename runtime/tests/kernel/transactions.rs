//! Transactions: their outcomes, in the order of the checks, and what they do to a machine that
//! changes while they are committed.

mod batches;
mod oracle;
mod outcomes;
mod storm;
