//! Names, constants and types.

use super::Printer;
use crate::ast::{ObjectName, TypeName};
use crate::types::text::quote_literal;

/// An identifier, quoted unless it is a plain lower-case word that no keyword claims.
pub fn ident(name: &str) -> String {
    if is_plain(name) && KEYWORDS.binary_search(&name).is_err() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant that means the same whatever `standard_conforming_strings` is. A server reads a whole message by what
/// that was before the message came, and a function or another client of a pooler may have left it off.
pub fn literal(text: &str) -> String {
    quote_literal(text)
}

/// Whether the text is one lower-case word, as an unquoted identifier would be folded.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'$')
}

impl Printer {
    pub(super) fn ident(&mut self, name: &str) {
        self.text(&ident(name));
    }

    pub(super) fn literal(&mut self, text: &str) {
        self.text(&literal(text));
    }

    pub(super) fn idents(&mut self, names: &[String]) {
        self.list(names, |p, name| p.ident(name));
    }

    /// ` (a, b)`, or nothing when there are none.
    pub(super) fn column_list(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.text(" (");
            self.idents(names);
            self.text(")");
        }
    }

    pub(super) fn name(&mut self, name: &ObjectName) {
        if let Some(schema) = &name.schema {
            self.ident(schema);
            self.text(".");
        }
        self.ident(&name.name);
    }

    /// Parts of one name, between dots.
    pub(super) fn path(&mut self, parts: &[String]) {
        for (place, part) in parts.iter().enumerate() {
            self.flag(place > 0, ".");
            self.ident(part);
        }
    }

    /// A variable's or option's name, whose dots separate its parts.
    pub(super) fn dotted(&mut self, name: &str) {
        for (place, part) in name.split('.').enumerate() {
            self.flag(place > 0, ".");
            // `ALL` and `ROLE` are words of the syntax here, not names.
            if part == "all" {
                self.text("ALL");
            } else {
                self.ident(part);
            }
        }
    }

    /// A role; the words for the caller are syntax, and quoting would make them ordinary names.
    pub(super) fn role_name(&mut self, name: &str) {
        match name {
            "current_user" | "current_role" | "session_user" => self.text(name),
            _ => self.ident(name),
        }
    }

    pub(super) fn role_names(&mut self, names: &[String]) {
        self.list(names, |p, name| p.role_name(name));
    }

    pub(super) fn type_name(&mut self, ty: &TypeName) {
        match (&ty.name.schema, ty.name.name.as_str()) {
            // Keywords that name types: in quotes they would be looked up as ordinary names, or refuse a modifier.
            (None, bare @ ("bit" | "interval" | "numeric" | "time" | "timestamp" | "varchar")) => {
                self.text(bare);
            }
            // The one-byte type; without quotes the word means `character(1)`.
            (None, "char") => self.text("\"char\""),
            _ => self.name(&ty.name),
        }
        if let Some(column) = &ty.percent_column {
            self.text(".");
            self.ident(column);
            self.text("%TYPE");
        }
        if !ty.modifiers.is_empty() {
            self.parens(&ty.modifiers, |p, modifier| p.text(&modifier.to_string()));
        }
        for _ in 0..ty.array_dimensions {
            self.text("[]");
        }
    }

    /// The text of a function or `DO` block.
    pub(super) fn body(&mut self, body: &str) {
        if body.contains('$') {
            return self.literal(body);
        }
        self.text("$$");
        self.text(body);
        self.text("$$");
    }
}

/// Words that are not plain names everywhere a name may stand: Postgres's reserved words, and those it
/// reserves for functions, types or columns. Sorted.
const KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "over",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "set",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "within",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn names_are_quoted_when_they_must_be() {
        assert_eq!(ident("orders"), "orders");
        assert_eq!(ident("Orders"), "\"Orders\"");
        assert_eq!(ident("user"), "\"user\"");
        assert_eq!(ident("a b"), "\"a b\"");
        assert_eq!(ident("1a"), "\"1a\"");
        assert_eq!(ident("o\"k"), "\"o\"\"k\"");
        assert_eq!(literal("it's here"), "'it''s here'");
        assert_eq!(literal("it's \\ here"), r"E'it''s \\ here'");
    }
}
