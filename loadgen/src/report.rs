//! What is shown of results: the document, and everything that is made of it.

pub mod csv;
pub mod document;
pub mod hgrm;
pub mod html;
pub mod row;
pub mod table;

#[cfg(test)]
mod fixture;
