//! Operators: which types they take, and how SQLite is told.

use plinth_sql::SqlError;
use plinth_sql::ast::Span;
use plinth_sql::types::Type;

use super::coerce::{How, castable};
use super::{Ex, ExKind, Translator};
use crate::names::{collate, literal, type_code};

/// `=` and its siblings, as both Postgres and SQLite write them.
pub(crate) fn is_comparison(op: &str) -> bool {
    matches!(op, "=" | "<>" | "<" | ">" | "<=" | ">=")
}

impl Translator<'_> {
    /// `left op right`.
    pub(super) fn binary(
        &mut self,
        op: &str,
        left: Ex,
        right: Ex,
        span: Span,
    ) -> Result<Ex, SqlError> {
        if is_comparison(op) {
            return self
                .compare(op, left, right)
                .map_err(|error| error.at(span));
        }
        let done = match op {
            "||" => self.concat(left, right),
            "+" | "-" | "*" | "/" | "%" | "^" => self.arithmetic(op, left, right),
            "->" | "->>" => self.json_member(op, left, right),
            "#>" | "#>>" | "#-" => self.json_path(op, left, right),
            "@>" | "<@" => self.containment(op, left, right),
            "&&" => self.overlap(left, right),
            "?" | "?|" | "?&" => self.json_exists(op, left, right),
            "~" | "~*" | "!~" | "!~*" => self.regex(op, left, right),
            "~~" => self.pattern("pg_like", false, left, right, None),
            "!~~" => self.pattern("pg_like", true, left, right, None),
            "~~*" => self.pattern("pg_ilike", false, left, right, None),
            "!~~*" => self.pattern("pg_ilike", true, left, right, None),
            "&" | "|" | "#" | "<<" | ">>" => self.bits(op, left, right),
            _ => Err(undefined(op, &left, &right)),
        };
        done.map_err(|error| error.at(span))
    }

    /// A comparison with the collation of its type.
    pub(crate) fn compare(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        if let (ExKind::Row(_), ExKind::Row(_)) = (&left.kind, &right.kind) {
            return self.compare_rows(op, left, right);
        }
        let Some(ty) = comparison_type(&left, &right) else {
            return Err(undefined(op, &left, &right));
        };
        if matches!(ty, Type::Json | Type::Record | Type::Void) {
            return Err(undefined(op, &left, &right));
        }
        let nullable = left.nullable || right.nullable;
        let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
        let right = self.coerce(right, &ty.clone().into(), How::Implicit)?;
        let collation = collate(&ty, self.catalog);
        Ok(Ex {
            sql: format!("({} {op} {}{collation})", left.sql, right.sql),
            ty: Type::Bool.into(),
            kind: ExKind::Plain,
            nullable,
        })
    }

    fn compare_rows(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let (ExKind::Row(left), ExKind::Row(right)) = (left.kind, right.kind) else {
            return Err(SqlError::new(
                "42883",
                "rows can only be compared with rows",
            ));
        };
        if left.len() != right.len() {
            return Err(SqlError::new(
                "42601",
                "unequal number of entries in row expressions",
            ));
        }
        // (a, b) < (c, d) is a < c or (a = c and b < d); built from the end.
        let mut result: Option<String> = None;
        for ((_, a), (_, b)) in left.into_iter().zip(right).rev() {
            result = Some(match (op, result) {
                ("=" | "<>", None) => self.compare(op, a, b)?.sql,
                ("=", Some(rest)) => format!("({} AND {rest})", self.compare("=", a, b)?.sql),
                ("<>", Some(rest)) => format!("({} OR {rest})", self.compare("<>", a, b)?.sql),
                (_, None) => self.compare(op, a, b)?.sql,
                (_, Some(rest)) => {
                    let strict = op.trim_end_matches('=');
                    let before = self.compare(strict, a.clone(), b.clone())?.sql;
                    let same = self.compare("=", a, b)?.sql;
                    format!("({before} OR ({same} AND {rest}))")
                }
            });
        }
        Ok(Ex::new(result.unwrap_or_else(|| "1".into()), Type::Bool))
    }

    fn concat(&mut self, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let text = Type::Text.into();
        if !left.ty.ty.is_string() || !right.ty.ty.is_string() {
            self.note_leaky();
        }
        match (&left.ty.ty, &right.ty.ty) {
            // `text || anynonarray`.
            (a, Type::Jsonb) | (Type::Jsonb, a) if a.is_string() => {
                let left = self.coerce(left, &text, How::Explicit)?;
                let right = self.coerce(right, &text, How::Explicit)?;
                Ok(Ex::new(
                    format!("({} || {})", left.sql, right.sql),
                    Type::Text,
                ))
            }
            (Type::Jsonb, _) | (_, Type::Jsonb) => {
                let left = self.coerce(left, &Type::Jsonb.into(), How::Implicit)?;
                let right = self.coerce(right, &Type::Jsonb.into(), How::Implicit)?;
                self.note_leaky();
                Ok(Ex::new(
                    format!("jsonb_concat({},{})", left.sql, right.sql),
                    Type::Jsonb,
                ))
            }
            (Type::Array(a), Type::Array(_) | Type::Unknown) => {
                let ty = Type::Array(a.clone());
                let right = self.coerce(right, &ty.clone().into(), How::Implicit)?;
                Ok(Ex::new(
                    format!("array_cat({},{})", left.sql, right.sql),
                    ty,
                ))
            }
            (Type::Unknown, Type::Array(b)) => {
                let ty = Type::Array(b.clone());
                let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
                Ok(Ex::new(
                    format!("array_cat({},{})", left.sql, right.sql),
                    ty,
                ))
            }
            (Type::Array(a), _) => {
                let (element, ty) = (a.as_ref().clone(), left.ty.ty.clone());
                let right = self.coerce(right, &element.into(), How::Implicit)?;
                let right = self.element(right)?;
                Ok(Ex::new(format!("array_append({},{right})", left.sql), ty))
            }
            (_, Type::Array(b)) => {
                let (element, ty) = (b.as_ref().clone(), right.ty.ty.clone());
                let left = self.coerce(left, &element.into(), How::Implicit)?;
                let left = self.element(left)?;
                Ok(Ex::new(format!("array_prepend({left},{})", right.sql), ty))
            }
            (Type::Bytea, _) | (_, Type::Bytea) => {
                let left = self.coerce(left, &Type::Bytea.into(), How::Implicit)?;
                let right = self.coerce(right, &Type::Bytea.into(), How::Implicit)?;
                Ok(Ex::new(
                    format!("bytea_cat({},{})", left.sql, right.sql),
                    Type::Bytea,
                ))
            }
            (a, b)
                if a.is_string()
                    || b.is_string()
                    || (*a == Type::Unknown && *b == Type::Unknown) =>
            {
                let left = self.coerce(left, &text, How::Assignment)?;
                let right = self.coerce(right, &text, How::Assignment)?;
                Ok(Ex::new(
                    format!("({} || {})", left.sql, right.sql),
                    Type::Text,
                ))
            }
            (Type::Unknown, _) | (_, Type::Unknown) => {
                let left = self.coerce(left, &text, How::Assignment)?;
                let right = self.coerce(right, &text, How::Assignment)?;
                Ok(Ex::new(
                    format!("({} || {})", left.sql, right.sql),
                    Type::Text,
                ))
            }
            _ => Err(undefined("||", &left, &right)),
        }
    }

    fn arithmetic(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        self.note_leaky();
        if left.ty.ty.is_number() && right.ty.ty.is_number()
            || left.ty.ty.is_number() && right.is_unknown()
            || left.is_unknown() && right.ty.ty.is_number()
        {
            return self.numbers(op, left, right);
        }
        if let Some(ex) = self.times(op, left.clone(), right.clone())? {
            return Ok(ex);
        }
        if op == "-" && left.ty.ty == Type::Jsonb {
            return match &right.ty.ty {
                Type::Int2 | Type::Int4 | Type::Int8 => Ok(Ex::new(
                    format!("jsonb_delete_index({},{})", left.sql, right.sql),
                    Type::Jsonb,
                )),
                Type::Array(_) => Ok(Ex::new(
                    format!("jsonb_delete_keys({},{})", left.sql, right.sql),
                    Type::Jsonb,
                )),
                _ => {
                    let right = self.coerce(right, &Type::Text.into(), How::Implicit)?;
                    Ok(Ex::new(
                        format!("jsonb_delete({},{})", left.sql, right.sql),
                        Type::Jsonb,
                    ))
                }
            };
        }
        if left.is_unknown() && right.is_unknown() {
            return Err(SqlError::new("42725", format!("operator is not unique: unknown {op} unknown"))
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts."));
        }
        Err(undefined(op, &left, &right))
    }

    fn numbers(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let mut ty = if left.is_unknown() {
            right.ty.ty.clone()
        } else if right.is_unknown() {
            left.ty.ty.clone()
        } else {
            wider(&left.ty.ty, &right.ty.ty)
        };
        if ty == Type::Float4 && (left.ty.ty != Type::Float4 || right.ty.ty != Type::Float4) {
            ty = Type::Float8;
        }
        if op == "^" && ty != Type::Numeric {
            ty = Type::Float8;
        }
        if op == "%" && matches!(ty, Type::Float4 | Type::Float8) {
            return Err(undefined(op, &left, &right));
        }
        let prefix = match ty {
            Type::Int2 => "i2",
            Type::Int4 => "i4",
            Type::Int8 => "i8",
            Type::Numeric => "n",
            Type::Float4 => "f4",
            _ => "f8",
        };
        let name = match op {
            "+" => "add",
            "-" => "sub",
            "*" => "mul",
            "/" => "div",
            "%" => "mod",
            _ => "pow",
        };
        let nullable = left.nullable || right.nullable;
        let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
        let right = self.coerce(right, &ty.clone().into(), How::Implicit)?;
        Ok(Ex {
            nullable,
            ..Ex::new(format!("{prefix}_{name}({},{})", left.sql, right.sql), ty)
        })
    }

    /// Dates, times and intervals. None when neither side is one.
    fn times(&mut self, op: &str, left: Ex, right: Ex) -> Result<Option<Ex>, SqlError> {
        use Type::{Date, Interval, Time, Timestamp, Timestamptz};
        let is_time = |ty: &Type| matches!(ty, Date | Time | Timestamp | Timestamptz | Interval);
        let (mut left, mut right) = (left, right);
        // An undecided side takes the type that the operator knows for the other one.
        if left.is_unknown() && is_time(&right.ty.ty) {
            let ty = match (op, &right.ty.ty) {
                ("-", ty) => ty.clone(),
                (_, Interval) => Interval,
                _ => Interval,
            };
            left = self.coerce(left, &ty.into(), How::Implicit)?;
        }
        if right.is_unknown() && is_time(&left.ty.ty) {
            let ty = match (op, &left.ty.ty) {
                ("-", Timestamp) => Timestamp,
                ("-", Timestamptz) => Timestamptz,
                ("-", Date) => Date,
                ("*" | "/", _) => Type::Float8,
                _ => Interval,
            };
            right = self.coerce(right, &ty.into(), How::Implicit)?;
        }
        if op == "+"
            && matches!(left.ty.ty, Interval)
            && matches!(right.ty.ty, Date | Time | Timestamp | Timestamptz)
        {
            std::mem::swap(&mut left, &mut right);
        }
        if op == "+" && left.ty.ty.is_integer() && right.ty.ty == Date {
            std::mem::swap(&mut left, &mut right);
        }
        if op == "*" && left.ty.ty.is_number() && right.ty.ty == Interval {
            std::mem::swap(&mut left, &mut right);
        }
        let (l, r) = (left.ty.ty.clone(), right.ty.ty.clone());
        if !is_time(&l) && !is_time(&r) {
            return Ok(None);
        }
        let (function, ty) = match (op, &l, &r) {
            ("+", Date, r) if r.is_integer() => ("date_add", Date),
            ("-", Date, r) if r.is_integer() => ("date_sub", Date),
            ("-", Date, Date) => ("date_diff", Type::Int4),
            ("+" | "-", Date, Interval) => {
                left = self.convert(left, &Timestamp);
                (if op == "+" { "ts_add" } else { "ts_sub" }, Timestamp)
            }
            ("+", Date, Time) => {
                left = self.convert(left, &Timestamp);
                right = self.convert(right, &Interval);
                ("ts_add", Timestamp)
            }
            ("+", Timestamp | Timestamptz, Interval) => ("ts_add", l.clone()),
            ("-", Timestamp | Timestamptz, Interval) => ("ts_sub", l.clone()),
            ("-", Timestamp | Timestamptz | Date, Timestamp | Timestamptz | Date) => {
                let common = if l == Timestamptz || r == Timestamptz {
                    Timestamptz
                } else {
                    Timestamp
                };
                left = self.convert(left, &common);
                right = self.convert(right, &common);
                ("ts_diff", Interval)
            }
            ("+", Time, Interval) => ("time_add", Time),
            ("-", Time, Interval) => ("time_sub", Time),
            ("-", Time, Time) => ("time_diff", Interval),
            ("+", Interval, Interval) => ("iv_add", Interval),
            ("-", Interval, Interval) => ("iv_sub", Interval),
            ("*", Interval, r) if r.is_number() => {
                right = self.coerce(right, &Type::Float8.into(), How::Assignment)?;
                ("iv_mul", Interval)
            }
            ("/", Interval, r) if r.is_number() => {
                right = self.coerce(right, &Type::Float8.into(), How::Assignment)?;
                ("iv_div", Interval)
            }
            _ => return Err(undefined(op, &left, &right)),
        };
        Ok(Some(Ex::new(
            format!("{function}({},{})", left.sql, right.sql),
            ty,
        )))
    }

    fn json_member(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let ty = self.json_side(op, &left, &right)?;
        self.note_leaky();
        let (function, right) = if right.ty.ty.is_integer() {
            ("index", right)
        } else {
            (
                "key",
                self.coerce(right, &Type::Text.into(), How::Implicit)?,
            )
        };
        let (suffix, result) = if op == "->>" {
            ("_text", Type::Text)
        } else {
            ("", ty.clone())
        };
        let prefix = if ty == Type::Jsonb { "jsonb" } else { "json" };
        Ok(Ex::new(
            format!("{prefix}_{function}{suffix}({},{})", left.sql, right.sql),
            result,
        ))
    }

    fn json_path(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let ty = self.json_side(op, &left, &right)?;
        self.note_leaky();
        let right = self.coerce(right, &Type::Text.array().into(), How::Implicit)?;
        let prefix = if ty == Type::Jsonb { "jsonb" } else { "json" };
        let (function, result) = match op {
            "#>>" => (format!("{prefix}_path_text"), Type::Text),
            "#>" => (format!("{prefix}_path"), ty),
            _ => ("jsonb_delete_path".to_owned(), Type::Jsonb),
        };
        Ok(Ex::new(
            format!("{function}({},{})", left.sql, right.sql),
            result,
        ))
    }

    fn json_side(&self, op: &str, left: &Ex, right: &Ex) -> Result<Type, SqlError> {
        match left.ty.ty {
            Type::Json | Type::Jsonb => Ok(left.ty.ty.clone()),
            _ => Err(undefined(op, left, right)),
        }
    }

    fn containment(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let Some(ty) = comparison_type(&left, &right) else {
            return Err(undefined(op, &left, &right));
        };
        let function = match &ty {
            Type::Jsonb => "jsonb_contains",
            Type::Array(_) => "array_contains",
            _ => return Err(undefined(op, &left, &right)),
        };
        self.note_leaky();
        let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
        let code = element_code(&ty);
        let right = self.coerce(right, &ty.into(), How::Implicit)?;
        let (outer, inner) = if op == "@>" {
            (left, right)
        } else {
            (right, left)
        };
        Ok(Ex::new(
            format!("{function}({},{}{code})", outer.sql, inner.sql),
            Type::Bool,
        ))
    }

    fn overlap(&mut self, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        match comparison_type(&left, &right) {
            Some(ty @ Type::Array(_)) => {
                self.note_leaky();
                let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
                let code = element_code(&ty);
                let right = self.coerce(right, &ty.into(), How::Implicit)?;
                Ok(Ex::new(
                    format!("array_overlaps({},{}{code})", left.sql, right.sql),
                    Type::Bool,
                ))
            }
            _ => Err(undefined("&&", &left, &right)),
        }
    }

    fn json_exists(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        if left.ty.ty != Type::Jsonb {
            return Err(undefined(op, &left, &right));
        }
        self.note_leaky();
        let (function, ty) = match op {
            "?" => ("jsonb_exists", Type::Text),
            "?|" => ("jsonb_exists_any", Type::Text.array()),
            _ => ("jsonb_exists_all", Type::Text.array()),
        };
        let right = self.coerce(right, &ty.into(), How::Implicit)?;
        Ok(Ex::new(
            format!("{function}({},{})", left.sql, right.sql),
            Type::Bool,
        ))
    }

    fn regex(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        self.note_leaky();
        let both = (left.ty.ty.is_string() || left.is_unknown())
            && (right.ty.ty.is_string() || right.is_unknown());
        if !both {
            return Err(undefined(op, &left, &right));
        }
        let left = self.coerce(left, &Type::Text.into(), How::Implicit)?;
        let right = self.coerce(right, &Type::Text.into(), How::Implicit)?;
        let insensitive = i32::from(op.ends_with('*'));
        let call = format!("pg_regex({},{},{insensitive})", left.sql, right.sql);
        let sql = if op.starts_with('!') {
            format!("(NOT {call})")
        } else {
            call
        };
        Ok(Ex::new(sql, Type::Bool))
    }

    /// `LIKE`, `ILIKE`, `SIMILAR TO` with an optional escape.
    pub(super) fn pattern(
        &mut self,
        function: &str,
        negated: bool,
        value: Ex,
        pattern: Ex,
        escape: Option<Ex>,
    ) -> Result<Ex, SqlError> {
        self.note_leaky();
        let op = if function == "pg_ilike" { "~~*" } else { "~~" };
        let both = (value.ty.ty.is_string() || value.is_unknown())
            && (pattern.ty.ty.is_string() || pattern.is_unknown());
        if !both {
            return Err(undefined(op, &value, &pattern));
        }
        let value = self.coerce(value, &Type::Text.into(), How::Implicit)?;
        let pattern = self.coerce(pattern, &Type::Text.into(), How::Implicit)?;
        let call = match escape {
            Some(escape) => {
                let escape = self.coerce(escape, &Type::Text.into(), How::Implicit)?;
                format!("{function}({},{},{})", value.sql, pattern.sql, escape.sql)
            }
            None => format!("{function}({},{})", value.sql, pattern.sql),
        };
        let sql = if negated {
            format!("(NOT {call})")
        } else {
            call
        };
        Ok(Ex {
            nullable: value.nullable || pattern.nullable,
            ..Ex::new(sql, Type::Bool)
        })
    }

    fn bits(&mut self, op: &str, left: Ex, right: Ex) -> Result<Ex, SqlError> {
        let ty = match (&left.ty.ty, &right.ty.ty) {
            (a, b) if a.is_integer() && b.is_integer() => wider(a, b),
            (a, Type::Unknown) if a.is_integer() => a.clone(),
            (Type::Unknown, b) if b.is_integer() => b.clone(),
            _ => return Err(undefined(op, &left, &right)),
        };
        let left = self.coerce(left, &ty.clone().into(), How::Implicit)?;
        let right = self.coerce(right, &ty.clone().into(), How::Implicit)?;
        let sql = match op {
            "#" => format!("(({l} | {r}) & ~({l} & {r}))", l = left.sql, r = right.sql),
            _ => format!("({} {op} {})", left.sql, right.sql),
        };
        Ok(Ex::new(sql, ty))
    }

    /// Prefix operators.
    pub(super) fn unary(&mut self, op: &str, ex: Ex, span: Span) -> Result<Ex, SqlError> {
        if let ("-", ExKind::Number(text)) = (op, &ex.kind) {
            let opposite = text
                .strip_prefix('-')
                .map_or_else(|| format!("-{text}"), str::to_owned);
            return Ok(super::expr::number(&opposite));
        }
        let ty = ex.ty.ty.clone();
        match (op, &ty) {
            ("+", ty) if ty.is_number() => Ok(ex),
            ("-", Type::Unknown) => {
                let ex = self.coerce(ex, &Type::Float8.into(), How::Implicit)?;
                Ok(Ex::new(format!("f8_sub(0.0,{})", ex.sql), Type::Float8))
            }
            ("-", ty) if ty.is_number() => {
                self.note_leaky();
                let prefix = match ty {
                    Type::Int2 => "i2_neg",
                    Type::Int4 => "i4_neg",
                    Type::Int8 => "i8_neg",
                    Type::Numeric => "n_neg",
                    _ => return Ok(Ex { nullable: ex.nullable, ..Ex::new(format!("(-{})", ex.sql), ty.clone()) }),
                };
                Ok(Ex { nullable: ex.nullable, ..Ex::new(format!("{prefix}({})", ex.sql), ty.clone()) })
            }
            ("-", Type::Interval) => Ok(Ex::new(format!("iv_neg({})", ex.sql), Type::Interval)),
            ("~", ty) if ty.is_integer() => Ok(Ex::new(format!("(~{})", ex.sql), ty.clone())),
            ("@", ty) if ty.is_number() => {
                let name = plinth_sql::ast::ObjectName::bare("abs");
                self.builtin_call(&name, vec![ex])
            }
            _ => Err(SqlError::new("42883", format!("operator does not exist: {op} {ty}"))
                .hint("No operator matches the given name and argument type. You might need to add an explicit type cast.")
                .at(span)),
        }
    }

    /// A value as an array's storage holds it: the text form of the element, or the nested array.
    pub(super) fn element(&mut self, ex: Ex) -> Result<String, SqlError> {
        self.note_leaky();
        let ex = self.settle(ex)?;
        Ok(match &ex.ty.ty {
            Type::Array(_) => format!("json({})", ex.sql),
            ty if ty.is_string() || *ty == Type::Numeric => ex.sql,
            ty => format!("pg_element({},{})", ex.sql, literal(&type_code(ty))),
        })
    }

    /// An element of an array's storage as a value.
    pub(super) fn from_element(sql: &str, ty: &Type) -> String {
        match ty {
            Type::Text
            | Type::Varchar
            | Type::Name
            | Type::Numeric
            | Type::Json
            | Type::Enum(_) => sql.to_owned(),
            Type::Int2 | Type::Int4 | Type::Int8 => format!("CAST({sql} AS INTEGER)"),
            ty => format!("pg_in({sql},{})", literal(&type_code(ty))),
        }
    }
}

