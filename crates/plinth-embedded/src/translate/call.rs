//! Function calls: forms with rules of their own, built-in functions, users' functions.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Call, Expr, ObjectName, TableAlias};
use plinth_sql::catalog::{Catalog, QName};
use plinth_sql::types::Type;

use super::builtin::{self, Builtin, Slot};
use super::coerce::{How, castable};
use super::from::SetSource;
use super::operator::compared_with;
use super::{Bind, Context, Ex, ExKind, ItemColumn, Translator};
use crate::names::{collate, literal, type_code};

impl Translator<'_> {
    /// Any call in an expression.
    pub(super) fn call(&mut self, call: &Call) -> Result<Ex, SqlError> {
        let done = self.call_unplaced(call);
        done.map_err(|error| error.at(call.name.span))
    }

    fn call_unplaced(&mut self, call: &Call) -> Result<Ex, SqlError> {
        let built_in = match call.name.schema.as_deref() {
            None => true,
            Some(schema) => matches!(schema, "pg_catalog" | "extensions"),
        };
        if built_in {
            if let Some(ex) = self.aggregate_or_window(call)? {
                return Ok(ex);
            }
            if call.star
                || call.distinct
                || call.over.is_some()
                || call.filter.is_some()
                || !call.within_group.is_empty()
            {
                return Err(SqlError::new(
                    "42809",
                    format!("{} is not an aggregate or window function", call.name.name),
                ));
            }
            if let Some(ex) = self.special(call)? {
                return Ok(ex);
            }
        }
        if let Some(context) = session_value(&call.name, call.args.len()) {
            let (context, ty) = context;
            if let Some(schema) = call.name.schema.as_deref() {
                self.open_schema(schema)?;
            }
            let sql = self.bind(Bind::Context(context));
            return Ok(Ex::new(sql, ty));
        }
        if built_in
            && call.name.name == "make_interval"
            && call.args.iter().any(|arg| arg.name.is_some())
        {
            return self.make_interval(call);
        }
        if built_in
            && call
                .args
                .iter()
                .all(|arg| arg.name.is_none() && !arg.variadic)
            && builtin::exists(&call.name.name)
        {
            let mut args = Vec::with_capacity(call.args.len());
            for arg in &call.args {
                args.push(self.expr(&arg.value)?);
            }
            let user_defined = !self
                .catalog
                .functions(&call.name, &self.search_path)
                .is_empty();
            match self.builtin_call(&call.name, args) {
                Err(error) if error.code == "42883" && user_defined => {}
                done => return done,
            }
        }
        if built_in && builtin::set_returning(&call.name.name).is_some() {
            return Err(
                SqlError::unsupported(format!("{} outside FROM", call.name.name)).hint(format!(
                    "Write it in FROM: from {}(…) as x.",
                    call.name.name
                )),
            );
        }
        self.user_call(call)
    }

    /// `make_interval(days => 1)`: the one everyday built-in that is called by names.
    fn make_interval(&mut self, call: &Call) -> Result<Ex, SqlError> {
        const NAMES: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
        let mut args: Vec<Ex> = NAMES.iter().map(|_| super::expr::number("0")).collect();
        for (place, arg) in call.args.iter().enumerate() {
            let at = match &arg.name {
                None => Some(place),
                Some(name) => NAMES.iter().position(|known| known == name),
            };
            match at.and_then(|at| args.get_mut(at)) {
                Some(slot) => *slot = self.expr(&arg.value)?,
                None => return Err(no_function(&call.name.name, &[])),
            }
        }
        self.builtin_call(&call.name, args)
    }

    /// A built-in function by its arguments.
    pub(super) fn builtin_call(
        &mut self,
        name: &ObjectName,
        args: Vec<Ex>,
    ) -> Result<Ex, SqlError> {
        let Some(found) = choose(builtin::named(&name.name), &args) else {
            return Err(no_function(&name.name, &args));
        };
        if !found.safe {
            self.note_leaky();
        }
        if found.writes {
            self.writes = true;
        }
        let (sql, element) = self.fill(found, args)?;
        let ty = match &found.returns {
            Slot::Is(ty) => ty.clone(),
            Slot::AnyElement => element.clone().unwrap_or(Type::Text),
            Slot::AnyArray => element.clone().unwrap_or(Type::Text).array(),
            Slot::Any => Type::Text,
        };
        let sql = if found.returns == Slot::AnyElement {
            Self::from_element(&sql, &ty)
        } else {
            sql
        };
        Ok(Ex::new(sql, ty))
    }

    /// The template of a built-in with its arguments, and the element type that its polymorphic ones share.
    fn fill(&mut self, found: &Builtin, args: Vec<Ex>) -> Result<(String, Option<Type>), SqlError> {
        let mut element: Option<Type> = None;
        for (place, ex) in args.iter().enumerate() {
            match (found.slot(place), &ex.ty.ty) {
                (Slot::AnyArray, Type::Array(item)) => element = Some(item.as_ref().clone()),
                (Slot::AnyElement, ty) if *ty != Type::Unknown && element.is_none() => {
                    element = Some(ty.clone());
                }
                _ => {}
            }
        }
        let item = element.clone().unwrap_or(Type::Text);
        let mut coerced = Vec::with_capacity(args.len());
        for (place, ex) in args.into_iter().enumerate() {
            let slot = found.slot(place);
            coerced.push(match slot {
                Slot::Is(ty) => self.coerce(ex, &ty.clone().into(), How::Implicit)?,
                Slot::AnyArray => self.coerce(ex, &item.clone().array().into(), How::Implicit)?,
                Slot::AnyElement => self.coerce(ex, &item.clone().into(), How::Implicit)?,
                Slot::Any => match ex.kind {
                    ExKind::Row(_) => ex,
                    _ => self.settle(ex)?,
                },
            });
        }
        let mut sql = String::with_capacity(found.template.len() + 32);
        let mut rest = found.template.as_str();
        while let Some(at) = rest.find('@') {
            sql.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let form = rest
                .chars()
                .next()
                .filter(|c| matches!(c, 'e' | 'j' | 't' | 'x'));
            if form.is_some() {
                rest = &rest[1..];
            }
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                let from = found.fixed.len();
                let mut parts = Vec::new();
                for ex in coerced.iter().skip(from) {
                    parts.push(self.argument_text(ex.clone(), form)?);
                }
                sql.push_str(&parts.join(","));
                if parts.is_empty() && sql.ends_with(',') {
                    sql.pop();
                }
            } else {
                let digit = rest
                    .chars()
                    .next()
                    .and_then(|c| c.to_digit(10))
                    .unwrap_or(1) as usize;
                rest = rest.get(1..).unwrap_or_default();
                match coerced.get(digit - 1) {
                    Some(ex) => sql.push_str(&self.argument_text(ex.clone(), form)?),
                    // An argument left out.
                    None => sql.push_str("NULL"),
                }
            }
        }
        sql.push_str(rest);
        Ok((sql, element))
    }

    fn argument_text(&mut self, ex: Ex, form: Option<char>) -> Result<String, SqlError> {
        match form {
            Some('e') => self.element(ex),
            Some('j') => self.to_json(ex),
            Some('t') => Ok(literal(&type_code(&ex.ty.ty))),
            Some('x') => match ex.kind {
                ExKind::Row(_) => Ok(self.row_text(ex)?.sql),
                _ => Ok(self.convert(ex, &Type::Text).sql),
            },
            _ => Ok(ex.sql),
        }
    }

    /// Calls with rules of their own. None: not one of them.
    fn special(&mut self, call: &Call) -> Result<Option<Ex>, SqlError> {
        let name = call.name.name.as_str();
        let args: Vec<&Expr> = call.args.iter().map(|arg| &arg.value).collect();
        Ok(Some(match (name, args.as_slice()) {
            ("coalesce", [_, ..]) => self.unified("coalesce", "COALESCE", &args)?,
            ("greatest", [_, ..]) => self.extreme("max", "GREATEST", &args)?,
            ("least", [_, ..]) => self.extreme("min", "LEAST", &args)?,
            ("nullif", [a, b]) => {
                let a = self.expr(a)?;
                let b = self.expr(b)?;
                let a = self.settle_as(a, &b)?;
                let same = self.compare("=", a.clone(), b)?;
                // A call is made once, where the values can be compared as they are.
                let sql = match compared_with(&a, &same) {
                    Some(b) => {
                        let collation = collate(&a.ty.ty, self.catalog);
                        format!("nullif({}{collation},{b})", a.sql)
                    }
                    None => format!("(CASE WHEN {} THEN NULL ELSE {} END)", same.sql, a.sql),
                };
                Ex::new(sql, a.ty)
            }
            ("current_user" | "current_role" | "user", []) => {
                if self.user == self.first_user {
                    let sql = self.bind(Bind::Context(Context::CurrentUser));
                    Ex::new(sql, Type::Name).not_null()
                } else {
                    Ex::new(literal(&self.user), Type::Name).not_null()
                }
            }
            ("num_nonnulls", _) => {
                let mut terms = Vec::with_capacity(args.len());
                for arg in args {
                    terms.push(format!("({} IS NOT NULL)", self.expr(arg)?.sql));
                }
                Ex::new(format!("({})", terms.join(" + ")), Type::Int4).not_null()
            }
            ("nextval" | "currval" | "setval" | "pg_get_serial_sequence", [_, ..]) => {
                self.sequence_call(name, &args)?
            }
            ("pg_typeof", [arg]) => {
                let ex = self.expr(arg)?;
                let shown = if ex.is_unknown() {
                    "unknown".to_owned()
                } else {
                    ex.ty.ty.to_string()
                };
                Ex::new(literal(&shown), Type::Text).not_null()
            }
            ("row_to_json" | "to_json" | "to_jsonb", [arg, ..]) => {
                let ex = self.expr(arg)?;
                self.note_leaky();
                let json = match ex.kind {
                    ExKind::Row(_) => self.to_json(ex)?,
                    // SQL null stays SQL null.
                    _ => self.to_json_by("pg_to_json_or_null", ex)?,
                };
                if name == "to_jsonb" {
                    Ex::new(format!("pg_in({json},'jsonb')"), Type::Jsonb)
                } else {
                    Ex::new(json, Type::Json)
                }
            }
            (
                "has_table_privilege"
                | "has_schema_privilege"
                | "has_column_privilege"
                | "has_function_privilege",
                _,
            ) => {
                return Err(SqlError::unsupported(format!("function {name}")));
            }
            _ => return Ok(None),
        }))
    }

    /// An undecided value takes the type of its neighbour.
    fn settle_as(&mut self, ex: Ex, neighbour: &Ex) -> Result<Ex, SqlError> {
        if !ex.is_unknown() {
            return Ok(ex);
        }
        let ty = if neighbour.is_unknown() {
            Type::Text
        } else {
            neighbour.ty.ty.clone()
        };
        self.coerce(ex, &ty.into(), How::Implicit)
    }

    fn unified(&mut self, function: &str, place: &str, args: &[&Expr]) -> Result<Ex, SqlError> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.expr(arg)?);
        }
        let references: Vec<&Ex> = values.iter().collect();
        let ty = self.common_type(&references, place)?;
        let nullable = values.iter().all(|value| value.nullable);
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            texts.push(self.coerce(value, &ty.clone().into(), How::Implicit)?.sql);
        }
        let sql = if texts.len() == 1 {
            texts.remove(0)
        } else {
            format!("{function}({})", texts.join(","))
        };
        Ok(Ex {
            nullable,
            ..Ex::new(sql, ty)
        })
    }

    /// `GREATEST` and `LEAST` pass over nulls, which SQLite's do not.
    fn extreme(&mut self, aggregate: &str, place: &str, args: &[&Expr]) -> Result<Ex, SqlError> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.expr(arg)?);
        }
        let references: Vec<&Ex> = values.iter().collect();
        let ty = self.common_type(&references, place)?;
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            texts.push(format!(
                "({})",
                self.coerce(value, &ty.clone().into(), How::Implicit)?.sql
            ));
        }
        let collation = collate(&ty, self.catalog);
        let sql = format!(
            "(SELECT {aggregate}(v{collation}) FROM (WITH r(v) AS (VALUES {}) SELECT v FROM r))",
            texts.join(",")
        );
        Ok(Ex::new(sql, ty))
    }

    fn sequence_call(&mut self, name: &str, args: &[&Expr]) -> Result<Ex, SqlError> {
        let Some(first) = args.first() else {
            return Err(no_function(name, &[]));
        };
        if name == "pg_get_serial_sequence" {
            let (Some(Expr::String(table)), Some(Expr::String(column))) =
                (args.first(), args.get(1))
            else {
                return Err(SqlError::unsupported(
                    "pg_get_serial_sequence of anything but constants",
                ));
            };
            let table =
                resolve_relation_name(self.catalog, &self.search_path, table).ok_or_else(|| {
                    SqlError::new("42P01", format!("relation \"{table}\" does not exist"))
                })?;
            let found = self.catalog.sequences.values().find(|sequence| {
                sequence
                    .owned_by
                    .as_ref()
                    .is_some_and(|(owner, owned)| *owner == table && owned == column)
            });
            return Ok(match found {
                Some(sequence) => Ex::new(
                    literal(&format!("{}.{}", sequence.name.schema, sequence.name.name)),
                    Type::Text,
                ),
                None => Ex::new("NULL", Type::Text),
            });
        }
        let constant = match first {
            Expr::String(text) => Some(text),
            Expr::Cast { expr, .. } => match expr.as_ref() {
                Expr::String(text) => Some(text),
                _ => None,
            },
            _ => None,
        };
        let sequence = match constant {
            Some(text) => {
                let full = resolve_relation_name(self.catalog, &self.search_path, text)
                    .filter(|full| self.catalog.sequences.contains_key(full))
                    .ok_or_else(|| {
                        SqlError::new("42P01", format!("relation \"{text}\" does not exist"))
                    })?;
                self.may_use_sequence(&full, name)?;
                literal(&format!("{}.{}", full.schema, full.name))
            }
            // Privileges are checked by name, so only those who have them all may compute it.
            None if self.catalog.is_superuser(&self.user) => {
                let ex = self.expr(first)?;
                self.coerce(ex, &Type::Text.into(), How::Explicit)?.sql
            }
            None => return Err(SqlError::unsupported(format!("{name} of a computed name"))),
        };
        self.note_leaky();
        if name != "currval" {
            self.writes = true;
        }
        let mut texts = vec![sequence];
        for (arg, ty) in args.iter().skip(1).zip([Type::Int8, Type::Bool]) {
            let ex = self.expr(arg)?;
            texts.push(self.coerce(ex, &ty.into(), How::Implicit)?.sql);
        }
        Ok(Ex::new(format!("pg_{name}({})", texts.join(",")), Type::Int8).not_null())
    }

    fn may_use_sequence(&self, full: &QName, function: &str) -> Result<(), SqlError> {
        use plinth_sql::catalog::Privilege;
        let Some(sequence) = self.catalog.sequences.get(full) else {
            return Ok(());
        };
        let wanted: &[Privilege] = match function {
            "nextval" => &[Privilege::Usage, Privilege::Update],
            "setval" => &[Privilege::Update],
            _ => &[Privilege::Usage, Privilege::Select],
        };
        let allowed = wanted
            .iter()
            .any(|privilege| self.catalog.may_sequence(&self.user, sequence, *privilege));
        if allowed {
            return Ok(());
        }
        Err(SqlError::new(
            "42501",
            format!("permission denied for sequence {}", full.name),
        ))
    }

    /// A function in `FROM`.
    pub(super) fn set_source(
        &mut self,
        call: &Call,
        sqlite: &str,
        alias: Option<&TableAlias>,
    ) -> Result<SetSource, SqlError> {
        let built_in = matches!(
            call.name.schema.as_deref(),
            None | Some("pg_catalog" | "extensions")
        );
        if built_in && let Some(candidates) = builtin::set_returning(&call.name.name) {
            let mut args = Vec::with_capacity(call.args.len());
            for arg in &call.args {
                args.push(self.expr(&arg.value)?);
            }
            let users = self.catalog.functions(&call.name, &self.search_path);
            let done = self.builtin_set(&call.name.name, candidates, args, sqlite, alias);
            return match done {
                Err(error) if error.code == "42883" && !users.is_empty() => {
                    self.user_set(call, sqlite)
                }
                done => done,
            };
        }
        let users = self.catalog.functions(&call.name, &self.search_path);
        let users_know_it = !users.is_empty();
        if users_know_it && (!built_in || !self.fits_builtin(call)?) {
            return self.user_set(call, sqlite);
        }
        // Any function may stand in FROM: one row of one column.
        let ex = self.call(call)?;
        let ex = self.settle(ex)?;
        let column = ItemColumn {
            name: call.name.name.clone(),
            ty: ex.ty,
            sql: format!("{sqlite}.c1"),
            hidden: false,
            nullable: true,
            source: None,
        };
        if self.has_siblings() {
            let columns = vec![(column.name, column.ty)];
            let rows = self.beside(&format!("SELECT {} AS c1", ex.sql), columns, sqlite);
            return Ok(SetSource {
                scalar: true,
                ..rows
            });
        }
        Ok(SetSource {
            sql: format!("(SELECT {} AS c1)", ex.sql),
            columns: vec![column],
            ordinal: Some("1".into()),
            scalar: true,
        })
    }

    /// Whether a call means a built-in function, which comes before users' functions of the same types.
    fn fits_builtin(&mut self, call: &Call) -> Result<bool, SqlError> {
        let candidates = builtin::named(&call.name.name);
        let plain = |arg: &plinth_sql::ast::CallArg| arg.name.is_none() && !arg.variadic;
        if candidates.is_empty() || !call.args.iter().all(plain) {
            return Ok(false);
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.expr(&arg.value)?);
        }
        Ok(choose(candidates, &args).is_some())
    }

    fn builtin_set(
        &mut self,
        name: &str,
        candidates: &[builtin::SetReturning],
        args: Vec<Ex>,
        sqlite: &str,
        alias: Option<&TableAlias>,
    ) -> Result<SetSource, SqlError> {
        let calls: Vec<Builtin> = candidates
            .iter()
            .map(|candidate| candidate.call.clone())
            .collect();
        let Some(found) = choose(&calls, &args) else {
            return Err(no_function(name, &args));
        };
        let place = calls
            .iter()
            .position(|call| std::ptr::eq(call, found))
            .unwrap_or_default();
        let candidate = &candidates[place];
        self.note_leaky();
        let (sql, element) = self.fill(found, args)?;
        let value = format!("{sqlite}.value");
        let column = |name: &str, ty: Type, sql: String| ItemColumn {
            name: name.to_owned(),
            ty: ty.into(),
            sql,
            hidden: false,
            nullable: true,
            source: None,
        };
        let written = alias
            .map(|alias| alias.column_types.as_slice())
            .unwrap_or_default();
        let columns = if candidate.record {
            if written.is_empty() {
                return Err(SqlError::new(
                    "42601",
                    "a column definition list is required for functions returning \"record\"",
                ));
            }
            let mut columns = Vec::with_capacity(written.len());
            for (name, ty) in written {
                let ty = self.type_named(ty)?;
                let text = format!("jsonb_key_text({value},{})", literal(name));
                let text = if matches!(ty.ty, Type::Json | Type::Jsonb) {
                    format!("jsonb_key({value},{})", literal(name))
                } else {
                    text
                };
                let sql = format!("pg_in({text},{})", literal(&type_code(&ty.ty)));
                columns.push(ItemColumn {
                    ty,
                    ..column(name, Type::Text, sql)
                });
            }
            columns
        } else if candidate.columns.is_empty() {
            let ty = match &found.returns {
                Slot::Is(ty) => ty.clone(),
                _ => element.unwrap_or(Type::Text),
            };
            vec![column(name, ty.clone(), Self::from_element(&value, &ty))]
        } else {
            let mut columns = Vec::with_capacity(candidate.columns.len());
            for (place, (name, ty)) in candidate.columns.iter().enumerate() {
                let sql = Self::from_element(&format!("json_extract({value},'$[{place}]')"), ty);
                columns.push(column(name, ty.clone(), sql));
            }
            columns
        };
        let scalar = candidate.columns.is_empty() && !candidate.record;
        Ok(SetSource {
            sql: format!("json_each({sql})"),
            columns,
            ordinal: Some(format!("({sqlite}.key + 1)")),
            scalar,
        })
    }
}

