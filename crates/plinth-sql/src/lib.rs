//! The Postgres dialect: parser, syntax tree, types and their text forms, catalog, printing.
//!
//! A pure crate: no input or output, no clock, no async. Text in, values out.

pub mod ast;
pub mod catalog;
pub mod error;
pub mod parse;
pub mod print;
pub mod session;
pub mod shape;
pub mod types;

mod serde_text;

pub use error::SqlError;
