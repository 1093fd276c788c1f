//! `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`.

use super::parser::{PResult, Parser, refused};
use crate::SqlError;
use crate::ast::{
    Assignment, ConflictAction, ConflictTarget, Delete, Expr, Insert, InsertSource, OnConflict,
    Overriding, SelectItem, Truncate, Update, With,
};

impl Parser<'_> {
    pub(super) fn insert(&mut self, with: Option<With>) -> PResult<Insert> {
        self.expect_all(&["insert", "into"])?;
        let table = self.object_name()?;
        let alias = if self.eat("as") {
            Some(self.name()?)
        } else {
            None
        };
        let columns = if self.is_sym("(") && !self.query_in_parens_ahead() {
            self.paren_list(Parser::target_column)?
        } else {
            Vec::new()
        };
        let overriding = self.overriding()?;
        let source = if self.is("default") && columns.is_empty() && overriding.is_none() {
            self.expect_all(&["default", "values"])?;
            InsertSource::Default
        } else {
            InsertSource::Query(Box::new(self.query()?))
        };
        let on_conflict = self.on_conflict()?;
        let returning = self.returning()?;
        Ok(Insert {
            with,
            table,
            alias,
            columns,
            overriding,
            source,
            on_conflict,
            returning,
        })
    }

    /// Whether the parenthesis here begins a query rather than a list of columns.
    fn query_in_parens_ahead(&self) -> bool {
        self.is_sym_at(1, "(")
            || ["select", "with", "table"].contains(&self.word_at(1))
            || (self.word_at(1) == "values" && self.is_sym_at(2, "("))
    }

    fn overriding(&mut self) -> PResult<Option<Overriding>> {
        if !self.eat("overriding") {
            return Ok(None);
        }
        let which = self.expect_any(&["system", "user"])?;
        self.expect("value")?;
        Ok(Some(if which == "system" {
            Overriding::System
        } else {
            Overriding::User
        }))
    }

    /// A column that gets a value; parts of it (`a[1]`, `a.b`) are refused.
    fn target_column(&mut self) -> PResult<String> {
        let start = self.here();
        let name = self.name()?;
        if self.is_sym("[") {
            return Err(refused(
                "assigning to an element of an array",
                self.since(start),
            ));
        }
        if self.is_sym(".") {
            return Err(refused(
                "assigning to a field of a column",
                self.since(start),
            ));
        }
        Ok(name)
    }

    fn on_conflict(&mut self) -> PResult<Option<OnConflict>> {
        if !self.eat("on") {
            return Ok(None);
        }
        self.expect("conflict")?;
        let place = self.here();
        let target = if self.is_sym("(") {
            let keys = self.paren_list(Parser::conflict_key)?;
            let predicate = self.selection()?;
            Some(ConflictTarget::Columns { keys, predicate })
        } else if self.eat("on") {
            self.expect("constraint")?;
            Some(ConflictTarget::Constraint(self.name()?))
        } else {
            None
        };
        self.expect("do")?;
        if self.eat("nothing") {
            return Ok(Some(OnConflict {
                target,
                action: ConflictAction::Nothing,
            }));
        }
        self.expect_all(&["update", "set"])?;
        let assignments = self.comma_list(Parser::assignment)?;
        let selection = self.selection()?;
        if target.is_none() {
            let message =
                "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            let hint = "For example, ON CONFLICT (column_name).";
            return Err(Box::new(SqlError::syntax(message, place).hint(hint)));
        }
        Ok(Some(OnConflict {
            target,
            action: ConflictAction::Update {
                assignments,
                selection,
            },
        }))
    }

    /// A column or expression of an index, without what does not tell indexes apart here.
    fn conflict_key(&mut self) -> PResult<Expr> {
        let key = self.index_key()?;
        if key.operator_class.is_some() {
            return Err(self.refused("an operator class in ON CONFLICT"));
        }
        if key.order.descending || self.last_word() == "asc" {
            let message = "ASC/DESC is not allowed in ON CONFLICT clause";
            return Err(Box::new(SqlError::new("42P10", message).at(self.here())));
        }
        if key.order.nulls_first.is_some() {
            let message = "NULLS FIRST/LAST is not allowed in ON CONFLICT clause";
            return Err(Box::new(SqlError::new("42P10", message).at(self.here())));
        }
        Ok(key.order.expr)
    }

    pub(super) fn update(&mut self, with: Option<With>) -> PResult<Update> {
        self.expect("update")?;
        let table = self.only_name()?;
        let alias = if self.eat("as") || (!self.is("set") && self.is_name_at(0)) {
            Some(self.name()?)
        } else {
            None
        };
        self.expect("set")?;
        let assignments = self.comma_list(Parser::assignment)?;
        let from = if self.eat("from") {
            self.item_list()?
        } else {
            Vec::new()
        };
        let selection = self.selection()?;
        let returning = self.returning()?;
        Ok(Update {
            with,
            table,
            alias,
            assignments,
            from,
            selection,
            returning,
        })
    }

    fn assignment(&mut self) -> PResult<Assignment> {
        let start = self.here();
        if !self.is_sym("(") {
            let column = self.target_column()?;
            self.expect_sym("=")?;
            return Ok(Assignment::Column {
                column,
                value: self.expr()?,
            });
        }
        let columns = self.paren_list(Parser::target_column)?;
        self.expect_sym("=")?;
        let values = match self.expr()? {
            Expr::Scalar(query) => return Ok(Assignment::Query { columns, query }),
            Expr::Row(values) => values,
            _ => {
                let message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
                return Err(Box::new(
                    SqlError::new("0A000", message).at(self.since(start)),
                ));
            }
        };
        if values.len() != columns.len() {
            let message = "number of columns does not match number of values";
            return Err(Box::new(SqlError::syntax(message, self.since(start))));
        }
        Ok(Assignment::Row { columns, values })
    }

    pub(super) fn delete(&mut self, with: Option<With>) -> PResult<Delete> {
        self.expect_all(&["delete", "from"])?;
        let table = self.only_name()?;
        let alias = if self.eat("as") || self.is_name_at(0) {
            Some(self.name()?)
        } else {
            None
        };
        let using = if self.eat("using") {
            self.item_list()?
        } else {
            Vec::new()
        };
        let selection = self.selection()?;
        let returning = self.returning()?;
        Ok(Delete {
            with,
            table,
            alias,
            using,
            selection,
            returning,
        })
    }

    /// `WHERE …`.
    fn selection(&mut self) -> PResult<Option<Expr>> {
        if !self.eat("where") {
            return Ok(None);
        }
        if self.is("current") && self.word_at(1) == "of" {
            return Err(self.refused("WHERE CURRENT OF"));
        }
        self.expr().map(Some)
    }

    fn returning(&mut self) -> PResult<Vec<SelectItem>> {
        if self.eat("returning") {
            self.select_list()
        } else {
            Ok(Vec::new())
        }
    }

    pub(super) fn truncate(&mut self) -> PResult<Truncate> {
        self.expect("truncate")?;
        self.eat("table");
        let tables = self.comma_list(Parser::only_name)?;
        let restart_identity = self.eat("restart");
        if restart_identity || self.eat("continue") {
            self.expect("identity")?;
        }
        let cascade = self.cascade();
        Ok(Truncate {
            tables,
            restart_identity,
            cascade,
        })
    }

    /// `CASCADE` or `RESTRICT`, when written.
    pub(super) fn cascade(&mut self) -> bool {
        self.eat_any(&["cascade", "restrict"]) == Some("cascade")
    }
}
