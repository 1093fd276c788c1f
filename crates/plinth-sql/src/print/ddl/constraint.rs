//! Constraints, written with a column or with a table.

use crate::ast::{
    ColumnConstraint, ColumnConstraintKind, Deferrable, ForeignKeyAction, References,
    TableConstraint, TableConstraintKind,
};
use crate::print::Printer;

impl Printer {
    pub(super) fn table_constraint(&mut self, constraint: &TableConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            TableConstraintKind::Check(condition) => self.in_parens("CHECK ", Some(condition)),
            TableConstraintKind::Unique {
                columns,
                nulls_not_distinct,
            } => {
                self.text("UNIQUE");
                self.flag(*nulls_not_distinct, " NULLS NOT DISTINCT");
                self.column_list(columns);
            }
            TableConstraintKind::PrimaryKey(columns) => {
                self.text("PRIMARY KEY");
                self.column_list(columns);
            }
            TableConstraintKind::ForeignKey {
                columns,
                references,
            } => {
                self.text("FOREIGN KEY");
                self.column_list(columns);
                self.text(" ");
                self.references(references);
            }
            TableConstraintKind::UsingIndex { index, primary } => {
                self.named(
                    if *primary {
                        "PRIMARY KEY USING INDEX "
                    } else {
                        "UNIQUE USING INDEX "
                    },
                    index,
                );
            }
            TableConstraintKind::Exclude => self.note("EXCLUDE"),
        }
        self.deferrable(constraint.deferrable);
        self.flag(constraint.not_valid, " NOT VALID");
    }

    pub(super) fn column_constraint(&mut self, constraint: &ColumnConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            ColumnConstraintKind::NotNull => self.text("NOT NULL"),
            ColumnConstraintKind::Null => self.text("NULL"),
            ColumnConstraintKind::Default(value) => {
                self.text("DEFAULT ");
                self.operand(value);
            }
            ColumnConstraintKind::Generated(value) => {
                self.in_parens("GENERATED ALWAYS AS ", Some(value));
                self.text(" STORED");
            }
            ColumnConstraintKind::Identity { always, options } => self.identity(*always, options),
            ColumnConstraintKind::Check(condition) => self.in_parens("CHECK ", Some(condition)),
            ColumnConstraintKind::Unique { nulls_not_distinct } => {
                self.text("UNIQUE");
                self.flag(*nulls_not_distinct, " NULLS NOT DISTINCT");
            }
            ColumnConstraintKind::PrimaryKey => self.text("PRIMARY KEY"),
            ColumnConstraintKind::References(references) => self.references(references),
        }
        self.deferrable(constraint.deferrable);
    }

    fn constraint_name(&mut self, name: Option<&String>) {
        if let Some(name) = name {
            self.named("CONSTRAINT ", name);
            self.text(" ");
        }
    }

    fn references(&mut self, references: &References) {
        self.text("REFERENCES ");
        self.name(&references.table);
        self.column_list(&references.columns);
        self.flag(references.match_full, " MATCH FULL");
        self.foreign_key_action(" ON DELETE ", references.on_delete);
        self.column_list(&references.on_delete_columns);
        self.foreign_key_action(" ON UPDATE ", references.on_update);
    }

    fn foreign_key_action(&mut self, event: &str, action: ForeignKeyAction) {
        let word = match action {
            ForeignKeyAction::NoAction => return,
            ForeignKeyAction::Restrict => "RESTRICT",
            ForeignKeyAction::Cascade => "CASCADE",
            ForeignKeyAction::SetNull => "SET NULL",
            ForeignKeyAction::SetDefault => "SET DEFAULT",
        };
        self.text(event);
        self.text(word);
    }

    pub(super) fn deferrable(&mut self, deferrable: Deferrable) {
        match deferrable {
            Deferrable::Not => {}
            Deferrable::InitiallyImmediate => self.text(" DEFERRABLE INITIALLY IMMEDIATE"),
            Deferrable::InitiallyDeferred => self.text(" DEFERRABLE INITIALLY DEFERRED"),
        }
    }
}
