//! `FROM`: tables, subqueries, functions, joins and the parentheses around all of them.

use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{Call, Expr, FromItem, JoinKind, JoinOn, ObjectName, Query, SetExpr, TableAlias};

/// What stands between parentheses in `FROM`.
enum Paren {
    Query(Query),
    Item(FromItem),
}

impl Parser<'_> {
    /// `a, b JOIN c ON …`.
    pub(super) fn item_list(&mut self) -> PResult<Vec<FromItem>> {
        self.comma_list(Parser::joined_item)
    }

    /// A table without anything: `TABLE t`.
    pub(super) fn plain_table(&mut self) -> PResult<FromItem> {
        Ok(FromItem::Table {
            name: self.only_name()?,
            alias: None,
        })
    }

    /// `[ONLY] name [*]`: without inheritance all of them are the table.
    pub(super) fn only_name(&mut self) -> PResult<ObjectName> {
        if self.eat("only") {
            if self.eat_sym("(") {
                let name = self.object_name()?;
                self.expect_sym(")")?;
                return Ok(name);
            }
            return self.object_name();
        }
        let name = self.object_name()?;
        self.eat_sym("*");
        Ok(name)
    }

    fn joined_item(&mut self) -> PResult<FromItem> {
        let level = self.enter()?;
        let first = self.single_item()?;
        let item = self.joins(first)?;
        self.leave(level)?;
        Ok(item)
    }

    fn joins(&mut self, mut left: FromItem) -> PResult<FromItem> {
        while self.is_join() {
            left = self.join(left)?;
            self.grow(1)?;
        }
        Ok(left)
    }

    fn is_join(&self) -> bool {
        self.is_any(&["join", "inner", "left", "right", "full", "cross", "natural"])
    }

    /// One join behind `left`.
    fn join(&mut self, left: FromItem) -> PResult<FromItem> {
        let left = Box::new(left);
        if self.eat("cross") {
            self.expect("join")?;
            let right = Box::new(self.single_item()?);
            return Ok(FromItem::Join {
                left,
                right,
                kind: JoinKind::Cross,
                on: JoinOn::None,
            });
        }
        let natural = self.eat("natural");
        let kind = match self.eat_any(&["inner", "left", "right", "full"]) {
            Some("left") => JoinKind::Left,
            Some("right") => JoinKind::Right,
            Some("full") => JoinKind::Full,
            _ => JoinKind::Inner,
        };
        if kind != JoinKind::Inner {
            self.eat("outer");
        }
        self.expect("join")?;
        let mut right = self.single_item()?;
        if natural {
            return Ok(FromItem::Join {
                left,
                right: Box::new(right),
                kind,
                on: JoinOn::Natural,
            });
        }
        // `a JOIN b JOIN c ON … ON …`: the inner condition comes first.
        if self.is_join() {
            let level = self.enter()?;
            while self.is_join() {
                right = self.join(right)?;
                self.grow(1)?;
            }
            self.leave(level)?;
        }
        let on = if self.eat("on") {
            JoinOn::On(self.expr()?)
        } else {
            self.expect("using")?;
            let columns = self.columns()?;
            if self.is("as") {
                return Err(self.refused("an alias for JOIN USING"));
            }
            JoinOn::Using(columns)
        };
        Ok(FromItem::Join {
            left,
            right: Box::new(right),
            kind,
            on,
        })
    }

    fn single_item(&mut self) -> PResult<FromItem> {
        let lateral = self.eat("lateral");
        if self.is_sym("(") {
            let start = self.here();
            let item = match self.paren_item()? {
                Paren::Query(query) => self.subquery(query, lateral, start)?,
                Paren::Item(_) if lateral => return Err(self.unexpected()),
                Paren::Item(item) => self.without_alias(item)?,
            };
            return Ok(item);
        }
        if self.is("rows") && self.word_at(1) == "from" && self.is_sym_at(2, "(") {
            return Err(self.refused("ROWS FROM"));
        }
        if let Some(call) = self.table_function()? {
            let ordinality = self.eat_all(&["with", "ordinality"]);
            let alias = self.table_alias(true)?;
            return Ok(FromItem::Function {
                lateral,
                call,
                ordinality,
                alias,
            });
        }
        if lateral {
            return Err(self.unexpected());
        }
        if self.is_function_name_at(0) && !self.is_name_at(0) {
            // Only a call could have begun with this word.
            return Err(self.unexpected_at(1));
        }
        let name = self.only_name()?;
        let alias = self.table_alias(false)?;
        if self.is("tablesample") {
            return Err(self.refused("TABLESAMPLE"));
        }
        Ok(FromItem::Table { name, alias })
    }

    fn without_alias(&self, join: FromItem) -> PResult<FromItem> {
        if self.is("as") || self.is_name_at(0) {
            return Err(self.refused("an alias for a join in parentheses"));
        }
        Ok(join)
    }

    fn subquery(
        &mut self,
        query: Query,
        lateral: bool,
        start: crate::ast::Span,
    ) -> PResult<FromItem> {
        let alias = self.table_alias(false)?;
        if alias.is_none() {
            let (what, example) = match query.body {
                SetExpr::Values(_) => ("VALUES", "VALUES"),
                _ => ("subquery", "SELECT"),
            };
            let error = SqlError::syntax(
                format!("{what} in FROM must have an alias"),
                self.since(start),
            );
            return Err(Box::new(
                error.hint(format!("For example, FROM ({example} ...) [AS] foo.")),
            ));
        }
        Ok(FromItem::Subquery {
            lateral,
            query: Box::new(query),
            alias,
        })
    }

    /// `( … )` in `FROM`: a query or a join.
    fn paren_item(&mut self) -> PResult<Paren> {
        let level = self.enter()?;
        let start = self.expect_sym("(")?;
        let found = if self.starts_query() {
            Paren::Query(self.query()?)
        } else if self.is_sym("(") {
            match self.paren_item()? {
                Paren::Query(query) if self.is_sym(")") => Paren::Query(query),
                Paren::Query(query) if self.continues_query() => {
                    Paren::Query(self.query_after(query)?)
                }
                Paren::Query(query) => {
                    let first = self.subquery(query, false, start)?;
                    Paren::Item(self.joins(first)?)
                }
                Paren::Item(first) => {
                    let first = self.without_alias(first)?;
                    Paren::Item(self.joins(first)?)
                }
            }
        } else {
            Paren::Item(self.joined_item()?)
        };
        // Only joins may stand in parentheses, not a single table.
        if matches!(&found, Paren::Item(item) if !matches!(item, FromItem::Join { .. })) {
            return Err(self.unexpected());
        }
        self.expect_sym(")")?;
        self.leave(level)?;
        Ok(found)
    }

    /// A function call, when one stands here.
    fn table_function(&mut self) -> PResult<Option<Call>> {
        let call_ahead = {
            let mut ahead = 1;
            while self.is_sym_at(ahead, ".") {
                ahead += 2;
            }
            self.is_sym_at(ahead, "(") && (ahead > 1 || self.is_function_name_at(0))
        };
        if call_ahead {
            let start = self.here();
            let first = self.label()?;
            let name = self.rest_of_name(first, start)?;
            return self.plain_arguments(name).map(Some);
        }
        // Words that are calls by themselves, or with a syntax of their own: `FROM current_date`, `FROM coalesce(…)`.
        if self.is("xmltable") && self.is_sym_at(1, "(") {
            return Err(self.refused("XMLTABLE"));
        }
        if self.is("cast") && self.is_sym_at(1, "(") {
            return Err(self.refused("CAST in FROM"));
        }
        match self.special_function()? {
            Some(Expr::Call(call)) => Ok(Some(*call)),
            _ => Ok(None),
        }
    }

    /// `[AS] name [(columns)]`; functions may define their columns there.
    fn table_alias(&mut self, function: bool) -> PResult<Option<TableAlias>> {
        let written = self.eat("as");
        if function && written && self.is_sym("(") {
            let column_types = self.paren_list(Parser::column_definition)?;
            return Ok(Some(TableAlias {
                column_types,
                ..TableAlias::default()
            }));
        }
        if !written && !self.is_name_at(0) {
            return Ok(None);
        }
        let mut alias = TableAlias {
            name: self.name()?,
            ..TableAlias::default()
        };
        if self.is_sym("(") {
            let names_only = self.is_sym_at(2, ",") || self.is_sym_at(2, ")");
            if !function || names_only {
                alias.columns = self.columns()?;
            } else {
                alias.column_types = self.paren_list(Parser::column_definition)?;
            }
        }
        Ok(Some(alias))
    }

    fn column_definition(&mut self) -> PResult<(String, crate::ast::TypeName)> {
        let name = self.name()?;
        let ty = self.type_name()?;
        if self.is("collate") {
            return Err(self.refused("COLLATE in a column definition list"));
        }
        Ok((name, ty))
    }
}

/// A query that renames the columns of another: `SELECT * FROM (query) AS name(columns)`.
pub(super) fn renamed(query: Query, name: &str, columns: Vec<String>) -> Query {
    let alias = Some(TableAlias {
        name: name.to_owned(),
        columns,
        column_types: Vec::new(),
    });
    Query::select(crate::ast::Select {
        projection: vec![crate::ast::SelectItem::Wildcard],
        from: vec![FromItem::Subquery {
            lateral: false,
            query: Box::new(query),
            alias,
        }],
        ..crate::ast::Select::default()
    })
}
