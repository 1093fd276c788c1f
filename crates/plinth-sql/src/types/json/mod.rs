//! `json` and `jsonb`.
//!
//! `json` keeps its text; operators on it hand out slices of that text. `jsonb` is kept as its own normal text (keys
//! ordered by length and bytes, one of each, numbers as `numeric` prints them), so that reading a member of it is a
//! slice too; only changes build a [`Jsonb`] tree.

mod edit;
mod lexer;
mod list;
mod parse;
mod path;
mod scan;
mod string;
mod value;

pub use edit::{
    concat, delete_index, delete_key, delete_keys, delete_path, insert, pretty, set, strip_nulls,
    strip_nulls_text,
};
pub use list::{
    array_length, each, elements, exists, exists_all, exists_any, object_keys, type_of,
};
pub use parse::{normalize, parse, validate};
pub use path::{as_text, element, element_text, member, member_text, path, path_text};
pub use string::{scan_string, write_json_string};
pub use value::{Jsonb, compare, contains};

/// How deep a value may be nested. Recursion of that depth fits well into a stack of 2 MB; Postgres's own limit depends on
/// its stack too.
pub const MAX_DEPTH: usize = 1000;

/// Which of the two types a text is of, where their errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
}

#[cfg(test)]
mod tests;
