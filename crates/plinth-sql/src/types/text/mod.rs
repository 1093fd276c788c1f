//! Strings: lengths of `varchar(n)` and `char(n)`, case, patterns, and the everyday functions.

mod case;
mod format;
mod functions;
mod length;
mod like;
mod regex;

pub use case::{initcap, lower, upper};
pub use format::{format, quote_ident, quote_literal};
pub use functions::{
    ascii, chr, left, lpad, overlay, repeat, reverse, right, rpad, split_part, strpos, substring,
    translate, trim,
};
pub use length::{Fit, apply_length, compare_bpchar};
pub use like::{escape_character, like_match};
pub use regex::{Piece, Regex, replacement, similar_to_regex, translate_regex};

#[cfg(test)]
mod tests;
