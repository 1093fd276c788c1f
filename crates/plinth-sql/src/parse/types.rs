//! Type names: those made of several words, modifiers, arrays, `%TYPE`.

use super::interval::Fields;
use super::lexer::Tok;
use super::parser::{PResult, Parser, object_name, refused};
use crate::SqlError;
use crate::ast::{Expr, ObjectName, Span, TypeName};

/// Words that begin a type and could otherwise be a column.
pub(super) const KEYWORD_TYPES: &[&str] = &[
    "int",
    "integer",
    "smallint",
    "bigint",
    "real",
    "float",
    "double",
    "decimal",
    "dec",
    "numeric",
    "boolean",
    "bit",
    "character",
    "char",
    "varchar",
    "national",
    "nchar",
    "timestamp",
    "time",
    "interval",
];

/// Type names in `pg_catalog` are those that stand without a schema.
pub(super) fn without_pg_catalog(mut name: ObjectName) -> ObjectName {
    if name.schema.as_deref() == Some("pg_catalog") {
        name.schema = None;
    }
    name
}

fn whole_number(text: &str, span: Span) -> PResult<i32> {
    let error = || SqlError::new("22P02", "invalid input syntax for type integer").at(span);
    text.parse().map_err(|_| Box::new(error()))
}

fn not_simple(span: Span) -> Box<SqlError> {
    let message = "type modifiers must be simple constants or identifiers";
    Box::new(SqlError::syntax(message, span))
}

