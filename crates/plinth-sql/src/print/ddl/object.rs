//! What works on objects of every kind: `DROP` and `COMMENT ON`.

use crate::ast::{Comment, Drop, ObjectKind, TypeName};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn drop(&mut self, drop: &Drop) {
        self.text("DROP ");
        self.text(kind_name(drop.object));
        self.text(" ");
        self.flag(drop.if_exists, "IF EXISTS ");
        for (place, name) in drop.names.iter().enumerate() {
            self.flag(place > 0, ", ");
            self.name(name);
            self.signature(drop.arguments.get(place).and_then(Option::as_deref));
        }
        if let Some(table) = &drop.table {
            self.text(" ON ");
            self.name(table);
        }
        self.flag(drop.cascade, " CASCADE");
    }

    pub(in crate::print) fn comment_on(&mut self, comment: &Comment) {
        self.text("COMMENT ON ");
        self.text(kind_name(comment.object));
        self.text(" ");
        self.name(&comment.name);
        if let Some(column) = &comment.column {
            self.named(".", column);
        }
        if let Some(table) = &comment.table {
            self.text(" ON ");
            self.name(table);
        }
        self.text(" IS ");
        match &comment.text {
            Some(text) => self.literal(text),
            None => self.text("NULL"),
        }
    }

    /// A function's argument types, when written.
    pub(super) fn signature(&mut self, types: Option<&[TypeName]>) {
        if let Some(types) = types {
            self.parens(types, Printer::type_name);
        }
    }
}

/// As Postgres names it.
pub(super) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "TABLE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Index => "INDEX",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Policy => "POLICY",
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Role => "ROLE",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Column => "COLUMN",
        ObjectKind::Constraint => "CONSTRAINT",
        ObjectKind::Database => "DATABASE",
        ObjectKind::Publication => "PUBLICATION",
    }
}
