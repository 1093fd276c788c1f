//! Which statement it is, and the short ones.

use super::{Reader, mistake};
use crate::ast::Expr;
use crate::ast::plpgsql::{Statement, StatementKind};
use crate::parse::lexer::Tok;
use crate::parse::parser::{PResult, refused};

/// Words at which a list of statements is over.
const SECTION_ENDS: &[&str] = &["end", "else", "elsif", "elseif", "when", "exception"];

impl Reader<'_> {
    /// Statements up to a word that ends them.
    pub(super) fn statements(&mut self) -> PResult<Vec<Statement>> {
        let mut statements = Vec::new();
        while !self.is_end() && (!self.sql.is_any(SECTION_ENDS) || self.is_assignment()) {
            statements.push(self.statement()?);
        }
        Ok(statements)
    }

    fn statement(&mut self) -> PResult<Statement> {
        let start = self.sql.here();
        let kind = self.kind()?;
        let span = self.sql.since(start);
        self.sql.expect_sym(";")?;
        Ok(Statement { kind, span })
    }

    fn kind(&mut self) -> PResult<StatementKind> {
        if self.is_assignment() {
            return self.assign();
        }
        let label = self.label()?;
        match self.sql.word() {
            "begin" | "declare" => self.block(label).map(StatementKind::Block),
            "loop" | "while" | "for" | "foreach" => self.any_loop(label),
            _ if label.is_some() => Err(self.sql.unexpected()),
            "null" => {
                self.sql.advance();
                Ok(StatementKind::Null)
            }
            "if" => self.if_statement(),
            "case" => self.case(),
            "exit" | "continue" => self.exit(),
            "return" => self.return_statement(),
            "raise" => self.raise().map(StatementKind::Raise),
            "assert" => self.assert(),
            "execute" => self.execute(),
            "perform" => self.perform(),
            "get" => self.get_diagnostics(),
            "open" => self.open_cursor(),
            "fetch" => self.fetch(),
            "move" => self.move_cursor(),
            "close" => self.close_cursor(),
            "commit" | "rollback" => Err(self.end_of_transaction()),
            // `TABLE t` is the one query whose first word means something else here.
            "table" => Err(self.sql.unexpected()),
            "" if !matches!(self.sql.tok_at(0), Tok::Quoted(_)) => Err(self.sql.unexpected()),
            "call" | "do" => {
                let statement = Box::new(self.whole_statement()?);
                let into = None;
                Ok(StatementKind::Sql { statement, into })
            }
            word if super::RESERVED.contains(&word) => Err(self.sql.unexpected()),
            _ => self.sql_statement(),
        }
    }

    /// Whether a target and `:=` or `=` stand here. Else the words that begin statements mean that, whatever
    /// variables there are.
    fn is_assignment(&self) -> bool {
        if matches!(self.sql.tok_at(0), Tok::Param(_)) {
            return self.is_assign_at(1);
        }
        if !self.is_ident_at(0) {
            return false;
        }
        let mut ahead = 1;
        while self.sql.is_sym_at(ahead, ".") {
            ahead += 2;
        }
        self.is_assign_at(ahead) || self.sql.is_sym_at(ahead, "[")
    }

    /// `target := value`.
    fn assign(&mut self) -> PResult<StatementKind> {
        let start = self.sql.mark();
        let end = self.statement_end()?;
        self.sql.seek(start);
        let target = self.assigned()?;
        if !self.eat_assign() {
            return Err(self.sql.unexpected());
        }
        let value = self.expression_up_to(end)?;
        Ok(StatementKind::Assign { target, value })
    }

    /// `RETURN`, `RETURN NEXT`, `RETURN QUERY`. Which of them may have a value depends on the function.
    fn return_statement(&mut self) -> PResult<StatementKind> {
        self.sql.expect("return")?;
        if self.sql.eat("next") {
            return self.optional_value().map(StatementKind::ReturnNext);
        }
        if self.sql.eat("query") {
            return self.rows(&[";"]).map(StatementKind::ReturnQuery);
        }
        self.optional_value().map(StatementKind::Return)
    }

    fn optional_value(&mut self) -> PResult<Option<Expr>> {
        if self.sql.is_sym(";") {
            return Ok(None);
        }
        self.expression(&[";"], ";").map(Some)
    }

    /// `EXIT` and `CONTINUE`.
    fn exit(&mut self) -> PResult<StatementKind> {
        let start = self.sql.here();
        let again = self.sql.expect_any(&["exit", "continue"])? == "continue";
        let span = self.sql.here();
        let label = if self.is_ident_at(0) {
            Some(self.ident()?)
        } else {
            None
        };
        let when = if self.sql.eat("when") {
            Some(self.expression(&[";"], ";")?)
        } else {
            None
        };
        match &label {
            Some(label) => match self.scopes.is_loop(label) {
                None => {
                    let message = format!(
                        "there is no label \"{label}\" attached to any block or loop enclosing this statement"
                    );
                    return Err(mistake(message, span));
                }
                Some(false) if again => {
                    let message = format!("block label \"{label}\" cannot be used in CONTINUE");
                    return Err(mistake(message, span));
                }
                Some(_) => {}
            },
            None if self.scopes.in_loop() => {}
            None => {
                let message = if again {
                    "CONTINUE cannot be used outside a loop"
                } else {
                    "EXIT cannot be used outside a loop, unless it has a label"
                };
                return Err(mistake(message, start));
            }
        }
        Ok(StatementKind::Exit { again, label, when })
    }

    /// `ASSERT condition [, message]`.
    fn assert(&mut self) -> PResult<StatementKind> {
        self.sql.expect("assert")?;
        let condition = self.expression(&[",", ";"], ", or ;")?;
        let message = if self.sql.eat_sym(",") {
            Some(self.expression(&[";"], ";")?)
        } else {
            None
        };
        Ok(StatementKind::Assert { condition, message })
    }

    /// `COMMIT` and `ROLLBACK`, which only a procedure that is called at the top could do.
    fn end_of_transaction(&mut self) -> Box<crate::SqlError> {
        let start = self.sql.here();
        let verb = self.sql.word().to_ascii_uppercase();
        self.sql.advance();
        if self.sql.eat("and") {
            self.sql.eat("no");
            if let Err(error) = self.sql.expect("chain") {
                return error;
            }
        }
        if self.sql.is_sym(";") {
            refused(&format!("{verb} in a function"), self.sql.since(start))
        } else {
            self.sql.unexpected()
        }
    }
}