/// The candidate whose parameters fit best; exact types beat conversions.
fn choose<'b>(candidates: &'b [Builtin], args: &[Ex]) -> Option<&'b Builtin> {
    let mut best: Option<(usize, &Builtin)> = None;
    for candidate in candidates {
        if !candidate.takes(args.len()) {
            continue;
        }
        let mut score = 0;
        let mut fits = true;
        for (place, arg) in args.iter().enumerate() {
            let ty = &arg.ty.ty;
            let step = match candidate.slot(place) {
                Slot::Is(wanted) if wanted == ty => 8,
                Slot::Is(wanted) if *ty == Type::Unknown => preferred(wanted),
                Slot::Is(wanted) if matches!(arg.kind, ExKind::Row(_)) => {
                    usize::from(*wanted == Type::Json)
                }
                Slot::Is(wanted) if castable(ty, wanted, How::Implicit) => {
                    3 + usize::from(is_preferred(wanted))
                }
                Slot::Is(_) => {
                    fits = false;
                    0
                }
                Slot::AnyArray if matches!(ty, Type::Array(_)) => 7,
                Slot::AnyArray if *ty == Type::Unknown => 1,
                Slot::AnyArray => {
                    fits = false;
                    0
                }
                Slot::AnyElement | Slot::Any => 2,
            };
            score += step;
        }
        if fits && best.is_none_or(|(known, _)| score > known) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// An undecided argument prefers text, then the preferred type of a category.
fn preferred(ty: &Type) -> usize {
    match ty {
        Type::Text => 6,
        ty if is_preferred(ty) => 5,
        _ => 4,
    }
}

fn is_preferred(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Text | Type::Float8 | Type::Timestamptz | Type::Interval | Type::Bool
    )
}

