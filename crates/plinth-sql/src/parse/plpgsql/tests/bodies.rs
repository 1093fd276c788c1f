//! Functions as applications have them.

use expect_test::expect_file;

use super::shape::shape;
use crate::ast::{FunctionBody, Statement};
use crate::parse::{plpgsql, script};

/// A script that PostgreSQL takes too.
const SCRIPT: &str = include_str!("bodies.sql");

#[test]
fn bodies_of_applications() {
    let mut shapes = String::new();
    for parsed in script(SCRIPT).unwrap() {
        let Statement::CreateFunction(function) = parsed.statement else {
            continue;
        };
        let FunctionBody::Text(text) = &function.body else {
            panic!("{} has no text", function.name.name);
        };
        let body = plpgsql(text).unwrap_or_else(|error| {
            let near = error.span.map(|span| &text[span.start as usize..]);
            panic!("{}: {error} at {near:?}", function.name.name)
        });
        shapes.push_str(&format!("{}\n{}\n", function.name.name, shape(&body)));
    }
    expect_file!["bodies.txt"].assert_eq(&shapes);
}

#[test]
fn a_body_cut_anywhere_is_only_an_error() {
    for text in SCRIPT.split("$$").skip(1).step_by(2) {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            drop(plpgsql(&text[..end]));
            drop(plpgsql(&text[end..]));
        }
    }
}
