//! Calls: arguments, aggregates, windows, and the functions with a syntax of their own.

use super::expr::{Level, Mode, plain_call};
use super::keywords::{self, Class};
use super::lexer::Tok;
use super::parser::{PResult, Parser, refused};
use crate::SqlError;
use crate::ast::{
    Call, CallArg, Expr, Frame, FrameBound, FrameUnits, ObjectName, OrderBy, Window, WindowSpec,
};

impl Parser<'_> {
    /// `(arguments)` and what follows them, for a function whose name was read.
    pub(super) fn call(&mut self, name: ObjectName) -> PResult<Call> {
        let mut call = self.plain_arguments(name)?;
        if self.is_all(&["within", "group"]) && self.is_sym_at(2, "(") {
            let start = self.here();
            if !call.order_by.is_empty() {
                let message = "cannot use multiple ORDER BY clauses with WITHIN GROUP";
                return Err(Box::new(SqlError::syntax(message, start)));
            }
            if call.distinct {
                return Err(Box::new(SqlError::syntax(
                    "cannot use DISTINCT with WITHIN GROUP",
                    start,
                )));
            }
            self.expect_all(&["within", "group"])?;
            self.expect_sym("(")?;
            call.within_group = self.order_by()?;
            self.expect_sym(")")?;
        }
        if self.is("filter") && self.is_sym_at(1, "(") {
            self.advance();
            self.expect_sym("(")?;
            self.expect("where")?;
            call.filter = Some(self.expr()?);
            self.expect_sym(")")?;
        }
        if self.is("over") {
            self.advance();
            call.over = Some(if self.is_sym("(") {
                Window::Spec(self.window_spec()?)
            } else {
                Window::Named(self.name()?)
            });
        }
        Ok(call)
    }

    /// `(arguments)` alone.
    pub(super) fn plain_arguments(&mut self, name: ObjectName) -> PResult<Call> {
        let mut call = Call {
            name,
            args: Vec::new(),
            star: false,
            distinct: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        self.expect_sym("(")?;
        if self.eat_sym(")") {
            return Ok(call);
        }
        if self.is_sym("*") {
            self.advance();
            call.star = true;
        } else {
            call.distinct = self.eat("distinct");
            if !call.distinct {
                self.eat("all");
            }
            call.args.push(self.argument()?);
            while !call.args.last().is_some_and(|last| last.variadic) && self.eat_sym(",") {
                call.args.push(self.argument()?);
            }
            if self.is("order") {
                call.order_by = self.order_by()?;
            }
        }
        self.expect_sym(")")?;
        Ok(call)
    }

    fn argument(&mut self) -> PResult<CallArg> {
        let variadic = self.eat("variadic");
        let named =
            self.is_function_name_at(0) && (self.is_sym_at(1, "=>") || self.is_sym_at(1, ":="));
        let name = if named {
            let name = self.function_name()?;
            self.advance();
            Some(name)
        } else {
            None
        };
        Ok(CallArg {
            name,
            value: self.expr()?,
            variadic,
        })
    }

    /// A function that is written unlike others; none when the word here is not one.
    pub(super) fn special_function(&mut self) -> PResult<Option<Expr>> {
        match self.special_rule() {
            Some(rule) => rule(self).map(Some),
            None => Ok(None),
        }
    }

    fn special_rule(&self) -> Option<fn(&mut Self) -> PResult<Expr>> {
        let open = self.is_sym_at(1, "(");
        // One shape for all, so that a single call site keeps the frame small on which calls nest.
        Some(match self.word() {
            "current_date" | "session_user" | "current_catalog" => Parser::word_call,
            "current_time" | "current_timestamp" | "localtime" | "localtimestamp" => {
                Parser::time_call
            }
            "current_user" | "user" | "current_role" => Parser::current_user,
            "current_schema" if !open => Parser::word_call,
            "collation" if self.word_at(1) == "for" => Parser::collation_for,
            _ if !open => return None,
            "coalesce" | "greatest" | "least" | "grouping" => Parser::list_call,
            "nullif" => Parser::nullif,
            "extract" => Parser::extract,
            "position" => Parser::position,
            "substring" => Parser::substring,
            "overlay" => Parser::overlay,
            "trim" => Parser::trim,
            "normalize" => Parser::normalize,
            "treat" => |parser| Err(parser.refused("TREAT")),
            word if word.starts_with("xml") && keywords::class(word) == Class::ColumnName => {
                |parser| Err(parser.refused(&parser.word().to_ascii_uppercase()))
            }
            _ => return None,
        })
    }

    /// A word that is a call by itself.
    #[expect(clippy::unnecessary_wraps, reason = "rules have one shape")]
    fn word_call(&mut self) -> PResult<Expr> {
        let name = self.word().to_owned();
        let span = self.advance();
        Ok(plain_call(&name, Vec::new(), span))
    }

    #[expect(clippy::unnecessary_wraps, reason = "rules have one shape")]
    fn current_user(&mut self) -> PResult<Expr> {
        let span = self.advance();
        Ok(plain_call("current_user", Vec::new(), span))
    }

    /// `current_timestamp` or `current_timestamp(3)`.
    fn time_call(&mut self) -> PResult<Expr> {
        let name = self.word().to_owned();
        let start = self.advance();
        let mut precision = Vec::new();
        if self.eat_sym("(") {
            precision.push(Expr::Number(self.precision()?.to_string()));
            self.expect_sym(")")?;
        }
        Ok(plain_call(&name, precision, start))
    }

    fn collation_for(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect("for")?;
        Ok(plain_call(
            "pg_collation_for",
            vec![self.expr_in_parens()?],
            start,
        ))
    }

    /// `coalesce(a, b)`: a plain list of at least one.
    fn list_call(&mut self) -> PResult<Expr> {
        let name = self.word().to_owned();
        let start = self.advance();
        Ok(plain_call(&name, self.paren_list(Parser::expr)?, start))
    }

    fn nullif(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect_sym("(")?;
        let first = self.expr()?;
        self.expect_sym(",")?;
        let second = self.expr()?;
        self.expect_sym(")")?;
        Ok(plain_call("nullif", vec![first, second], start))
    }

    fn extract(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect_sym("(")?;
        let field = if self.is_string() {
            self.string()?
        } else {
            self.unreserved()?
        };
        self.expect("from")?;
        let source = self.expr()?;
        self.expect_sym(")")?;
        Ok(plain_call(
            "extract",
            vec![Expr::String(field), source],
            start,
        ))
    }

    fn position(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect_sym("(")?;
        let needle = self.restricted_expr()?;
        self.expect("in")?;
        let text = self.restricted_expr()?;
        self.expect_sym(")")?;
        Ok(plain_call("position", vec![needle, text], start))
    }

    /// `substring(x FROM a FOR b)` in its several orders, or plain arguments.
    fn substring(&mut self) -> PResult<Expr> {
        let start = self.advance();
        let name = ObjectName {
            span: start,
            ..ObjectName::bare("substring")
        };
        if !self.has_clause_in_parens(&["from", "for", "similar"]) {
            return Ok(Expr::Call(Box::new(self.plain_arguments(name)?)));
        }
        let similar = self.has_clause_in_parens(&["similar"]);
        self.expect_sym("(")?;
        let text = if similar {
            // Not a whole expression: it would take `SIMILAR` for an operator that wants `TO`.
            self.climb(Level::Escape, Mode::Full)?
        } else {
            self.expr()?
        };
        if self.eat("similar") {
            let pattern = self.expr()?;
            self.expect("escape")?;
            let escape = self.expr()?;
            self.expect_sym(")")?;
            return Ok(plain_call("substring", vec![text, pattern, escape], start));
        }
        let (mut from, mut count) = (None, None);
        while from.is_none() && self.is("from") || count.is_none() && self.is("for") {
            let place = if self.is("from") {
                &mut from
            } else {
                &mut count
            };
            self.advance();
            *place = Some(self.expr()?);
        }
        if from.is_none() && count.is_none() {
            return Err(self.unexpected());
        }
        self.expect_sym(")")?;
        let from = from.unwrap_or_else(|| Expr::Number("1".to_owned()));
        Ok(plain_call(
            "substring",
            [text, from].into_iter().chain(count).collect(),
            start,
        ))
    }

    fn overlay(&mut self) -> PResult<Expr> {
        let start = self.advance();
        let name = ObjectName {
            span: start,
            ..ObjectName::bare("overlay")
        };
        if !self.has_clause_in_parens(&["placing"]) {
            return Ok(Expr::Call(Box::new(self.plain_arguments(name)?)));
        }
        self.expect_sym("(")?;
        let mut args = vec![self.expr()?];
        self.expect("placing")?;
        args.push(self.expr()?);
        self.expect("from")?;
        args.push(self.expr()?);
        if self.eat("for") {
            args.push(self.expr()?);
        }
        self.expect_sym(")")?;
        Ok(plain_call("overlay", args, start))
    }

    /// Whether one of these words stands directly within the parentheses ahead.
    fn has_clause_in_parens(&self, words: &[&str]) -> bool {
        let mut depth = 0_u32;
        // `IS DISTINCT FROM` is no clause.
        for ahead in 0.. {
            match self.tok_at(ahead) {
                Tok::Sym("(" | "[") => depth += 1,
                Tok::Sym(")" | "]") if depth <= 1 => return false,
                Tok::Sym(")" | "]") => depth -= 1,
                Tok::Word(word) if depth == 1 && words.contains(&word.as_str()) => {
                    let distinct = word == "from" && self.word_at(ahead - 1) == "distinct";
                    let pattern = word == "similar" && self.word_at(ahead + 1) == "to";
                    if !distinct && !pattern {
                        return true;
                    }
                }
                Tok::End => return false,
                _ => {}
            }
        }
        false
    }

    /// `trim([BOTH | LEADING | TRAILING] [letters] FROM x)`.
    fn trim(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect_sym("(")?;
        let name = match self.eat_any(&["both", "leading", "trailing"]) {
            Some("leading") => "ltrim",
            Some("trailing") => "rtrim",
            _ => "btrim",
        };
        let args = if self.eat("from") {
            self.comma_list(Parser::expr)?
        } else {
            let mut first = vec![self.expr()?];
            if self.eat("from") {
                // The text comes first in the call, the letters second.
                let mut args = self.comma_list(Parser::expr)?;
                args.append(&mut first);
                args
            } else {
                while self.eat_sym(",") {
                    first.push(self.expr()?);
                }
                first
            }
        };
        self.expect_sym(")")?;
        Ok(plain_call(name, args, start))
    }

    fn normalize(&mut self) -> PResult<Expr> {
        let start = self.advance();
        self.expect_sym("(")?;
        let mut args = vec![self.expr()?];
        if self.eat_sym(",") {
            let form = self.expect_any(&["nfc", "nfd", "nfkc", "nfkd"])?;
            args.push(Expr::String(form.to_ascii_uppercase()));
        }
        self.expect_sym(")")?;
        Ok(plain_call("normalize", args, start))
    }

    /// `ORDER BY …`.
    pub(super) fn order_by(&mut self) -> PResult<Vec<OrderBy>> {
        self.expect_all(&["order", "by"])?;
        self.comma_list(|parser| {
            let expr = parser.expr()?;
            parser.sort_direction(expr)
        })
    }

    fn sort_direction(&mut self, expr: Expr) -> PResult<OrderBy> {
        if !self.eat("using") {
            return self.direction(expr);
        }
        let span = self.here();
        let op = self.operator_text()?;
        let order = self.nulls_order(OrderBy {
            expr,
            descending: op == ">",
            nulls_first: None,
        })?;
        if op == "<" || op == ">" {
            Ok(order)
        } else {
            Err(refused(
                "ORDER BY USING another operator than < and >",
                span,
            ))
        }
    }

    /// `ASC | DESC` and `NULLS FIRST | LAST` behind a key.
    pub(super) fn direction(&mut self, expr: Expr) -> PResult<OrderBy> {
        let descending = self.eat_any(&["asc", "desc"]) == Some("desc");
        self.nulls_order(OrderBy {
            expr,
            descending,
            nulls_first: None,
        })
    }

    fn nulls_order(&mut self, mut order: OrderBy) -> PResult<OrderBy> {
        if self.is("nulls") && ["first", "last"].contains(&self.word_at(1)) {
            self.advance();
            order.nulls_first = Some(self.expect_any(&["first", "last"])? == "first");
        }
        Ok(order)
    }

    /// `([base] PARTITION BY … ORDER BY … frame)`.
    pub(super) fn window_spec(&mut self) -> PResult<WindowSpec> {
        let mut spec = WindowSpec::default();
        self.expect_sym("(")?;
        let clause = self.is_any(&["partition", "range", "rows", "groups"]);
        if !clause && self.is_name_at(0) {
            spec.base = Some(self.name()?);
        }
        if self.eat("partition") {
            self.expect("by")?;
            spec.partition_by = self.comma_list(Parser::expr)?;
        }
        if self.is("order") {
            spec.order_by = self.order_by()?;
        }
        spec.frame = self.frame()?;
        self.expect_sym(")")?;
        Ok(spec)
    }

    fn frame(&mut self) -> PResult<Option<Frame>> {
        let place = self.here();
        let units = match self.eat_any(&["rows", "range", "groups"]) {
            Some("rows") => FrameUnits::Rows,
            Some("range") => FrameUnits::Range,
            Some(_) => FrameUnits::Groups,
            None => return Ok(None),
        };
        let (start, end) = if self.eat("between") {
            let start = self.frame_bound()?;
            self.expect("and")?;
            (start, Some(self.frame_bound()?))
        } else {
            (self.frame_bound()?, None)
        };
        if let Some(message) = impossible_frame(&start, end.as_ref()) {
            return Err(Box::new(SqlError::new("42P20", message).at(place)));
        }
        let exclude = if self.eat("exclude") {
            let words: &[&str] = match self.word() {
                "current" => &["current", "row"],
                "no" => &["no", "others"],
                "group" => &["group"],
                _ => &["ties"],
            };
            self.expect_all(words)?;
            Some(words.join(" "))
        } else {
            None
        };
        Ok(Some(Frame {
            units,
            start,
            end,
            exclude,
        }))
    }

    fn frame_bound(&mut self) -> PResult<FrameBound> {
        let preceding = |word: &str| word == "preceding";
        if self.is("unbounded") && ["preceding", "following"].contains(&self.word_at(1)) {
            self.advance();
            let before = preceding(self.expect_any(&["preceding", "following"])?);
            return Ok(if before {
                FrameBound::UnboundedPreceding
            } else {
                FrameBound::UnboundedFollowing
            });
        }
        if self.eat_all(&["current", "row"]) {
            return Ok(FrameBound::CurrentRow);
        }
        let offset = Box::new(self.expr()?);
        let before = preceding(self.expect_any(&["preceding", "following"])?);
        Ok(if before {
            FrameBound::Preceding(offset)
        } else {
            FrameBound::Following(offset)
        })
    }
}

fn impossible_frame(start: &FrameBound, end: Option<&FrameBound>) -> Option<&'static str> {
    use FrameBound::{CurrentRow, Following, Preceding, UnboundedFollowing, UnboundedPreceding};
    Some(match (start, end) {
        (UnboundedFollowing, _) => "frame start cannot be UNBOUNDED FOLLOWING",
        (Following(_), None) => "frame starting from following row cannot end with current row",
        (_, Some(UnboundedPreceding)) => "frame end cannot be UNBOUNDED PRECEDING",
        (CurrentRow, Some(Preceding(_))) => {
            "frame starting from current row cannot have preceding rows"
        }
        (Following(_), Some(Preceding(_) | CurrentRow)) => {
            "frame starting from following row cannot have preceding rows"
        }
        _ => return None,
    })
}
