//! Constraints of tables, and what they share with those of columns: references, deferral, index parameters.

use super::parser::{PResult, Parser, refused};
use crate::SqlError;
use crate::ast::{Deferrable, ForeignKeyAction, References, TableConstraint, TableConstraintKind};

impl Parser<'_> {
    pub(super) fn begins_table_constraint(&self) -> bool {
        match self.word() {
            "constraint" | "check" | "unique" | "primary" | "foreign" => true,
            "exclude" => self.is_sym_at(1, "(") || self.word_at(1) == "using",
            "not" => self.word_at(1) == "null",
            _ => false,
        }
    }

    /// `[CONSTRAINT name] …`.
    pub(super) fn table_constraint(&mut self) -> PResult<TableConstraint> {
        let start = self.here();
        let name = if self.eat("constraint") {
            Some(self.name()?)
        } else {
            None
        };
        let kind = match self.word() {
            "check" => {
                self.advance();
                TableConstraintKind::Check(self.expr_in_parens()?)
            }
            "unique" => {
                self.advance();
                if self.eat("using") {
                    self.expect("index")?;
                    TableConstraintKind::UsingIndex {
                        index: self.name()?,
                        primary: false,
                    }
                } else {
                    let nulls_not_distinct = self.nulls_not_distinct()?;
                    let columns = self.columns()?;
                    self.index_parameters()?;
                    TableConstraintKind::Unique {
                        columns,
                        nulls_not_distinct,
                    }
                }
            }
            "primary" => {
                self.expect_all(&["primary", "key"])?;
                if self.eat("using") {
                    self.expect("index")?;
                    TableConstraintKind::UsingIndex {
                        index: self.name()?,
                        primary: true,
                    }
                } else {
                    let columns = self.columns()?;
                    self.index_parameters()?;
                    TableConstraintKind::PrimaryKey(columns)
                }
            }
            "foreign" => {
                self.expect_all(&["foreign", "key"])?;
                let columns = self.columns()?;
                TableConstraintKind::ForeignKey {
                    columns,
                    references: self.references()?,
                }
            }
            "exclude" => {
                self.exclusion()?;
                TableConstraintKind::Exclude
            }
            // PostgreSQL 18.
            "not" => {
                let start = self.here();
                self.expect_all(&["not", "null"])?;
                self.name()?;
                return Err(refused(
                    "NOT NULL of a column as a table constraint",
                    self.since(start),
                ));
            }
            _ => return Err(self.unexpected()),
        };
        let mut constraint = TableConstraint {
            name,
            kind,
            deferrable: Deferrable::Not,
            not_valid: false,
            span: start,
        };
        self.constraint_attributes(&mut constraint)?;
        constraint.span = self.since(start);
        Ok(constraint)
    }

    fn constraint_attributes(&mut self, constraint: &mut TableConstraint) -> PResult<()> {
        loop {
            if self.eat_all(&["not", "valid"]) {
                constraint.not_valid = true;
            } else if self.eat_all(&["no", "inherit"]) {
                // Without inheritance every constraint is one.
            } else if self.begins_deferrable() {
                let place = self.here();
                constraint.deferrable = self.deferrable()?;
                let check = matches!(constraint.kind, TableConstraintKind::Check(_));
                if check && constraint.deferrable != Deferrable::Not {
                    let message = "CHECK constraints cannot be marked DEFERRABLE";
                    return Err(Box::new(SqlError::new("0A000", message).at(place)));
                }
            } else {
                return Ok(());
            }
        }
    }

    /// `EXCLUDE USING gist (…)`: only far enough to go on behind it.
    fn exclusion(&mut self) -> PResult<()> {
        self.expect("exclude")?;
        if self.eat("using") {
            self.name()?;
        }
        self.skip_parens()?;
        self.index_parameters()?;
        if self.eat("where") {
            self.expr_in_parens()?;
        }
        Ok(())
    }

    /// Steps over a pair of parentheses with whatever is within.
    pub(super) fn skip_parens(&mut self) -> PResult<()> {
        self.expect_sym("(")?;
        let mut depth = 1_u32;
        while depth > 0 {
            if self.at_end() {
                return Err(self.unexpected());
            }
            depth += u32::from(self.is_sym("("));
            depth -= u32::from(self.is_sym(")"));
            self.advance();
        }
        Ok(())
    }

    /// `REFERENCES table (columns) MATCH … ON DELETE … ON UPDATE …`.
    pub(super) fn references(&mut self) -> PResult<References> {
        self.expect("references")?;
        let mut references = References {
            table: self.object_name()?,
            columns: self.optional_columns()?,
            on_delete: ForeignKeyAction::NoAction,
            on_delete_columns: Vec::new(),
            on_update: ForeignKeyAction::NoAction,
            match_full: false,
        };
        if self.is("match") {
            let start = self.advance();
            match self.expect_any(&["full", "partial", "simple"])? {
                "full" => references.match_full = true,
                "partial" => {
                    let message = "MATCH PARTIAL not yet implemented";
                    return Err(Box::new(
                        SqlError::new("0A000", message).at(self.since(start)),
                    ));
                }
                _ => {}
            }
        }
        let (mut deletes, mut updates) = (false, false);
        while self.is("on") && ["delete", "update"].contains(&self.word_at(1)) {
            self.advance();
            let delete = self.is("delete");
            if std::mem::replace(if delete { &mut deletes } else { &mut updates }, true) {
                return Err(self.unexpected());
            }
            self.advance();
            let (action, columns) = self.foreign_key_action()?;
            if delete {
                references.on_delete = action;
                references.on_delete_columns = columns;
            } else {
                if !columns.is_empty() {
                    let message =
                        "a column list with SET NULL is only supported for ON DELETE actions";
                    return Err(Box::new(SqlError::new("0A000", message).at(self.here())));
                }
                references.on_update = action;
            }
        }
        Ok(references)
    }

    fn foreign_key_action(&mut self) -> PResult<(ForeignKeyAction, Vec<String>)> {
        let action = match self.expect_any(&["no", "restrict", "cascade", "set"])? {
            "no" => {
                self.expect("action")?;
                ForeignKeyAction::NoAction
            }
            "restrict" => ForeignKeyAction::Restrict,
            "cascade" => ForeignKeyAction::Cascade,
            _ => {
                let null = self.expect_any(&["null", "default"])? == "null";
                let action = if null {
                    ForeignKeyAction::SetNull
                } else {
                    ForeignKeyAction::SetDefault
                };
                return Ok((action, self.optional_columns()?));
            }
        };
        Ok((action, Vec::new()))
    }

    pub(super) fn begins_deferrable(&self) -> bool {
        self.is_any(&["deferrable", "initially"]) || self.is_all(&["not", "deferrable"])
    }

    /// `[NOT] DEFERRABLE [INITIALLY IMMEDIATE | DEFERRED]` in either order.
    pub(super) fn deferrable(&mut self) -> PResult<Deferrable> {
        let start = self.here();
        let (mut deferrable, mut deferred) = (None, None);
        while self.begins_deferrable() {
            let place = self.here();
            let repeated = if self.eat("initially") {
                deferred
                    .replace(self.expect_any(&["deferred", "immediate"])? == "deferred")
                    .is_some()
            } else {
                let not = self.eat("not");
                self.expect("deferrable")?;
                deferrable.replace(!not).is_some()
            };
            if repeated {
                let message = "conflicting constraint properties";
                return Err(Box::new(SqlError::syntax(message, place)));
            }
        }
        match (deferrable, deferred.unwrap_or(false)) {
            (Some(false), true) => {
                let message = "constraint declared INITIALLY DEFERRED must be DEFERRABLE";
                Err(Box::new(SqlError::syntax(message, self.since(start))))
            }
            (_, true) => Ok(Deferrable::InitiallyDeferred),
            (Some(true), false) => Ok(Deferrable::InitiallyImmediate),
            (_, false) => Ok(Deferrable::Not),
        }
    }

    /// `NULLS [NOT] DISTINCT`.
    pub(super) fn nulls_not_distinct(&mut self) -> PResult<bool> {
        if !self.eat("nulls") {
            return Ok(false);
        }
        let not = self.eat("not");
        self.expect("distinct")?;
        Ok(not)
    }

    /// `INCLUDE (…) WITH (…) USING INDEX TABLESPACE …`: how an index is stored, without a meaning here.
    pub(super) fn index_parameters(&mut self) -> PResult<()> {
        if self.eat("include") {
            self.columns()?;
        }
        if self.is("with") && self.is_sym_at(1, "(") {
            self.advance();
            self.options()?;
        }
        if self.eat("using") {
            self.expect_all(&["index", "tablespace"])?;
            self.name()?;
        }
        Ok(())
    }
}
