//! Expressions.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, LikeKind, Query, Span, TypeName};
use plinth_sql::types::{ColumnType, Type};

use super::coerce::How;
use super::column::row_value;
use super::operator::{compared_with, undefined};
use super::{Ex, ExKind, Translator};
use crate::names::{collate, literal, type_code};

impl Translator<'_> {
    /// Any expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<Ex, SqlError> {
        if let Some(ex) = self.grouped_expression(expr)? {
            return Ok(ex);
        }
        match expr {
            Expr::Null => Ok(Ex {
                sql: "NULL".into(),
                ty: Type::Unknown.into(),
                kind: ExKind::Null,
                nullable: true,
            }),
            Expr::Bool(value) => Ok(Ex::new(if *value { "1" } else { "0" }, Type::Bool).not_null()),
            Expr::Number(text) => Ok(number(text)),
            Expr::String(text) => Ok(Ex {
                sql: literal(text),
                ty: Type::Unknown.into(),
                kind: ExKind::Literal(text.clone()),
                nullable: false,
            }),
            Expr::Param(number) => self.parameter(*number),
            Expr::Column(reference) => self.column(reference),
            Expr::Wildcard(reference) => self.row_of(reference),
            Expr::Cast { expr, ty } => self.cast(expr, ty),
            Expr::And(left, right) => self.connective("AND", left, right),
            Expr::Or(left, right) => self.connective("OR", left, right),
            Expr::Not(inner) => {
                let inner = self.expr(inner)?;
                let inner = self.boolean(inner, "NOT")?;
                Ok(Ex {
                    nullable: inner.nullable,
                    ..Ex::new(format!("(NOT {})", inner.sql), Type::Bool)
                })
            }
            Expr::Unary { op, expr, span } => {
                let inner = self.expr(expr)?;
                self.unary(op, inner, *span)
            }
            Expr::Binary {
                op,
                left,
                right,
                span,
            } => {
                let left = self.expr(left)?;
                let right = self.expr(right)?;
                self.binary(op, left, right, *span)
            }
            Expr::IsNull { expr, negated } => {
                let mut inner = self.expr(expr)?;
                if matches!(inner.kind, ExKind::Param(_)) {
                    inner = self.settle(inner)?;
                }
                Ok(is_null(&inner, *negated))
            }
            Expr::IsBool {
                expr,
                value,
                negated,
            } => {
                let inner = self.expr(expr)?;
                let inner = self.boolean(inner, "IS TRUE")?;
                let wanted = match value {
                    Some(true) => "1",
                    Some(false) => "0",
                    None => "NULL",
                };
                let not = if *negated { " NOT" } else { "" };
                Ok(Ex::new(format!("({} IS{not} {wanted})", inner.sql), Type::Bool).not_null())
            }
            Expr::IsDistinct {
                left,
                right,
                negated,
            } => {
                let left = self.expr(left)?;
                let right = self.expr(right)?;
                self.is_distinct(left, right, *negated)
            }
            Expr::Like {
                kind,
                expr,
                pattern,
                escape,
                negated,
            } => {
                let value = self.expr(expr)?;
                let pattern = self.expr(pattern)?;
                let escape = escape
                    .as_ref()
                    .map(|escape| self.expr(escape))
                    .transpose()?;
                let function = match kind {
                    LikeKind::Like => "pg_like",
                    LikeKind::Ilike => "pg_ilike",
                    LikeKind::Similar => "pg_similar",
                };
                self.pattern(function, *negated, value, pattern, escape)
            }
            Expr::Between {
                expr,
                low,
                high,
                symmetric,
                negated,
            } => {
                let value = self.expr(expr)?;
                let low = self.expr(low)?;
                let high = self.expr(high)?;
                self.between(value, low, high, *symmetric, *negated)
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => self.in_list(expr, list, *negated),
            Expr::InQuery {
                expr,
                query,
                negated,
            } => self.in_query(expr, query, *negated),
            Expr::AnyArray {
                left,
                op,
                array,
                all,
                span,
            } => {
                let left = self.expr(left)?;
                let array = self.expr(array)?;
                self.any_array(left, op, array, *all, *span)
            }
            Expr::AnyQuery {
                left,
                op,
                query,
                all,
                span,
            } => self.any_query(left, op, query, *all, *span),
            Expr::Exists(query) => {
                let out = self.subquery(query)?;
                Ok(Ex::new(format!("EXISTS ({})", out.sql), Type::Bool).not_null())
            }
            Expr::Scalar(query) => self.scalar(query),
            Expr::ArrayQuery(query) => self.array_query(query),
            Expr::Array(items) => self.array(items),
            Expr::Row(items) => {
                let mut fields = Vec::with_capacity(items.len());
                for (place, item) in items.iter().enumerate() {
                    fields.push((format!("f{}", place + 1), self.expr(item)?));
                }
                Ok(row_value(fields, Type::Record))
            }
            Expr::Case {
                operand,
                whens,
                otherwise,
            } => self.case(operand.as_deref(), whens, otherwise.as_deref()),
            Expr::Call(call) => self.call(call),
            Expr::Index { base, index } => self.index(base, index),
            Expr::Slice { base, low, high } => self.slice(base, low.as_deref(), high.as_deref()),
            Expr::Field { base, name } => self.field(base, name),
            Expr::Collate { expr, collation } => {
                let inner = self.expr(expr)?;
                match collation.name.as_str() {
                    "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "default" | "ucs_basic" => Ok(inner),
                    other => Err(SqlError::new(
                        "0A000",
                        format!(
                            "collation \"{other}\" is not supported; text compares as in C.UTF-8"
                        ),
                    )
                    .at(collation.span)),
                }
            }
            Expr::AtTimeZone { expr, zone } => self.at_time_zone(expr, zone),
            Expr::Default => Err(SqlError::new(
                "42601",
                "DEFAULT is not allowed in this context",
            )),
        }
    }

    /// A condition in `WHERE`, `ON`, `HAVING`, `CHECK` or a policy.
    pub(crate) fn condition_expr(
        &mut self,
        expr: &Expr,
        place: &'static str,
    ) -> Result<Ex, SqlError> {
        let clause = if place == "HAVING" { "" } else { place };
        self.in_clause(clause, |this| {
            this.condition(|this| {
                let ex = this.expr(expr)?;
                this.boolean(ex, place)
            })
        })
    }

    /// Runs `read` in a clause where aggregates and window functions are not allowed.
    pub(crate) fn in_clause<T>(
        &mut self,
        clause: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let outer = std::mem::replace(&mut self.clause, clause);
        let result = read(self);
        self.clause = outer;
        result
    }

    /// In a grouped query, an expression that is one of the grouping keys.
    fn grouped_expression(&mut self, expr: &Expr) -> Result<Option<Ex>, SqlError> {
        let Some(depth) = self.scopes.len().checked_sub(1) else {
            return Ok(None);
        };
        let is_key = self.scopes[depth]
            .grouping
            .as_ref()
            .is_some_and(|grouping| {
                grouping.inside_aggregate == 0
                    && !matches!(expr, Expr::Column(_))
                    && grouping.keys.contains(expr)
            });
        if !is_key {
            return Ok(None);
        }
        let grouping = self.scopes[depth].grouping.take();
        let ex = self.expr(expr);
        self.scopes[depth].grouping = grouping;
        ex.map(Some)
    }

    fn connective(&mut self, op: &str, left: &Expr, right: &Expr) -> Result<Ex, SqlError> {
        let left = self.expr(left)?;
        let left = self.boolean(left, op)?;
        let right = self.expr(right)?;
        let right = self.boolean(right, op)?;
        let nullable = left.nullable || right.nullable;
        Ok(Ex {
            nullable,
            ..Ex::new(format!("({} {op} {})", left.sql, right.sql), Type::Bool)
        })
    }

    fn cast(&mut self, expr: &Expr, ty: &TypeName) -> Result<Ex, SqlError> {
        let target = self.type_named(ty)?;
        let ex = self.expr(expr)?;
        if target.ty == Type::Regclass {
            return self.regclass(ex);
        }
        self.coerce(ex, &target, How::Explicit)
            .map_err(|error| error.at(ty.name.span))
    }

    /// A written type.
    pub(crate) fn type_named(&self, ty: &TypeName) -> Result<ColumnType, SqlError> {
        self.catalog
            .resolve_type(ty, &self.search_path)
            .ok_or_else(|| {
                let shown = match &ty.name.schema {
                    Some(schema) => format!("{schema}.{}", ty.name.name),
                    None => ty.name.name.clone(),
                };
                SqlError::new("42704", format!("type \"{shown}\" does not exist")).at(ty.name.span)
            })
    }

    /// `'s'::regclass`: the full name of a relation or sequence.
    fn regclass(&mut self, ex: Ex) -> Result<Ex, SqlError> {
        let ExKind::Literal(text) = &ex.kind else {
            return self.coerce(ex, &Type::Regclass.into(), How::Explicit);
        };
        let full = super::call::resolve_relation_name(self.catalog, &self.search_path, text)
            .ok_or_else(|| SqlError::new("42P01", format!("relation \"{text}\" does not exist")))?;
        Ok(Ex::new(
            literal(&format!("{}.{}", full.schema, full.name)),
            Type::Regclass,
        )
        .not_null())
    }

    fn is_distinct(&mut self, left: Ex, right: Ex, negated: bool) -> Result<Ex, SqlError> {
        if let (ExKind::Row(left), ExKind::Row(right)) = (&left.kind, &right.kind) {
            if left.len() != right.len() {
                return Err(SqlError::new(
                    "42804",
                    "cannot compare record types with different numbers of columns",
                ));
            }
            let mut parts = Vec::with_capacity(left.len());
            for ((_, left), (_, right)) in left.clone().into_iter().zip(right.clone()) {
                parts.push(self.is_distinct(left, right, negated)?.sql);
            }
            let (with, none) = if negated {
                (" AND ", "1")
            } else {
                (" OR ", "0")
            };
            let sql = if parts.is_empty() {
                none.to_owned()
            } else {
                format!("({})", parts.join(with))
            };
            return Ok(Ex::new(sql, Type::Bool).not_null());
        }
        let Some(ty) = super::operator::comparison_type(&left, &right) else {
            return Err(undefined("=", &left, &right));
        };
        let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
        let right = self.coerce(right, &ty.clone().into(), How::Implicit)?;
        let op = if negated { "IS" } else { "IS NOT" };
        let collation = collate(&ty, self.catalog);
        Ok(Ex::new(
            format!("({} {op} {}{collation})", left.sql, right.sql),
            Type::Bool,
        )
        .not_null())
    }

    fn between(
        &mut self,
        value: Ex,
        low: Ex,
        high: Ex,
        symmetric: bool,
        negated: bool,
    ) -> Result<Ex, SqlError> {
        let pair = |this: &mut Self, low: Ex, high: Ex| -> Result<String, SqlError> {
            let above = this.compare(">=", value.clone(), low)?;
            let below = this.compare("<=", value.clone(), high)?;
            Ok(format!("({} AND {})", above.sql, below.sql))
        };
        let mut sql = pair(self, low.clone(), high.clone())?;
        if symmetric {
            sql = format!("({sql} OR {})", pair(self, high, low)?);
        }
        if negated {
            sql = format!("(NOT {sql})");
        }
        Ok(Ex::new(sql, Type::Bool))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Ex, SqlError> {
        let value = self.expr(expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.expr(item)?);
        }
        if matches!(value.kind, ExKind::Row(_)) {
            let mut terms = Vec::with_capacity(items.len());
            for item in items {
                terms.push(self.compare("=", value.clone(), item)?.sql);
            }
            let any = format!("({})", terms.join(" OR "));
            return Ok(Ex::new(
                if negated { format!("(NOT {any})") } else { any },
                Type::Bool,
            ));
        }
        let mut ty = value.ty.ty.clone();
        for item in &items {
            let probe = Ex::new("", ty.clone());
            ty = super::operator::comparison_type(&probe, item)
                .ok_or_else(|| undefined("=", &probe, item))?;
        }
        if ty == Type::Unknown {
            ty = Type::Text;
        }
        let value = self.coerce(value, &ty.clone().into(), How::Implicit)?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            texts.push(self.coerce(item, &ty.clone().into(), How::Implicit)?.sql);
        }
        let collation = collate(&ty, self.catalog);
        let op = if negated { "NOT IN" } else { "IN" };
        Ok(Ex::new(
            format!("({}{collation} {op} ({}))", value.sql, texts.join(", ")),
            Type::Bool,
        ))
    }

    fn in_query(&mut self, expr: &Expr, query: &Query, negated: bool) -> Result<Ex, SqlError> {
        let value = self.expr(expr)?;
        let op = if negated { "NOT IN" } else { "IN" };
        if let ExKind::Row(fields) = value.kind {
            let out = self.subquery(query)?;
            if out.columns.len() != fields.len() {
                return Err(SqlError::new("42601", "subquery has too few columns"));
            }
            let mut left = Vec::new();
            for ((_, field), (_, ty)) in fields.into_iter().zip(&out.columns) {
                left.push(self.coerce(field, ty, How::Implicit)?.sql);
            }
            return Ok(Ex::new(
                format!("(({}) {op} ({}))", left.join(", "), out.sql),
                Type::Bool,
            ));
        }
        let out = self.subquery(query)?;
        let [(_, ty)] = out.columns.as_slice() else {
            return Err(SqlError::new("42601", "subquery has too many columns"));
        };
        let right = Ex::new("", ty.clone());
        let common = super::operator::comparison_type(&value, &right)
            .ok_or_else(|| undefined("=", &value, &right))?;
        let value = self.coerce(value, &common.clone().into(), How::Implicit)?;
        let sql = if common == ty.ty || ty.ty == Type::Unknown || same_storage(&common, &ty.ty) {
            out.sql
        } else {
            let alias = self.alias("q");
            let inner = self.convert(Ex::new(format!("{alias}.c1"), ty.clone()), &common);
            format!("SELECT {} FROM ({}) AS {alias}", inner.sql, out.sql)
        };
        let collation = collate(&common, self.catalog);
        Ok(Ex::new(
            format!("({}{collation} {op} ({sql}))", value.sql),
            Type::Bool,
        ))
    }

    fn any_array(
        &mut self,
        left: Ex,
        op: &str,
        array: Ex,
        all: bool,
        span: Span,
    ) -> Result<Ex, SqlError> {
        let element = match &array.ty.ty {
            Type::Array(element) => element.as_ref().clone(),
            Type::Unknown if left.is_unknown() => Type::Text,
            Type::Unknown => left.ty.ty.clone(),
            other => {
                return Err(SqlError::new(
                    "42809",
                    format!("op ANY/ALL (array) requires array on right side, not {other}"),
                )
                .at(span));
            }
        };
        let array = self.coerce(array, &element.clone().array().into(), How::Implicit)?;
        let alias = self.alias("a");
        let item = Ex::new(
            Self::from_element(&format!("{alias}.value"), &element),
            element.clone(),
        );
        if op == "=" && !all {
            let common = super::operator::comparison_type(&left, &item)
                .ok_or_else(|| undefined(op, &left, &item))?;
            let left = self.coerce(left, &common.clone().into(), How::Implicit)?;
            let item = self.convert(item, &common);
            let collation = collate(&common, self.catalog);
            // A null array makes the result null: then the list has a null in it.
            let unknown = if array.nullable {
                format!(" UNION ALL SELECT NULL WHERE {} IS NULL", array.sql)
            } else {
                String::new()
            };
            return Ok(Ex::new(
                format!(
                    "({}{collation} IN (SELECT {} FROM json_each({}) AS {alias}{unknown}))",
                    left.sql, item.sql, array.sql
                ),
                Type::Bool,
            ));
        }
        let test = match op {
            "LIKE" => self.pattern("pg_like", false, left, item, None)?,
            "NOT LIKE" => self.pattern("pg_like", true, left, item, None)?,
            "ILIKE" => self.pattern("pg_ilike", false, left, item, None)?,
            "NOT ILIKE" => self.pattern("pg_ilike", true, left, item, None)?,
            _ => self.binary(op, left, item, span)?,
        };
        // Three-valued: any true, else any null, else false; the mirror image for ALL.
        let (decisive, other) = if all { (0, 1) } else { (1, 0) };
        Ok(Ex::new(
            format!(
                "(CASE WHEN {array} IS NULL THEN NULL ELSE (SELECT CASE WHEN sum(r IS {decisive}) > 0 THEN {decisive} \
                 WHEN count(*) > count(r) THEN NULL ELSE {other} END FROM (SELECT {test} AS r FROM json_each({array}) AS {alias})) END)",
                array = array.sql,
                test = test.sql,
            ),
            Type::Bool,
        ))
    }

    fn any_query(
        &mut self,
        left: &Expr,
        op: &str,
        query: &Query,
        all: bool,
        span: Span,
    ) -> Result<Ex, SqlError> {
        if op == "=" && !all {
            return self.in_query(left, query, false);
        }
        if op == "<>" && all {
            return self.in_query(left, query, true);
        }
        let left = self.expr(left)?;
        let out = self.subquery(query)?;
        let [(_, ty)] = out.columns.as_slice() else {
            return Err(SqlError::new("42601", "subquery has too many columns").at(span));
        };
        let alias = self.alias("q");
        let item = Ex::new(format!("{alias}.c1"), ty.clone());
        let test = self.binary(op, left, item, span)?;
        let (decisive, other) = if all { (0, 1) } else { (1, 0) };
        Ok(Ex::new(
            format!(
                "(SELECT CASE WHEN sum(r IS {decisive}) > 0 THEN {decisive} WHEN count(*) > count(r) THEN NULL ELSE {other} END \
                 FROM (SELECT {} AS r FROM ({}) AS {alias}))",
                test.sql, out.sql,
            ),
            Type::Bool,
        ))
    }

    /// `(SELECT …)` as a value; more than one row is 21000.
    pub(super) fn scalar(&mut self, query: &Query) -> Result<Ex, SqlError> {
        let out = self.subquery(query)?;
        let [(_, ty)] = out.columns.as_slice() else {
            return Err(SqlError::new(
                "42601",
                "subquery must return only one column",
            ));
        };
        let ty = if ty.ty == Type::Unknown {
            Type::Text.into()
        } else {
            ty.clone()
        };
        if out.at_most_one {
            return Ok(Ex::new(format!("({})", out.sql), ty));
        }
        self.note_leaky();
        let alias = self.alias("q");
        Ok(Ex::new(
            format!(
                "(SELECT pg_single(c1) FROM (SELECT c1 FROM ({}) LIMIT 2) AS {alias})",
                out.sql
            ),
            ty,
        ))
    }

    fn array_query(&mut self, query: &Query) -> Result<Ex, SqlError> {
        let out = self.subquery(query)?;
        let [(_, ty)] = out.columns.as_slice() else {
            return Err(SqlError::new(
                "42601",
                "subquery must return only one column",
            ));
        };
        let ty = if ty.ty == Type::Unknown {
            Type::Text
        } else {
            ty.ty.clone()
        };
        let alias = self.alias("q");
        let element = self.element(Ex::new(format!("{alias}.c1"), ty.clone()))?;
        let nested = matches!(ty, Type::Array(_));
        let sql = format!(
            "(SELECT coalesce(array_agg_({element}),'[]') FROM ({}) AS {alias})",
            out.sql
        );
        Ok(Ex::new(sql, if nested { ty } else { ty.array() }).not_null())
    }

    fn array(&mut self, items: &[Expr]) -> Result<Ex, SqlError> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.expr(item)?);
        }
        if values.is_empty() {
            // Its type must come from a cast: `ARRAY[]::int[]`.
            return Ok(Ex {
                sql: "'[]'".into(),
                ty: Type::Unknown.into(),
                kind: ExKind::Literal("{}".into()),
                nullable: false,
            });
        }
        let references: Vec<&Ex> = values.iter().collect();
        let ty = self.common_type(&references, "ARRAY")?;
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let value = self.coerce(value, &ty.clone().into(), How::Implicit)?;
            texts.push(self.element(value)?);
        }
        let nested = matches!(ty, Type::Array(_));
        let sql = format!("pg_array({})", texts.join(","));
        Ok(Ex::new(sql, if nested { ty } else { ty.array() }).not_null())
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        whens: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Ex, SqlError> {
        let operand = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut conditions = Vec::with_capacity(whens.len());
        let mut values = Vec::with_capacity(whens.len() + 1);
        for (when, then) in whens {
            let when = self.expr(when)?;
            conditions.push(match &operand {
                Some(operand) => self.compare("=", operand.clone(), when)?,
                None => self.boolean(when, "CASE/WHEN")?,
            });
            values.push(self.expr(then)?);
        }
        if let Some(otherwise) = otherwise {
            values.push(self.expr(otherwise)?);
        }
        let references: Vec<&Ex> = values.iter().collect();
        let ty = self.common_type(&references, "CASE")?;
        let mut sql = "(CASE".to_owned();
        let mut tests: Vec<&str> = conditions.iter().map(|one| one.sql.as_str()).collect();
        if let Some(operand) = &operand {
            // A call is made once, where the values can be compared as they are.
            let compared = conditions.iter().map(|one| compared_with(operand, one));
            if let Some(compared) = compared.collect::<Option<_>>() {
                tests = compared;
                sql.push_str(&format!(" {}", operand.sql));
            }
        }
        let mut values = values.into_iter();
        for test in tests {
            let Some(value) = values.next() else { break };
            let value = self.coerce(value, &ty.clone().into(), How::Implicit)?;
            sql.push_str(&format!(" WHEN {test} THEN {}", value.sql));
        }
        if let Some(value) = values.next() {
            let value = self.coerce(value, &ty.clone().into(), How::Implicit)?;
            sql.push_str(&format!(" ELSE {}", value.sql));
        }
        sql.push_str(" END)");
        Ok(Ex::new(sql, ty))
    }

    fn index(&mut self, base: &Expr, index: &Expr) -> Result<Ex, SqlError> {
        // `a[i][j]` is one access, which has no meaning for `a[i]` alone.
        let mut indexes = vec![index];
        let mut innermost = base;
        while let Expr::Index { base, index } = innermost {
            indexes.push(index);
            innermost = base;
        }
        let array = self.expr(innermost)?;
        // The arguments of a trigger count from 0.
        let first = match innermost {
            Expr::Column(name) if self.is_trigger_arguments(name) => 1,
            _ => 0,
        };
        if let Type::Array(element) = array.ty.ty.clone() {
            self.note_leaky();
            let mut sql = format!("array_item({}", array.sql);
            for index in indexes.into_iter().rev() {
                let index = self.expr(index)?;
                let index = self.coerce(index, &Type::Int4.into(), How::Assignment)?;
                sql.push(',');
                sql.push_str(&index.sql);
                if first != 0 {
                    sql.push_str(&format!(" + {first}"));
                }
            }
            sql.push(')');
            return Ok(Ex::new(Self::from_element(&sql, &element), *element));
        }
        let base = self.expr(base)?;
        let index = self.expr(index)?;
        self.note_leaky();
        match base.ty.ty.clone() {
            Type::Jsonb => self.binary("->", base, index, Span::default()),
            other => Err(SqlError::new(
                "42804",
                format!("cannot subscript type {other} because it does not support subscripting"),
            )),
        }
    }

    fn slice(
        &mut self,
        base: &Expr,
        low: Option<&Expr>,
        high: Option<&Expr>,
    ) -> Result<Ex, SqlError> {
        let base = self.expr(base)?;
        self.note_leaky();
        let Type::Array(_) = base.ty.ty else {
            return Err(SqlError::new(
                "42804",
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    base.ty.ty
                ),
            ));
        };
        let mut bounds = Vec::with_capacity(2);
        for bound in [low, high] {
            bounds.push(match bound {
                Some(bound) => {
                    let bound = self.expr(bound)?;
                    self.coerce(bound, &Type::Int4.into(), How::Assignment)?.sql
                }
                None => "NULL".into(),
            });
        }
        let unbounded = (i32::from(low.is_none()), i32::from(high.is_none()));
        let sql = format!(
            "array_slice({},{},{},{},{})",
            base.sql, bounds[0], bounds[1], unbounded.0, unbounded.1
        );
        Ok(Ex::new(sql, base.ty))
    }

    fn field(&mut self, base: &Expr, name: &str) -> Result<Ex, SqlError> {
        let base = self.expr(base)?;
        if let ExKind::Row(fields) = base.kind
            && let Some((_, field)) = fields.into_iter().find(|(known, _)| known == name)
        {
            return Ok(field);
        }
        Err(SqlError::new(
            "42703",
            format!("column \"{name}\" not found in data type {}", base.ty.ty),
        ))
    }

    fn at_time_zone(&mut self, expr: &Expr, zone: &Expr) -> Result<Ex, SqlError> {
        let value = self.expr(expr)?;
        let zone = self.expr(zone)?;
        self.note_leaky();
        let zone = self.coerce(zone, &Type::Text.into(), How::Implicit)?;
        let (value, function, ty) = match value.ty.ty {
            Type::Timestamp => (value, "ts_from_zone", Type::Timestamptz),
            Type::Date | Type::Unknown | Type::Timestamptz => (
                self.coerce(value, &Type::Timestamptz.into(), How::Implicit)?,
                "ts_to_zone",
                Type::Timestamp,
            ),
            other => {
                return Err(SqlError::new(
                    "42883",
                    format!("function pg_catalog.timezone(unknown, {other}) does not exist"),
                ));
            }
        };
        Ok(Ex::new(
            format!("{function}({},{})", value.sql, zone.sql),
            ty,
        ))
    }

    /// The JSON text of a value.
    pub(super) fn to_json(&mut self, ex: Ex) -> Result<String, SqlError> {
        if let ExKind::Row(fields) = ex.kind {
            let mut parts = Vec::with_capacity(fields.len() * 2);
            for (name, field) in fields {
                parts.push(literal(&name));
                parts.push(self.to_json(field)?);
            }
            return Ok(json_object(&parts));
        }
        self.to_json_by("pg_to_json", ex)
    }

    /// The same of what is no row, by one of the two functions that make it. The value is written once: it may be a call that must
    /// not happen twice.
    pub(super) fn to_json_by(&mut self, function: &str, ex: Ex) -> Result<String, SqlError> {
        let ex = self.settle(ex)?;
        let code = literal(&type_code(&ex.ty.ty));
        Ok(format!("{function}({},{code})", ex.sql))
    }
}

