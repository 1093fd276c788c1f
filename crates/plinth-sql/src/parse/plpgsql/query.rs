//! SQL within a body: statements with and without `INTO`, `PERFORM`, `EXECUTE`, and what yields rows.

use super::Reader;
use crate::ast::plpgsql::{Into, Rows, StatementKind};
use crate::ast::{Expr, Query, Statement as Sql};
use crate::parse::groups::Nesting;
use crate::parse::lexer::{Tok, Token};
use crate::parse::parser::{PResult, Parser};

impl Reader<'_> {
    /// Any SQL statement. `INTO` may stand anywhere in it, but for the ones of `INSERT` and `MERGE`.
    pub(super) fn sql_statement(&mut self) -> PResult<StatementKind> {
        let import = self.sql.is("import");
        let mut nesting = Nesting::default();
        let mut tokens: Vec<Token> = Vec::new();
        let mut into: Option<Into> = None;
        loop {
            match self.sql.tok_at(0) {
                Tok::End => return Err(self.complaint("unexpected end of function definition")),
                Tok::Bad(error) => return Err(error.clone()),
                Tok::Sym(";") if nesting.at_top() => break,
                Tok::Word(word)
                    if word == "into"
                        && !import
                        && !["insert", "merge"].contains(&self.sql.last_word()) =>
                {
                    if into.is_some() {
                        return Err(self.complaint("INTO specified more than once"));
                    }
                    self.sql.advance();
                    into = Some(self.into(true)?);
                    continue;
                }
                _ => {}
            }
            nesting.see(self.sql.tok_at(0));
            tokens.push(self.sql.token().clone());
            self.sql.advance();
        }
        let statement = Box::new(self.sql.aside(tokens, Parser::statement)?);
        Ok(StatementKind::Sql { statement, into })
    }

    /// `PERFORM …` is `SELECT …`.
    pub(super) fn perform(&mut self) -> PResult<StatementKind> {
        let start = self.sql.expect("perform")?;
        let from = self.sql.mark();
        let end = self.statement_end()?;
        let tokens = self.sql.tokens(from..end);
        let query = self.select_of(tokens, start)?;
        Ok(StatementKind::Perform(Box::new(query)))
    }

    /// Tokens behind a `SELECT` that is not written there.
    pub(super) fn select_of(
        &mut self,
        mut tokens: Vec<Token>,
        start: crate::ast::Span,
    ) -> PResult<Query> {
        let select = Token {
            tok: Tok::Word("select".to_owned()),
            span: start,
        };
        tokens.insert(0, select);
        self.sql.aside(tokens, Parser::query)
    }

    /// `EXECUTE text`, then `INTO` and `USING` in either order.
    pub(super) fn execute(&mut self) -> PResult<StatementKind> {
        self.sql.expect("execute")?;
        let text = self.expression(&["into", "using", ";"], "INTO or USING or ;")?;
        let mut into = None;
        let mut using = Vec::new();
        while !self.sql.is_sym(";") {
            if into.is_none() && self.sql.eat("into") {
                into = Some(self.into(true)?);
            } else if using.is_empty() && self.sql.eat("using") {
                using = self.list(&[",", ";", "into"], ", or ; or INTO")?;
            } else {
                return Err(self.sql.unexpected());
            }
        }
        Ok(StatementKind::Execute { text, into, using })
    }

    /// Expressions between commas; the first of these ends is the comma.
    pub(super) fn list(&mut self, ends: &[&str], expected: &str) -> PResult<Vec<Expr>> {
        let mut list = vec![self.expression(ends, expected)?];
        while self.sql.eat_sym(",") {
            list.push(self.expression(ends, expected)?);
        }
        Ok(list)
    }

    /// A statement, or `EXECUTE text [USING …]`, up to `;` or `LOOP`.
    pub(super) fn rows(&mut self, end: &[&'static str; 1]) -> PResult<Rows> {
        let [end] = *end;
        if !self.sql.eat("execute") {
            return self
                .whole_statement()
                .map(|sql| Rows::Static(Box::new(sql)));
        }
        let (text_expected, using_expected) = match end {
            "loop" => ("LOOP or USING", ", or LOOP"),
            _ => ("; or USING", ", or ;"),
        };
        let text = self.expression(&[end, "using"], text_expected)?;
        let using = if self.sql.eat("using") {
            self.list(&[",", end], using_expected)?
        } else {
            Vec::new()
        };
        Ok(Rows::Dynamic { text, using })
    }

    /// A statement that ends before this token.
    pub(super) fn static_rows_up_to(&mut self, end: usize) -> PResult<Rows> {
        self.sql_up_to(end).map(|sql| Rows::Static(Box::new(sql)))
    }

    /// A statement up to `;`.
    pub(super) fn whole_statement(&mut self) -> PResult<Sql> {
        let from = self.sql.mark();
        let end = self.statement_end()?;
        if from == end {
            return Err(self.complaint("missing SQL statement"));
        }
        self.sql.seek(from);
        self.sql_up_to(end)
    }

    fn sql_up_to(&mut self, end: usize) -> PResult<Sql> {
        let tokens = self.sql.tokens(self.sql.mark()..end);
        let statement = self.sql.aside(tokens, Parser::statement)?;
        self.sql.seek(end);
        Ok(statement)
    }
}
