//! Queries: `WITH`, set operations, `SELECT` and its clauses.

use super::expr::BEHIND_COLUMNS;
use super::keywords;
use super::lexer::Tok;
use super::parser::{PResult, Parser, refused};
use crate::SqlError;
use crate::ast::{
    Cte, Distinct, Expr, GroupBy, Locking, Query, Select, SelectItem, SetExpr, SetOperator,
    Statement, With,
};

impl Parser<'_> {
    /// Whether a query begins here, a parenthesis apart.
    pub(super) fn starts_query(&self) -> bool {
        self.starts_query_at(0)
    }

    pub(super) fn starts_query_at(&self, ahead: usize) -> bool {
        match self.word_at(ahead) {
            "select" | "with" | "table" => true,
            "values" => self.is_sym_at(ahead + 1, "("),
            _ => false,
        }
    }

    /// Whether what stands here goes on with a query that was in parentheses.
    pub(super) fn continues_query(&self) -> bool {
        self.is_any(&[
            "union",
            "intersect",
            "except",
            "order",
            "limit",
            "offset",
            "fetch",
            "for",
        ])
    }

    /// A whole query.
    pub(super) fn query(&mut self) -> PResult<Query> {
        let level = self.enter()?;
        let with = self.with()?;
        let query = self.query_body(with)?;
        self.leave(level)?;
        Ok(query)
    }

    /// A query without its `WITH`, which was read.
    pub(super) fn query_body(&mut self, with: Option<With>) -> PResult<Query> {
        let first = self.set_operand()?;
        let body = self.set_operations(first, 0)?;
        let query = self.query_clauses(body)?;
        merge_with(with, query, self)
    }

    /// What follows a query that was in parentheses and is itself part of a larger one.
    pub(super) fn query_after(&mut self, first: Query) -> PResult<Query> {
        let body = self.set_operations(set_body(first), 0)?;
        self.query_clauses(body)
    }

    /// `WITH [RECURSIVE] …` when it stands here.
    pub(super) fn with(&mut self) -> PResult<Option<With>> {
        if !self.eat("with") {
            return Ok(None);
        }
        // It may also be the name of the first one.
        let named_so = self.is_sym_at(1, "(") || self.word_at(1) == "as";
        let recursive = !named_so && self.eat("recursive");
        let ctes = self.comma_list(Parser::cte)?;
        Ok(Some(With { recursive, ctes }))
    }

    fn cte(&mut self) -> PResult<Cte> {
        let name = self.name()?;
        let columns = self.optional_columns()?;
        self.expect("as")?;
        let materialized = if self.eat("materialized") {
            Some(true)
        } else if self.is("not") {
            self.expect_all(&["not", "materialized"])?;
            Some(false)
        } else {
            None
        };
        self.expect_sym("(")?;
        let body = Box::new(self.row_statement()?);
        self.expect_sym(")")?;
        if self.is("search") || self.is("cycle") {
            let what = format!("{} in WITH", self.word().to_ascii_uppercase());
            return Err(self.refused(&what));
        }
        Ok(Cte {
            name,
            columns,
            materialized,
            body,
        })
    }

    /// A query, `INSERT`, `UPDATE` or `DELETE`, with a `WITH` of its own.
    pub(super) fn row_statement(&mut self) -> PResult<Statement> {
        let level = self.enter()?;
        let with = self.with()?;
        let statement = match self.word() {
            "insert" => Statement::Insert(Box::new(self.insert(with)?)),
            "update" => Statement::Update(Box::new(self.update(with)?)),
            "delete" => Statement::Delete(Box::new(self.delete(with)?)),
            "merge" => return Err(self.refused("MERGE")),
            _ => Statement::Query(Box::new(self.query_body(with)?)),
        };
        self.leave(level)?;
        Ok(statement)
    }

    /// `UNION` and `EXCEPT` are level 0, `INTERSECT` is 1.
    fn set_operations(&mut self, mut left: SetExpr, min: u8) -> PResult<SetExpr> {
        loop {
            let (op, level) = match self.word() {
                "union" => (SetOperator::Union, 0),
                "except" => (SetOperator::Except, 0),
                "intersect" => (SetOperator::Intersect, 1),
                _ => return Ok(left),
            };
            if level < min {
                return Ok(left);
            }
            self.advance();
            let all = self.eat("all");
            if !all {
                self.eat("distinct");
            }
            let operand = self.set_operand()?;
            let right = self.set_operations(operand, level + 1)?;
            left = SetExpr::SetOp {
                op,
                all,
                left: Box::new(left),
                right: Box::new(right),
            };
            self.grow(1)?;
        }
    }

    fn set_operand(&mut self) -> PResult<SetExpr> {
        match self.word() {
            "select" => Ok(SetExpr::Select(Box::new(self.select()?))),
            "values" => {
                self.advance();
                let rows = self.comma_list(|parser| parser.paren_list(Parser::expr))?;
                Ok(SetExpr::Values(rows))
            }
            "table" => {
                self.advance();
                let select = Select {
                    projection: vec![SelectItem::Wildcard],
                    from: vec![self.plain_table()?],
                    ..Select::default()
                };
                Ok(SetExpr::Select(Box::new(select)))
            }
            _ if self.is_sym("(") => {
                self.expect_sym("(")?;
                let query = self.query()?;
                self.expect_sym(")")?;
                Ok(set_body(query))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `ORDER BY`, `LIMIT`, `OFFSET`, `FETCH`, `FOR` behind a body.
    fn query_clauses(&mut self, body: SetExpr) -> PResult<Query> {
        // `(SELECT … ORDER BY a) LIMIT 1` is one query to Postgres, clauses from both places.
        let mut query = match body {
            SetExpr::Query(inner) => *inner,
            body => Query {
                with: None,
                body,
                order_by: Vec::new(),
                limit: None,
                offset: None,
                locking: Vec::new(),
            },
        };
        if self.is("order") {
            if !query.order_by.is_empty() {
                return Err(self.repeated("ORDER BY"));
            }
            query.order_by = self.order_by()?;
        }
        let (mut limited, mut offset) = (false, false);
        loop {
            match self.word() {
                "limit" | "fetch" if !limited => {
                    if query.limit.is_some() {
                        return Err(self.repeated("LIMIT"));
                    }
                    limited = true;
                    query.limit = if self.is("limit") {
                        self.limit()?
                    } else {
                        Some(self.fetch_first()?)
                    };
                }
                "offset" if !offset => {
                    if query.offset.is_some() {
                        return Err(self.repeated("OFFSET"));
                    }
                    offset = true;
                    self.advance();
                    query.offset = Some(self.expr()?);
                    self.eat_any(&["row", "rows"]);
                }
                "for" if self.word_at(1) == "read" => self.expect_all(&["for", "read", "only"])?,
                "for" => {
                    let clause = self.locking()?;
                    query.locking.push(clause);
                }
                _ => return Ok(query),
            }
        }
    }

    fn repeated(&self, clause: &str) -> Box<SqlError> {
        Box::new(SqlError::syntax(
            format!("multiple {clause} clauses not allowed"),
            self.here(),
        ))
    }

    fn limit(&mut self) -> PResult<Option<Expr>> {
        let start = self.expect("limit")?;
        let limit = if self.eat("all") {
            None
        } else {
            Some(self.expr()?)
        };
        if self.is_sym(",") {
            let error = SqlError::syntax("LIMIT #,# syntax is not supported", self.since(start));
            return Err(Box::new(
                error.hint("Use separate LIMIT and OFFSET clauses."),
            ));
        }
        Ok(limit)
    }

    fn fetch_first(&mut self) -> PResult<Expr> {
        let start = self.expect("fetch")?;
        self.expect_any(&["first", "next"])?;
        let count = if self.is_any(&["row", "rows"]) {
            Expr::Number("1".to_owned())
        } else {
            self.fetch_count()?
        };
        self.expect_any(&["row", "rows"])?;
        if self.eat("with") {
            self.expect("ties")?;
            return Err(refused("FETCH FIRST WITH TIES", self.since(start)));
        }
        self.expect("only")?;
        Ok(count)
    }

    fn fetch_count(&mut self) -> PResult<Expr> {
        if self.is_sym("+") || self.is_sym("-") {
            let op = if self.is_sym("-") { "-" } else { "+" };
            let span = self.advance();
            return Ok(Expr::Unary {
                op: op.to_owned(),
                expr: Box::new(self.primary()?),
                span,
            });
        }
        self.primary()
    }

    /// `FOR UPDATE OF t SKIP LOCKED`.
    fn locking(&mut self) -> PResult<Locking> {
        self.expect("for")?;
        let strength: &[&'static str] = match self.word() {
            "no" => &["no", "key", "update"],
            "key" => &["key", "share"],
            "share" => &["share"],
            _ => &["update"],
        };
        self.expect_all(strength)?;
        let of = if self.eat("of") {
            self.comma_list(Parser::object_name)?
        } else {
            Vec::new()
        };
        let wait = if self.eat("nowait") {
            Some("nowait".to_owned())
        } else if self.eat("skip") {
            self.expect("locked")?;
            Some("skip locked".to_owned())
        } else {
            None
        };
        Ok(Locking {
            strength: strength.join(" "),
            of,
            wait,
        })
    }

    fn select(&mut self) -> PResult<Select> {
        self.expect("select")?;
        let mut select = Select::default();
        if self.eat("distinct") {
            select.distinct = Some(if self.eat("on") {
                Distinct::On(self.paren_list(Parser::expr)?)
            } else {
                Distinct::All
            });
        } else {
            self.eat("all");
        }
        if !self.ends_select_list() || select.distinct.is_some() {
            select.projection = self.select_list()?;
        }
        if self.is("into") {
            let hint = "Use CREATE TABLE … AS SELECT …, or a common table expression.";
            return Err(Box::new(
                SqlError::unsupported("SELECT INTO")
                    .at(self.here())
                    .hint(hint),
            ));
        }
        if self.eat("from") {
            select.from = self.item_list()?;
        }
        if self.eat("where") {
            select.selection = Some(self.expr()?);
        }
        if self.is("group") {
            self.expect_all(&["group", "by"])?;
            if self.is("distinct") {
                return Err(self.refused("GROUP BY DISTINCT"));
            }
            self.eat("all");
            select.group_by = self.comma_list(Parser::group_by)?;
        }
        if self.eat("having") {
            select.having = Some(self.expr()?);
        }
        if self.eat("window") {
            select.windows = self.comma_list(|parser| {
                let name = parser.name()?;
                parser.expect("as")?;
                Ok((name, parser.window_spec()?))
            })?;
        }
        Ok(select)
    }

    /// Whether a select list could not begin here: it may be empty.
    fn ends_select_list(&self) -> bool {
        self.at_end() || self.is_sym(")") || self.is_any(&BEHIND_COLUMNS)
    }

    /// `a, b AS c, t.*`.
    pub(super) fn select_list(&mut self) -> PResult<Vec<SelectItem>> {
        self.comma_list(Parser::select_item)
    }

    fn select_item(&mut self) -> PResult<SelectItem> {
        if self.eat_sym("*") {
            return Ok(SelectItem::Wildcard);
        }
        let expr = self.column_expr()?;
        let alias = match self.tok_at(0) {
            Tok::Word(word) if word == "as" => {
                self.advance();
                Some(self.label()?)
            }
            Tok::Word(word) if keywords::may_be_bare_label(word) => Some(self.label()?),
            Tok::Quoted(_) => Some(self.label()?),
            _ => None,
        };
        Ok(match (expr, alias) {
            (Expr::Wildcard(qualifier), None) => SelectItem::QualifiedWildcard(qualifier.parts),
            (expr, alias) => SelectItem::Expr { expr, alias },
        })
    }

    fn group_by(&mut self) -> PResult<GroupBy> {
        if self.is_sym("(") && self.is_sym_at(1, ")") {
            self.advance();
            self.advance();
            return Ok(GroupBy::Empty);
        }
        if self.is_all(&["grouping", "sets"]) {
            let level = self.enter()?;
            self.expect_all(&["grouping", "sets"])?;
            let sets = self.paren_list(Parser::group_by)?;
            self.leave(level)?;
            return Ok(GroupBy::Sets(sets));
        }
        if self.is_sym_at(1, "(") {
            if self.eat("rollup") {
                return Ok(GroupBy::Rollup(self.paren_list(Parser::expr)?));
            }
            if self.eat("cube") {
                return Ok(GroupBy::Cube(self.paren_list(Parser::expr)?));
            }
        }
        Ok(GroupBy::Expr(self.expr()?))
    }
}

/// A query as a side of a set operation: without clauses of its own it is its body.
fn set_body(query: Query) -> SetExpr {
    let bare = query.with.is_none()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.locking.is_empty();
    if bare {
        query.body
    } else {
        SetExpr::Query(Box::new(query))
    }
}

fn merge_with(with: Option<With>, mut query: Query, parser: &Parser<'_>) -> PResult<Query> {
    if with.is_some() && query.with.is_some() {
        return Err(parser.repeated("WITH"));
    }
    query.with = with.or(query.with);
    Ok(query)
}
