//! From one type to another: what is allowed, and how SQLite is told.

use plinth_sql::SqlError;
use plinth_sql::types::io::{self, Stored};
use plinth_sql::types::{ColumnType, Type};

use super::{Bind, Ex, ExKind, Translator};
use crate::names::{literal, type_code};

/// Who asked for the conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// The context: operators, function arguments.
    Implicit,
    /// Storing into a column.
    Assignment,
    /// `CAST` or `::`.
    Explicit,
}

impl Translator<'_> {
    /// The expression as a value of `target`, or `42846` when there is no such conversion.
    pub(crate) fn coerce(&mut self, ex: Ex, target: &ColumnType, how: How) -> Result<Ex, SqlError> {
        match &ex.kind {
            ExKind::Null => {
                return Ok(Ex {
                    sql: "NULL".into(),
                    ty: target.clone(),
                    kind: ExKind::Null,
                    nullable: true,
                });
            }
            ExKind::Literal(text) => return self.literal(text, target, how),
            ExKind::Param(place) => {
                let place = *place;
                // Within an explicit cast the parameter itself is text of that type; modifiers come after it.
                let bound = ColumnType::from(target.ty.clone());
                self.params[place - 1] = bound.clone();
                let sql = self.bind(Bind::Param(place));
                return self.with_modifier(Ex::new(sql, bound), target, how);
            }
            ExKind::Number(text) if ex.ty.ty != target.ty && target.ty.is_number() => {
                return self.number(text, target, how);
            }
            ExKind::Plain | ExKind::Number(_) | ExKind::Row(_) => {}
        }
        if matches!(ex.kind, ExKind::Row(_)) && target.ty == Type::Text {
            return self.row_text(ex);
        }
        let from = ex.ty.ty.clone();
        if from != target.ty && !castable(&from, &target.ty, how) {
            return Err(SqlError::new(
                "42846",
                format!("cannot cast type {from} to {}", target.ty),
            ));
        }
        let converted = self.convert(ex, &target.ty);
        self.with_modifier(converted, target, how)
    }

    /// `(1,"a b",)`.
    pub(crate) fn row_text(&mut self, row: Ex) -> Result<Ex, SqlError> {
        let ExKind::Row(fields) = row.kind else {
            return Ok(row);
        };
        let mut texts = Vec::with_capacity(fields.len());
        for (_, field) in fields {
            let field = self.settle(field)?;
            texts.push(self.coerce(field, &Type::Text.into(), How::Explicit)?.sql);
        }
        Ok(Ex::new(
            format!("row_text({})", texts.join(",")),
            Type::Text,
        ))
    }

    /// A constant of a type, read now as Postgres does.
    fn literal(&mut self, text: &str, target: &ColumnType, how: How) -> Result<Ex, SqlError> {
        let plain = ColumnType::from(target.ty.clone());
        let value = self.input(&plain, text)?;
        let ex = Ex::new(constant(&value), plain).not_null();
        let ex = if ex.ty.ty == Type::Unknown {
            Ex {
                ty: Type::Text.into(),
                ..ex
            }
        } else {
            ex
        };
        self.with_modifier(ex, target, how)
    }

    fn number(&mut self, text: &str, target: &ColumnType, how: How) -> Result<Ex, SqlError> {
        let plain = ColumnType::from(target.ty.clone());
        let integer = !text.contains(['.', 'e', 'E']);
        let value = if target.ty.is_integer() && !integer {
            // 1.5 assigned to an integer column rounds, as a cast from numeric does.
            let ex = Ex::new(literal(text), Type::Numeric).not_null();
            let converted = self.convert(ex, &target.ty);
            return self.with_modifier(converted, target, how);
        } else if target.ty.is_integer() {
            self.input(&plain, text)
                .map_err(|_| SqlError::new("22003", format!("{} out of range", target.ty)))?
        } else {
            self.input(&plain, text)?
        };
        self.with_modifier(Ex::new(constant(&value), plain).not_null(), target, how)
    }

    /// Reads the text form of a value.
    pub(crate) fn input(&self, ty: &ColumnType, text: &str) -> Result<Stored, SqlError> {
        // Whatever the type: these may stand inside arrays, too, and the price is a plan that is not kept.
        let lower = text.to_ascii_lowercase();
        let moments = ["now", "today", "tomorrow", "yesterday"];
        if moments.iter().any(|moment| lower.contains(moment)) {
            self.timed.set(true);
        }
        let catalog = self.catalog;
        io::input(
            ty,
            text,
            &|name: &plinth_sql::catalog::QName| {
                catalog.enums.get(name).map(|known| known.labels.clone())
            },
            self.now,
        )
    }

    /// Applies `(10,2)` and the like.
    fn with_modifier(&mut self, ex: Ex, target: &ColumnType, how: How) -> Result<Ex, SqlError> {
        if target.modifier.is_none() || target.modifier == ex.ty.modifier {
            return Ok(Ex {
                ty: target.clone(),
                ..ex
            });
        }
        self.note_leaky();
        let (first, second) = target.modifier.unwrap_or_default();
        let explicit = i32::from(how == How::Explicit);
        let sql = format!(
            "pg_mod({},{},{first},{second},{explicit})",
            ex.sql,
            literal(&type_code(&target.ty))
        );
        Ok(Ex {
            sql,
            ty: target.clone(),
            kind: ExKind::Plain,
            nullable: ex.nullable,
        })
    }

    /// The value in another type's storage form; the conversion is known to exist.
    pub(crate) fn convert(&mut self, ex: Ex, to: &Type) -> Ex {
        let from = &ex.ty.ty;
        if from == to {
            return Ex {
                ty: to.clone().into(),
                ..ex
            };
        }
        let sql = &ex.sql;
        let converted = match (from, to) {
            (Type::Bpchar, to) if to.is_string() => format!("rtrim({sql},' ')"),
            (from, to) if from.is_string() && to.is_string() => sql.clone(),
            (Type::Int2, Type::Int4 | Type::Int8)
            | (Type::Int4, Type::Int8)
            | (Type::Float4, Type::Float8) => sql.clone(),
            (Type::Int2 | Type::Int4 | Type::Int8, Type::Numeric) => format!("CAST({sql} AS TEXT)"),
            (Type::Int2 | Type::Int4 | Type::Int8, Type::Float8) => format!("CAST({sql} AS REAL)"),
            (Type::Int4, Type::Bool) => format!("({sql} <> 0)"),
            (Type::Bool, Type::Int4) => sql.clone(),
            (Type::Regclass, to) if to.is_string() => sql.clone(),
            (from, to) if to.is_string() => {
                self.note_leaky();
                format!("pg_out({sql},{})", literal(&type_code(from)))
            }
            (from, to) if from.is_string() => {
                self.note_leaky();
                format!("pg_in({sql},{})", literal(&type_code(to)))
            }
            (from, to) => {
                self.note_leaky();
                format!(
                    "pg_cast({sql},{},{})",
                    literal(&type_code(from)),
                    literal(&type_code(to))
                )
            }
        };
        Ex {
            sql: converted,
            ty: to.clone().into(),
            kind: ExKind::Plain,
            nullable: ex.nullable,
        }
    }

    /// What nobody decided becomes text.
    pub(crate) fn settle(&mut self, ex: Ex) -> Result<Ex, SqlError> {
        if ex.is_unknown() {
            self.coerce(ex, &Type::Text.into(), How::Implicit)
        } else {
            Ok(ex)
        }
    }

    /// A condition: boolean, or `42804` naming where.
    pub(crate) fn boolean(&mut self, ex: Ex, place: &str) -> Result<Ex, SqlError> {
        if ex.ty.ty != Type::Bool && !ex.is_unknown() {
            return Err(SqlError::new(
                "42804",
                format!(
                    "argument of {place} must be type boolean, not type {}",
                    ex.ty.ty
                ),
            ));
        }
        self.coerce(ex, &Type::Bool.into(), How::Implicit)
    }

    /// The one type that all of these can take, as `CASE`, `UNION` and arrays need it.
    pub(crate) fn common_type(&self, items: &[&Ex], place: &str) -> Result<Type, SqlError> {
        let mut common: Option<Type> = None;
        for ex in items {
            if ex.is_unknown() {
                continue;
            }
            let ty = ex.ty.ty.clone();
            common = Some(match common {
                None => ty,
                Some(known) if known == ty => known,
                Some(known) if castable(&ty, &known, How::Implicit) => known,
                Some(known) if castable(&known, &ty, How::Implicit) => ty,
                Some(known) => {
                    return Err(SqlError::new(
                        "42804",
                        format!("{place} types {known} and {ty} cannot be matched"),
                    ));
                }
            });
        }
        Ok(common.unwrap_or(Type::Text))
    }
}