/// `42883`.
pub(super) fn no_function(name: &str, args: &[Ex]) -> SqlError {
    let types: Vec<String> = args.iter().map(|arg| arg.ty.ty.to_string()).collect();
    SqlError::new("42883", format!("function {name}({}) does not exist", types.join(", ")))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// Names of calls with rules of their own, and of values of the session.
pub(super) fn is_special(name: &ObjectName) -> bool {
    session_value(name, 0).is_some()
        || matches!(
            name.name.as_str(),
            "coalesce"
                | "greatest"
                | "least"
                | "nullif"
                | "current_user"
                | "current_role"
                | "user"
                | "num_nonnulls"
                | "pg_get_serial_sequence"
                | "pg_typeof"
                | "row_to_json"
                | "to_json"
                | "to_jsonb"
        )
}

/// Functions that give a value of the session.
fn session_value(name: &ObjectName, args: usize) -> Option<(Context, Type)> {
    if args > 0 {
        return None;
    }
    Some(match (name.schema.as_deref(), name.name.as_str()) {
        (Some("auth"), "uid") => (Context::Uid, Type::Uuid),
        (Some("auth"), "role") => (Context::AuthRole, Type::Text),
        (Some("auth"), "email") => (Context::Email, Type::Text),
        (Some("auth"), "jwt") => (Context::Jwt, Type::Jsonb),
        (
            None | Some("pg_catalog"),
            "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp",
        ) => (Context::Now, Type::Timestamptz),
        (None | Some("pg_catalog"), "current_date") => (Context::Today, Type::Date),
        (None | Some("pg_catalog"), "localtimestamp") => (Context::Now, Type::Timestamp),
        (None | Some("pg_catalog"), "session_user") => (Context::SessionUser, Type::Name),
        _ => return None,
    })
}

/// A relation or sequence named in a string, along the search path: `'orders_id_seq'`, `'"Odd".name'`.
pub(super) fn resolve_relation_name(
    catalog: &Catalog,
    search_path: &[String],
    text: &str,
) -> Option<QName> {
    let name = parse_name(text)?;
    if let Some(sequence) = catalog.sequence(&name, search_path) {
        return Some(sequence.name.clone());
    }
    catalog
        .relation(&name, search_path)
        .map(|relation| Arc::clone(relation).name.clone())
}

fn parse_name(text: &str) -> Option<ObjectName> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"')?;
            (quoted[..end].to_owned(), &quoted[end + 1..])
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_lowercase(), &rest[end..])
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return None,
        }
    }
    match parts.as_slice() {
        [name] => Some(ObjectName::bare(name)),
        [schema, name] => Some(ObjectName::qualified(schema, name)),
        _ => None,
    }
}
