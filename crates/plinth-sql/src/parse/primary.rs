//! What operators stand between: constants, columns, parentheses, `CASE`, arrays, and the casts and subscripts behind them.

use super::expr::{Paren, paren_value};
use super::interval;
use super::keywords::{self, Class};
use super::lexer::Tok;
use super::parser::{PResult, Parser, object_name, refused, too_many_dots};
use crate::SqlError;
use crate::ast::{Call, CallArg, ColumnRef, Expr, ObjectName, Query, Span, TypeName};

impl Parser<'_> {
    /// An operand with everything that is bound to it.
    pub(super) fn primary(&mut self) -> PResult<Expr> {
        let (expr, subscripts) = match &self.token().tok {
            Tok::Number(text) => (Expr::Number(text.clone()), false),
            Tok::String(text) => (Expr::String(text.clone()), false),
            Tok::National(text) => {
                let text = Expr::String(text.clone());
                (Expr::cast(text, TypeName::simple("bpchar")), false)
            }
            Tok::Param(number) => (Expr::Param(*number), true),
            Tok::Sym("(") => {
                let inner = self.paren()?;
                let row = matches!(&inner, Paren::List(list) if list.len() > 1);
                return self.postfix(paren_value(inner), !row);
            }
            Tok::Word(_) | Tok::Quoted(_) => return self.word_primary(),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        self.postfix(expr, subscripts)
    }

    /// `[1]`, `[1:2]`, `.field` where they may stand, and `::type`.
    pub(super) fn postfix(&mut self, mut expr: Expr, mut subscripts: bool) -> PResult<Expr> {
        loop {
            if self.eat_sym("::") {
                let ty = self.type_name()?;
                expr = Expr::Cast {
                    expr: Box::new(expr),
                    ty,
                };
                subscripts = false;
            } else if subscripts && self.is_sym("[") {
                expr = self.subscript(expr)?;
            } else if subscripts && self.is_sym(".") {
                let start = self.advance();
                if self.eat_sym("*") {
                    return Err(refused("expanding a row value with .*", self.since(start)));
                }
                expr = Expr::Field {
                    base: Box::new(expr),
                    name: self.label()?,
                };
            } else {
                return Ok(expr);
            }
            self.grow(1)?;
        }
    }

    fn subscript(&mut self, base: Expr) -> PResult<Expr> {
        let base = Box::new(base);
        self.expect_sym("[")?;
        let low = if self.is_sym(":") {
            None
        } else {
            Some(Box::new(self.expr()?))
        };
        let found = if self.eat_sym(":") {
            let high = if self.is_sym("]") {
                None
            } else {
                Some(Box::new(self.expr()?))
            };
            Expr::Slice { base, low, high }
        } else {
            match low {
                Some(index) => Expr::Index { base, index },
                None => return Err(self.unexpected()),
            }
        };
        self.expect_sym("]")?;
        Ok(found)
    }

    fn word_primary(&mut self) -> PResult<Expr> {
        let class = keywords::class(self.word());
        // Words that are free, and quoted names, can only begin names; and so may `time` and its kind, as columns.
        let special = match class {
            Class::Free if self.is("double") => self.typed_constant()?,
            Class::Free | Class::FunctionName
                if !self.is("collation") && !self.is("current_schema") =>
            {
                None
            }
            Class::Free | Class::FunctionName => self.special_function()?,
            Class::ColumnName => match self.typed_constant()? {
                Some(found) => Some(found),
                None => self.column_name_form()?,
            },
            Class::Reserved => Some(self.reserved_form()?),
        };
        match special {
            Some(expr) => self.postfix(expr, false),
            None => self.named(),
        }
    }

    /// Expressions that begin with a reserved word.
    fn reserved_form(&mut self) -> PResult<Expr> {
        let constant = match self.word() {
            "null" => Expr::Null,
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "default" => Expr::Default,
            "case" => return self.case(),
            "array" => return self.array(),
            "cast" => return self.cast(),
            "unique" if self.is_sym_at(1, "(") => {
                let error = SqlError::new("0A000", "UNIQUE predicate is not yet implemented");
                return Err(Box::new(error.at(self.here())));
            }
            _ => return self.special_function()?.ok_or_else(|| self.unexpected()),
        };
        self.advance();
        Ok(constant)
    }

    /// Expressions that begin with a word which elsewhere may be a column: `EXISTS (…)`, `ROW (…)`, `COALESCE (…)`.
    fn column_name_form(&mut self) -> PResult<Option<Expr>> {
        if !self.is_sym_at(1, "(") {
            return Ok(None);
        }
        match self.word() {
            "exists" => {
                self.advance();
                Ok(Some(Expr::Exists(self.query_in_parens()?)))
            }
            "row" => {
                self.advance();
                self.expect_sym("(")?;
                if self.eat_sym(")") {
                    return Ok(Some(Expr::Row(Vec::new())));
                }
                let values = self.comma_list(Parser::expr)?;
                self.expect_sym(")")?;
                Ok(Some(Expr::Row(values)))
            }
            _ => match self.special_function()? {
                Some(call) => Ok(Some(call)),
                None => Err(self.unexpected_at(1)),
            },
        }
    }

    fn case(&mut self) -> PResult<Expr> {
        self.expect("case")?;
        let operand = if self.is("when") {
            None
        } else {
            Some(Box::new(self.expr()?))
        };
        let mut whens = Vec::new();
        while self.eat("when") {
            let when = self.expr()?;
            self.expect("then")?;
            whens.push((when, self.expr()?));
        }
        if whens.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.eat("else") {
            Some(Box::new(self.expr()?))
        } else {
            None
        };
        self.expect("end")?;
        Ok(Expr::Case {
            operand,
            whens,
            otherwise,
        })
    }

    fn cast(&mut self) -> PResult<Expr> {
        self.expect("cast")?;
        self.expect_sym("(")?;
        let expr = Box::new(self.expr()?);
        self.expect("as")?;
        let ty = self.type_name()?;
        self.expect_sym(")")?;
        Ok(Expr::Cast { expr, ty })
    }

    fn array(&mut self) -> PResult<Expr> {
        self.expect("array")?;
        if self.is_sym("[") {
            return self.array_elements();
        }
        Ok(Expr::ArrayQuery(self.query_in_parens()?))
    }

    /// `( … )` where only a query may stand.
    fn query_in_parens(&mut self) -> PResult<Box<Query>> {
        let mut ahead = 0;
        while self.is_sym_at(ahead, "(") {
            ahead += 1;
        }
        if ahead > 0 && !self.starts_query_at(ahead) {
            return Err(self.unexpected_at(ahead));
        }
        let start = self.here();
        match self.paren()? {
            Paren::Query(query) => Ok(query),
            Paren::List(_) => Err(self.syntax_error(start)),
        }
    }

    /// `[a, b]` or `[[a], [b]]`.
    fn array_elements(&mut self) -> PResult<Expr> {
        let level = self.enter()?;
        self.expect_sym("[")?;
        let elements = if self.is_sym("]") {
            Vec::new()
        } else if self.is_sym("[") {
            self.comma_list(Parser::array_elements)?
        } else {
            self.comma_list(Parser::expr)?
        };
        self.expect_sym("]")?;
        self.leave(level)?;
        Ok(Expr::Array(elements))
    }

    /// `timestamp '…'` and others of the types whose names are keywords.
    fn typed_constant(&mut self) -> PResult<Option<Expr>> {
        if !self.is_any(super::types::KEYWORD_TYPES)
            || (self.is("double") && self.word_at(1) != "precision")
        {
            return Ok(None);
        }
        // Only what a type's name may go on with makes it one: otherwise it is a column called `time`.
        let constant = matches!(self.tok_at(1), Tok::String(_))
            || (self.is_sym_at(1, "(")
                && !self.is_any(&["int", "integer", "smallint", "bigint", "real", "boolean"]))
            || [
                "precision",
                "varying",
                "with",
                "without",
                "character",
                "char",
            ]
            .contains(&self.word_at(1))
                && (self.word_at(1) != "with" || self.word_at(2) == "time");
        if !constant {
            return Ok(None);
        }
        if self.is("interval") {
            return self.interval_constant().map(Some);
        }
        let mut ty = self.simple_type()?;
        if ty.name.name == "bpchar" && !self.was_sym(")") {
            // As a constant, `char 'abc'` is not cut to one letter.
            ty.modifiers.clear();
        }
        let text = self.string()?;
        Ok(Some(Expr::cast(Expr::String(text), ty)))
    }

    /// `interval '1 day'`, `interval '1' day`, `interval(3) '…'`: the unit goes into the text.
    fn interval_constant(&mut self) -> PResult<Expr> {
        let start = self.expect("interval")?;
        let mut modifiers = Vec::new();
        if self.is_sym("(") {
            modifiers = self.paren_list(Parser::modifier)?;
        }
        let mut text = self.string()?;
        if modifiers.is_empty()
            && let Some((fields, precision)) = self.interval_fields()?
        {
            text = interval::with_fields(&text, fields).ok_or_else(|| {
                refused(
                    "an interval constant whose text does not fit its fields",
                    self.since(start),
                )
            })?;
            modifiers.extend(precision);
        }
        Ok(Expr::cast(
            Expr::String(text),
            TypeName {
                modifiers,
                ..TypeName::simple("interval")
            },
        ))
    }

    /// A column, a call, or a constant of a named type: `date '2024-01-01'`.
    fn named(&mut self) -> PResult<Expr> {
        let start = self.here();
        let column_first = self.is_name_at(0);
        let function_first = self.is_function_name_at(0);
        if !column_first && !function_first {
            return Err(self.unexpected());
        }
        let mut parts = vec![self.label()?];
        while (column_first || parts.len() > 1) && self.is_sym(".") {
            self.advance();
            if self.eat_sym("*") {
                return Ok(Expr::Wildcard(self.column_ref(parts, start)?));
            }
            if matches!(self.token().tok, Tok::National(_)) {
                // To PostgreSQL the `N` before a string is the word NCHAR.
                return Err(self.refused("a constant of a type s.nchar"));
            }
            parts.push(self.label()?);
        }
        let callable = function_first || parts.len() > 1;
        if callable && (self.is_sym("(") || self.is_string()) {
            let span = self.since(start);
            let name = object_name(parts, span)?;
            let expr = self.call_or_constant(name)?;
            return self.postfix(expr, false);
        }
        if !column_first {
            return Err(self.unexpected());
        }
        let column = Expr::Column(self.column_ref(parts, start)?);
        self.postfix(column, true)
    }

    fn call_or_constant(&mut self, name: ObjectName) -> PResult<Expr> {
        let modifiers = if self.is_sym("(") {
            let call = self.call(name.clone())?;
            if !self.is_string() {
                return Ok(Expr::Call(Box::new(call)));
            }
            // `my_type(3) 'text'`: what looked like arguments are modifiers.
            if !could_be_modifiers(&call) {
                return Err(self.unexpected());
            }
            let modifiers: Option<Vec<i32>> = call
                .args
                .iter()
                .map(|arg| match &arg.value {
                    Expr::Number(text) => text.parse().ok(),
                    _ => None,
                })
                .collect();
            modifiers.ok_or_else(|| {
                let what = "a constant of a type whose modifiers are not whole numbers";
                refused(what, name.span)
            })?
        } else {
            Vec::new()
        };
        let text = self.string()?;
        let ty = TypeName {
            name: super::types::without_pg_catalog(name),
            modifiers,
            ..TypeName::simple("")
        };
        Ok(Expr::cast(Expr::String(text), ty))
    }

    fn column_ref(&self, parts: Vec<String>, start: Span) -> PResult<ColumnRef> {
        let span = self.since(start);
        if parts.len() > 3 {
            return Err(too_many_dots(&parts, 4, span));
        }
        Ok(ColumnRef { parts, span })
    }
}

/// Whether a call is nothing but a name and a list of values.
fn could_be_modifiers(call: &Call) -> bool {
    let plain = !call.star
        && !call.distinct
        && call.order_by.is_empty()
        && call.within_group.is_empty()
        && call.filter.is_none()
        && call.over.is_none();
    let is_value = |arg: &CallArg| arg.name.is_none() && !arg.variadic;
    plain && !call.args.is_empty() && call.args.iter().all(is_value)
}
