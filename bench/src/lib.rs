//! Results of experiments, and what people read of them.
//!
//! # Life of a result
//!
//! A run of one system at one load leaves one [`row::Row`] a class; [`row::median_row`] makes one of
//! several seeds'. All rows, with the [`machine::Machine`] they were measured on and what was asked
//! for, are a [`document::Document`]: the JSON file, described field by field in `docs/results.md`.
//! [`comparison::Comparison`] lays the systems of a load side by side, [`table::render`] shows that
//! to a terminal, [`curve`] draws it and [`html::render`] makes the report.
//!
//! Everything here but [`machine::Machine::read`] is a pure function of a document: a report can be
//! made again from its JSON at any time, on any machine.

pub mod comparison;
pub mod curve;
pub mod document;
pub mod html;
pub mod machine;
pub mod quantity;
pub mod row;
pub mod table;

#[cfg(test)]
mod fixture;