/// Whether Postgres has such a conversion for whoever asks.
pub(crate) fn castable(from: &Type, to: &Type, how: How) -> bool {
    use Type::{
        Array, Bool, Bpchar, Bytea, Date, Enum, Float4, Float8, Int2, Int4, Int8, Interval, Json,
        Jsonb, Numeric, Regclass, Text, Time, Timestamp, Timestamptz, Unknown,
    };
    if from == to || *from == Unknown {
        return true;
    }
    let rank = |ty: &Type| match ty {
        Int2 => Some(1),
        Int4 => Some(2),
        Int8 => Some(3),
        Numeric => Some(4),
        Float4 => Some(5),
        Float8 => Some(6),
        _ => None,
    };
    if let (Some(a), Some(b)) = (rank(from), rank(to)) {
        return a < b || how >= How::Assignment;
    }
    match (from, to) {
        (from, to) if from.is_string() && to.is_string() => true,
        (Date, Timestamp | Timestamptz) | (Timestamp, Timestamptz) | (Time, Interval) => true,
        (Timestamp | Timestamptz, Date | Time) | (Timestamptz, Timestamp) | (Interval, Time) => {
            how >= How::Assignment
        }
        (Json, Jsonb) | (Jsonb, Json) => how >= How::Assignment,
        (Regclass, Text) | (Int8 | Int4, Regclass) => true,
        (Array(a), Array(b)) => castable(a, b, how),
        (Bool, Int4) | (Int4, Bool) => how == How::Explicit,
        (Jsonb, Bool | Int2 | Int4 | Int8 | Numeric | Float4 | Float8) => how == How::Explicit,
        (Enum(_), Enum(_)) | (Bytea, Bool) => false,
        (Type::Record | Type::Row(_) | Type::Void | Type::Trigger, _)
        | (_, Type::Record | Type::Row(_) | Type::Void) => false,
        // Every type has a text form, and reading one back must be asked for.
        (_, to) if to.is_string() => how >= How::Assignment,
        (Text | Type::Varchar | Bpchar | Type::Name, _) => how == How::Explicit,
        _ => false,
    }
}

/// A stored value as SQLite text.
pub(crate) fn constant(value: &Stored) -> String {
    match value {
        Stored::Null => "NULL".into(),
        // The smallest integer has no literal of its own.
        Stored::Int(i64::MIN) => "(-9223372036854775807 - 1)".into(),
        Stored::Int(value) if *value < 0 => format!("({value})"),
        Stored::Int(value) => value.to_string(),
        Stored::Real(value) if value.is_infinite() => {
            if *value > 0.0 { "9e999" } else { "(-9e999)" }.into()
        }
        Stored::Real(value) => format!("({value:?})"),
        Stored::Text(value) if value.contains('\0') => "NULL".into(),
        Stored::Text(value) => literal(value),
        Stored::Blob(bytes) => format!("X'{}'", hex::encode(bytes)),
    }
}
