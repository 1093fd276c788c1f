//! Views and indexes.

use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{
    CreateIndex, CreateView, Cte, Expr, FromItem, IndexKey, ObjectName, Query, Select, SelectItem,
    Statement, With,
};

impl Parser<'_> {
    /// From `[RECURSIVE] VIEW` on.
    pub(super) fn create_view(&mut self, or_replace: bool, temporary: bool) -> PResult<Statement> {
        let recursive = self.eat("recursive");
        self.expect("view")?;
        let name = self.object_name()?;
        let columns = if recursive {
            self.columns()?
        } else {
            self.optional_columns()?
        };
        let options = if self.eat("with") {
            self.options()?
        } else {
            Vec::new()
        };
        self.expect("as")?;
        let mut query = self.query()?;
        if recursive {
            query = recursive_query(&name, &columns, query);
        }
        let mut check_option = false;
        if self.eat("with") {
            self.eat_any(&["cascaded", "local"]);
            self.expect_all(&["check", "option"])?;
            check_option = true;
        }
        let materialized = false;
        let view = CreateView {
            name,
            or_replace,
            temporary,
            materialized,
            columns,
            options,
            query,
            check_option,
        };
        Ok(Statement::CreateView(Box::new(view)))
    }

    pub(super) fn create_materialized_view(&mut self) -> PResult<Statement> {
        self.expect_all(&["materialized", "view"])?;
        self.if_not_exists()?;
        let name = self.object_name()?;
        let columns = self.optional_columns()?;
        if self.eat("using") {
            self.name()?;
        }
        let options = if self.eat("with") {
            self.options()?
        } else {
            Vec::new()
        };
        if self.eat("tablespace") {
            self.name()?;
        }
        self.expect("as")?;
        let query = self.query()?;
        self.with_no_data()?;
        let view = CreateView {
            name,
            or_replace: false,
            temporary: false,
            materialized: true,
            columns,
            options,
            query,
            check_option: false,
        };
        Ok(Statement::CreateView(Box::new(view)))
    }

    pub(super) fn create_index(&mut self) -> PResult<Statement> {
        let unique = self.eat("unique");
        self.expect("index")?;
        self.eat("concurrently");
        let if_not_exists = self.if_not_exists()?;
        let name = if self.is("on") && !if_not_exists {
            None
        } else {
            Some(self.name()?)
        };
        self.expect("on")?;
        let table = self.only_name()?;
        let method = if self.eat("using") {
            self.name()?
        } else {
            "btree".to_owned()
        };
        let keys = self.paren_list(Parser::index_key)?;
        let include = if self.eat("include") {
            self.paren_list(Parser::included_column)?
        } else {
            Vec::new()
        };
        let nulls_not_distinct = self.nulls_not_distinct()?;
        if self.eat("with") {
            self.options()?;
        }
        if self.eat("tablespace") {
            self.name()?;
        }
        let predicate = if self.eat("where") {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(Statement::CreateIndex(Box::new(CreateIndex {
            name,
            table,
            unique,
            if_not_exists,
            method,
            keys,
            include,
            nulls_not_distinct,
            predicate,
        })))
    }

    /// A column of `INCLUDE`: in the grammar a key like any other.
    fn included_column(&mut self) -> PResult<String> {
        let start = self.here();
        let IndexKey {
            order,
            operator_class,
        } = self.index_key()?;
        let directed = ["asc", "desc"].contains(&self.last_word());
        let refused = match (operator_class, order.nulls_first, order.expr) {
            (Some(_), ..) => "an operator class",
            (None, Some(_), _) => "NULLS FIRST/LAST options",
            (None, None, Expr::Column(_)) if directed => "ASC/DESC options",
            (None, None, Expr::Column(mut column)) => {
                return Ok(column.parts.pop().unwrap_or_default());
            }
            (None, None, Expr::Collate { .. }) => "a collation",
            (None, None, _) => {
                let message = "expressions are not supported in included columns";
                return Err(Box::new(
                    SqlError::new("0A000", message).at(self.since(start)),
                ));
            }
        };
        let message = format!("including column does not support {refused}");
        Err(Box::new(
            SqlError::new("42P17", message).at(self.since(start)),
        ))
    }

    /// A column, a call, or an expression in parentheses, with collation, operator class and direction.
    pub(super) fn index_key(&mut self) -> PResult<IndexKey> {
        let start = self.here();
        let mut expr = if self.is_sym("(") {
            self.expr_in_parens()?
        } else {
            let expr = self.primary()?;
            match expr {
                Expr::Call(_) => expr,
                Expr::Column(ref column) if column.parts.len() == 1 => expr,
                _ => return Err(self.syntax_error(start)),
            }
        };
        if self.eat("collate") {
            expr = Expr::Collate {
                expr: Box::new(expr),
                collation: self.object_name()?,
            };
        }
        let named = self.is_name_at(0)
            && !(self.is("nulls") && ["first", "last"].contains(&self.word_at(1)));
        let operator_class = if named {
            Some(self.object_name()?)
        } else {
            None
        };
        if self.is_sym("(") && operator_class.is_some() {
            self.options()?;
        }
        Ok(IndexKey {
            order: self.direction(expr)?,
            operator_class,
        })
    }
}

/// `WITH RECURSIVE name(columns) AS (query) SELECT columns FROM name`.
fn recursive_query(name: &ObjectName, columns: &[String], query: Query) -> Query {
    let cte = Cte {
        name: name.name.clone(),
        columns: columns.to_vec(),
        materialized: None,
        body: Box::new(Statement::Query(Box::new(query))),
    };
    let item = |column: &String| SelectItem::Expr {
        expr: Expr::column(column),
        alias: None,
    };
    let select = Select {
        projection: columns.iter().map(item).collect(),
        from: vec![FromItem::Table {
            name: ObjectName::bare(&name.name),
            alias: None,
        }],
        ..Select::default()
    };
    Query {
        with: Some(With {
            recursive: true,
            ctes: vec![cte],
        }),
        ..Query::select(select)
    }
}