/// `pg_json_object(k, v, …)`, nested where it would have more arguments than SQLite allows.
fn json_object(parts: &[String]) -> String {
    const MOST_ARGUMENTS: usize = 100;
    if parts.len() <= MOST_ARGUMENTS {
        return format!("pg_json_object({})", parts.join(","));
    }
    let pieces: Vec<String> = parts
        .chunks(MOST_ARGUMENTS)
        .map(|chunk| format!("pg_json_object({})", chunk.join(",")))
        .collect();
    format!("pg_json_merge({})", pieces.join(","))
}

/// A numeric constant: the smallest of integer, bigint and numeric that holds it.
pub(super) fn number(text: &str) -> Ex {
    let kind = ExKind::Number(text.to_owned());
    let shown = |text: &str| {
        if text.starts_with('-') {
            format!("({text})")
        } else {
            text.to_owned()
        }
    };
    if let Ok(value) = text.parse::<i64>() {
        let ty = if i32::try_from(value).is_ok() {
            Type::Int4
        } else {
            Type::Int8
        };
        let sql = super::coerce::constant(&plinth_sql::types::io::Stored::Int(value));
        return Ex {
            sql,
            ty: ty.into(),
            kind,
            nullable: false,
        };
    }
    let canonical = text
        .parse::<plinth_sql::types::numeric::Numeric>()
        .map_or_else(|_| shown(text), |value| value.to_string());
    Ex {
        sql: literal(&canonical),
        ty: Type::Numeric.into(),
        kind,
        nullable: false,
    }
}

/// `IS NULL`; a row is null when all its fields are.
fn is_null(ex: &Ex, negated: bool) -> Ex {
    let op = if negated { "IS NOT NULL" } else { "IS NULL" };
    let sql = match &ex.kind {
        ExKind::Row(fields) if fields.is_empty() => i32::from(negated).to_string(),
        ExKind::Row(fields) => {
            let terms: Vec<String> = fields
                .iter()
                .map(|(_, field)| is_null(field, negated).sql)
                .collect();
            format!("({})", terms.join(" AND "))
        }
        ExKind::Param(_)
        | ExKind::Plain
        | ExKind::Null
        | ExKind::Literal(_)
        | ExKind::Number(_) => format!("({} {op})", ex.sql),
    };
    Ex::new(sql, Type::Bool).not_null()
}

/// Types whose stored values compare with one another as they are.
fn same_storage(a: &Type, b: &Type) -> bool {
    a == b
        || (a.is_integer() && b.is_integer())
        || (a.is_string() && b.is_string() && *a != Type::Bpchar && *b != Type::Bpchar)
}