/// The type in which two sides are compared; none when they have none in common.
pub(super) fn comparison_type(left: &Ex, right: &Ex) -> Option<Type> {
    let (a, b) = (&left.ty.ty, &right.ty.ty);
    Some(match (a, b) {
        (Type::Unknown, Type::Unknown) => Type::Text,
        (Type::Unknown, known) | (known, Type::Unknown) => known.clone(),
        (a, b) if a == b => a.clone(),
        (a, b) if a.is_number() && b.is_number() => {
            let wide = wider(a, b);
            if wide == Type::Float4 {
                Type::Float8
            } else {
                wide
            }
        }
        // char(n) keeps its own comparison only among its kind.
        (a, b) if a.is_string() && b.is_string() => Type::Text,
        (a, b) if castable(a, b, How::Implicit) => b.clone(),
        (a, b) if castable(b, a, How::Implicit) => a.clone(),
        _ => return None,
    })
}

/// `,'int4[]'` for arrays, whose functions compare elements by their type; nothing for other types.
fn element_code(ty: &Type) -> String {
    if matches!(ty, Type::Array(_)) {
        format!(",{}", literal(&type_code(ty)))
    } else {
        String::new()
    }
}

fn wider(a: &Type, b: &Type) -> Type {
    if castable(a, b, How::Implicit) {
        b.clone()
    } else {
        a.clone()
    }
}

/// The right side of `left = right`, where the comparison takes its left side as it is.
pub(super) fn compared_with<'a>(left: &Ex, equal: &'a Ex) -> Option<&'a str> {
    let inside = equal.sql.strip_prefix('(')?.strip_suffix(')')?;
    inside.strip_prefix(left.sql.as_str())?.strip_prefix(" = ")
}

/// `42883`.
pub(super) fn undefined(op: &str, left: &Ex, right: &Ex) -> SqlError {
    SqlError::new("42883", format!("operator does not exist: {} {op} {}", left.ty.ty, right.ty.ty))
        .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}