impl Parser<'_> {
    /// A type, arrays included.
    pub(super) fn type_name(&mut self) -> PResult<TypeName> {
        let start = self.here();
        // In the grammar any type may be a set; what it stands for allows it only as a result.
        let set = self.eat("setof");
        let ty = self.simple_type()?;
        let ty = self.array_bounds(ty)?;
        if set {
            return Err(refused("SETOF here", self.since(start)));
        }
        Ok(ty)
    }

    /// A type where a function may also say `table.column%TYPE`.
    pub(super) fn function_type(&mut self) -> PResult<TypeName> {
        let dotted = self.is_function_name_at(0) && self.is_sym_at(1, ".");
        if !dotted || !self.ends_in_percent_type() {
            return self.type_name();
        }
        let start = self.here();
        let mut parts = vec![self.function_name()?];
        while self.eat_sym(".") {
            parts.push(self.label()?);
        }
        let column = parts.pop();
        let span = self.since(start);
        self.expect_sym("%")?;
        self.expect("type")?;
        let name = object_name(parts, span)?;
        Ok(TypeName {
            name,
            percent_column: column,
            ..TypeName::simple("")
        })
    }

    fn ends_in_percent_type(&self) -> bool {
        let mut ahead = 1;
        while self.is_sym_at(ahead, ".") {
            ahead += 2;
        }
        self.is_sym_at(ahead, "%") && self.word_at(ahead + 1) == "type"
    }

    /// A type without array brackets.
    pub(super) fn simple_type(&mut self) -> PResult<TypeName> {
        let start = self.here();
        let word = match self.word() {
            "double" if self.word_at(1) != "precision" => "",
            word if KEYWORD_TYPES.contains(&word) => word,
            _ => "",
        };
        let canonical = match word {
            "" => return self.named_type(),
            "int" | "integer" => "int4",
            "smallint" => "int2",
            "bigint" => "int8",
            "real" => "float4",
            "boolean" => "bool",
            "decimal" | "dec" | "numeric" => {
                self.advance();
                return self.with_modifiers("numeric", start);
            }
            "double" => {
                self.advance();
                "float8"
            }
            "float" => return self.float(),
            "bit" => return self.bit(),
            "timestamp" => return self.time("timestamp", "timestamptz"),
            "time" => return self.time("time", "timetz"),
            "interval" => return self.interval_type(),
            _ => return self.character(),
        };
        self.advance();
        Ok(self.built_in(canonical, Vec::new(), start))
    }

    fn built_in(&self, name: &str, modifiers: Vec<i32>, start: Span) -> TypeName {
        let name = ObjectName {
            span: self.since(start),
            ..ObjectName::bare(name)
        };
        TypeName {
            name,
            modifiers,
            ..TypeName::simple("")
        }
    }

    fn with_modifiers(&mut self, name: &str, start: Span) -> PResult<TypeName> {
        let modifiers = self.modifiers()?;
        Ok(self.built_in(name, modifiers, start))
    }

    /// `(10, 2)` when it stands here.
    fn modifiers(&mut self) -> PResult<Vec<i32>> {
        if self.is_sym("(") {
            self.paren_list(Parser::modifier)
        } else {
            Ok(Vec::new())
        }
    }

    /// One of a modifier list: in the grammar any expression, for all types that there are a number.
    pub(super) fn modifier(&mut self) -> PResult<i32> {
        let span = self.here();
        let expr = self.expr()?;
        if !self.is_sym(",") && !self.is_sym(")") {
            return Err(self.unexpected());
        }
        let text = match expr {
            Expr::Number(text) => text,
            Expr::Unary { op, expr, .. } => match *expr {
                Expr::Number(text) if op == "-" => format!("-{text}"),
                Expr::Number(text) if op == "+" => text,
                _ => return Err(not_simple(self.since(span))),
            },
            Expr::String(_) | Expr::Column(_) => {
                let what = "a type modifier that is not a number";
                return Err(refused(what, self.since(span)));
            }
            _ => return Err(not_simple(self.since(span))),
        };
        whole_number(&text, span)
    }

    /// A number and nothing else.
    pub(super) fn precision(&mut self) -> PResult<i32> {
        let span = self.here();
        whole_number(&self.numeric()?, span)
    }

    fn named_type(&mut self) -> PResult<TypeName> {
        let start = self.here();
        let first = self.function_name()?;
        let name = without_pg_catalog(self.rest_of_name(first, start)?);
        let modifiers = self.modifiers()?;
        Ok(TypeName {
            name,
            modifiers,
            ..TypeName::simple("")
        })
    }

    fn float(&mut self) -> PResult<TypeName> {
        let start = self.advance();
        let place = self.here();
        let name = match self.modifiers()?.as_slice() {
            [] | [25..=53] => "float8",
            [1..=24] => "float4",
            [..=0] => {
                let message = "precision for type float must be at least 1 bit";
                return Err(Box::new(SqlError::new("22023", message).at(place)));
            }
            [_] => {
                let message = "precision for type float must be less than 54 bits";
                return Err(Box::new(SqlError::new("22023", message).at(place)));
            }
            _ => return Err(self.unexpected()),
        };
        Ok(self.built_in(name, Vec::new(), start))
    }

    fn bit(&mut self) -> PResult<TypeName> {
        let start = self.advance();
        let name = if self.eat("varying") { "varbit" } else { "bit" };
        let mut ty = self.with_modifiers(name, start)?;
        if name == "bit" && ty.modifiers.is_empty() {
            ty.modifiers.push(1);
        }
        Ok(ty)
    }

    fn character(&mut self) -> PResult<TypeName> {
        let start = self.here();
        if self.eat("national") {
            if !self.is_any(&["character", "char"]) {
                return Err(self.unexpected());
            }
        } else if self.eat("varchar") {
            return self.with_modifiers("varchar", start);
        }
        self.advance();
        if self.eat("varying") {
            return self.with_modifiers("varchar", start);
        }
        let mut ty = self.with_modifiers("bpchar", start)?;
        if ty.modifiers.is_empty() {
            ty.modifiers.push(1);
        }
        Ok(ty)
    }

    /// `timestamp(3) with time zone` and `time`.
    fn time(&mut self, plain: &str, zoned: &str) -> PResult<TypeName> {
        let start = self.advance();
        let modifiers = self.modifiers()?;
        let with_zone = self.eat_all(&["with", "time", "zone"]);
        if !with_zone {
            self.eat_all(&["without", "time", "zone"]);
        }
        Ok(self.built_in(if with_zone { zoned } else { plain }, modifiers, start))
    }

    fn interval_type(&mut self) -> PResult<TypeName> {
        let start = self.advance();
        let ty = self.with_modifiers("interval", start)?;
        if ty.modifiers.is_empty() && self.interval_fields()?.is_some() {
            return Err(refused("an interval type with fields", self.since(start)));
        }
        Ok(ty)
    }

    /// `YEAR TO MONTH`, `DAY`, `SECOND(3)`, … behind an interval: the fields and the precision.
    pub(super) fn interval_fields(&mut self) -> PResult<Option<(Fields, Option<i32>)>> {
        const FIELDS: &[&str] = &["year", "month", "day", "hour", "minute", "second"];
        let Some(first) = self.eat_any(FIELDS) else {
            return Ok(None);
        };
        let mut last = first;
        if self.is("to") {
            let ends: &[&'static str] = match first {
                "year" => &["month"],
                "day" => &["hour", "minute", "second"],
                "hour" => &["minute", "second"],
                "minute" => &["second"],
                _ => return Err(self.unexpected()),
            };
            self.advance();
            last = self.expect_any(ends)?;
        }
        let mut precision = None;
        if last == "second" && self.eat_sym("(") {
            precision = Some(self.precision()?);
            self.expect_sym(")")?;
        }
        Ok(Some(((first, last), precision)))
    }

    /// `[]`, `[3][]`, `ARRAY`, `ARRAY[3]`: Postgres ignores the numbers.
    fn array_bounds(&mut self, mut ty: TypeName) -> PResult<TypeName> {
        if self.eat("array") {
            if self.is_sym("[") {
                self.array_bound()?;
            }
            ty.array_dimensions = 1;
            return Ok(ty);
        }
        while self.is_sym("[") {
            self.array_bound()?;
            ty.array_dimensions = ty.array_dimensions.saturating_add(1);
        }
        Ok(ty)
    }

    fn array_bound(&mut self) -> PResult<()> {
        self.expect_sym("[")?;
        if matches!(self.token().tok, Tok::Number(_)) {
            self.advance();
        }
        self.expect_sym("]").map(drop)
    }
}
