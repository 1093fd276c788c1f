//! Transactions, settings, `SHOW` and `DO`.

use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{SetVariable, Statement, Transaction};

impl Parser<'_> {
    pub(super) fn transaction(&mut self) -> PResult<Statement> {
        let start = self.here();
        let transaction = match self.expect_any(&[
            "begin",
            "start",
            "commit",
            "end",
            "rollback",
            "abort",
            "savepoint",
            "release",
        ])? {
            "start" => {
                self.expect("transaction")?;
                Transaction::Begin {
                    read_only: self.transaction_modes()?,
                }
            }
            "begin" => {
                self.eat_any(&["work", "transaction"]);
                Transaction::Begin {
                    read_only: self.transaction_modes()?,
                }
            }
            "savepoint" => Transaction::Savepoint(self.name()?),
            "release" => {
                self.savepoint_word();
                Transaction::Release(self.name()?)
            }
            verb => {
                if self.is("prepared") {
                    return Ok(self.unsupported(
                        &format!("{} PREPARED", verb.to_ascii_uppercase()),
                        None,
                        start,
                    ));
                }
                self.eat_any(&["work", "transaction"]);
                if verb == "rollback" && self.eat("to") {
                    self.savepoint_word();
                    return Ok(Statement::Transaction(Transaction::RollbackTo(
                        self.name()?,
                    )));
                }
                if self.eat("and") && !self.eat("no") {
                    self.expect("chain")?;
                    return Ok(self.unsupported(
                        "AND CHAIN",
                        Some("Begin the next transaction with BEGIN."),
                        start,
                    ));
                }
                if self.last_word() == "no" {
                    self.expect("chain")?;
                }
                if matches!(verb, "commit" | "end") {
                    Transaction::Commit
                } else {
                    Transaction::Rollback
                }
            }
        };
        Ok(Statement::Transaction(transaction))
    }

    /// `SAVEPOINT`, where the word is no savepoint's name.
    fn savepoint_word(&mut self) {
        if !self.is_statement_end(1) {
            self.eat("savepoint");
        }
    }

    /// `ISOLATION LEVEL …, READ ONLY, [NOT] DEFERRABLE`: whether it is read only. Every level is served serializable.
    fn transaction_modes(&mut self) -> PResult<bool> {
        let mut read_only = false;
        loop {
            match self.word() {
                "isolation" => {
                    self.expect_all(&["isolation", "level"])?;
                    match self.expect_any(&["read", "repeatable", "serializable"])? {
                        "read" => drop(self.expect_any(&["committed", "uncommitted"])?),
                        "repeatable" => drop(self.expect("read")?),
                        _ => {}
                    }
                }
                "read" => {
                    self.advance();
                    read_only = self.expect_any(&["only", "write"])? == "only";
                }
                "not" => self.expect_all(&["not", "deferrable"])?,
                "deferrable" => drop(self.advance()),
                _ => return Ok(read_only),
            }
            if self.eat_sym(",") && self.at_end() {
                return Err(self.unexpected());
            }
        }
    }

    pub(super) fn set(&mut self) -> PResult<Statement> {
        let start = self.expect("set")?;
        if self.is("constraints") {
            let hint = "Declare the constraint DEFERRABLE INITIALLY DEFERRED.";
            return Ok(self.unsupported("SET CONSTRAINTS", Some(hint), start));
        }
        if self.eat("transaction") {
            if self.is("snapshot") {
                return Ok(self.unsupported("SET TRANSACTION SNAPSHOT", None, start));
            }
            let read_only = self.transaction_modes()?;
            let value = Some(vec!["on".to_owned()]);
            return Ok(if read_only {
                Statement::Set(SetVariable {
                    name: "transaction_read_only".to_owned(),
                    local: true,
                    value,
                })
            } else {
                Statement::NoOp("SET TRANSACTION".to_owned())
            });
        }
        if self.eat_all(&["session", "characteristics", "as", "transaction"]) {
            let read_only = self.transaction_modes()?;
            let value = Some(vec![if read_only { "on" } else { "off" }.to_owned()]);
            let name = "default_transaction_read_only".to_owned();
            return Ok(Statement::Set(SetVariable {
                name,
                local: false,
                value,
            }));
        }
        let assigned = self.is_sym_at(1, "=") || self.word_at(1) == "to";
        let local = !assigned && self.eat("local");
        let assigned = self.is_sym_at(1, "=") || self.word_at(1) == "to";
        if !local && self.is("session") && self.word_at(1) != "authorization" && !assigned {
            self.eat("session");
        }
        let (name, value) = self.setting()?;
        Ok(Statement::Set(SetVariable { name, local, value }))
    }

    /// `name = value, …` and the forms with words of their own; no value for `DEFAULT`.
    pub(super) fn setting(&mut self) -> PResult<(String, Option<Vec<String>>)> {
        if self.eat_all(&["time", "zone"]) {
            let name = "timezone".to_owned();
            if self.eat_any(&["default", "local"]).is_some() {
                return Ok((name, None));
            }
            if self.is("interval") {
                return Err(self.refused("SET TIME ZONE INTERVAL"));
            }
            return Ok((name, Some(vec![self.setting_value()?])));
        }
        if self.eat_all(&["session", "authorization"]) {
            let name = "session_authorization".to_owned();
            let value = if self.eat("default") {
                None
            } else {
                Some(vec![self.unreserved_or_string()?])
            };
            return Ok((name, value));
        }
        let assigned = self.is_sym_at(1, "=") || self.is_sym_at(1, ".") || self.word_at(1) == "to";
        let alias = match self.word() {
            _ if assigned => None,
            "role" => Some("role"),
            "names" => Some("client_encoding"),
            "schema" => Some("search_path"),
            "xml" => return Err(self.refused("SET XML OPTION")),
            "catalog" => {
                let error = SqlError::new("0A000", "current database cannot be changed");
                return Err(Box::new(error.at(self.here())));
            }
            _ => None,
        };
        if let Some(name) = alias {
            self.advance();
            let value = match name {
                "client_encoding" if self.at_end() || self.eat("default") => None,
                "client_encoding" | "search_path" => Some(vec![self.string()?]),
                _ => Some(vec![self.unreserved_or_string()?]),
            };
            return Ok((name.to_owned(), value));
        }
        let name = self.setting_name()?;
        if !self.eat_sym("=") {
            self.expect("to")?;
        }
        if self.eat("default") {
            return Ok((name, None));
        }
        let values = self.comma_list(Parser::setting_value)?;
        Ok((name, Some(values)))
    }

    /// Lower case, dots kept.
    fn setting_name(&mut self) -> PResult<String> {
        let mut name = self.name()?;
        while self.eat_sym(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name.to_ascii_lowercase())
    }

    fn setting_value(&mut self) -> PResult<String> {
        match &self.token().tok {
            Tok::String(_) => self.string(),
            Tok::Number(_) | Tok::Op(_) => self.numeric(),
            _ => match self.eat_any(&["true", "false", "on"]) {
                Some(word) => Ok(word.to_owned()),
                None => self.unreserved(),
            },
        }
    }

    /// `RESET name`.
    pub(super) fn reset(&mut self) -> PResult<SetVariable> {
        self.expect("reset")?;
        Ok(SetVariable {
            name: self.shown_name()?,
            local: false,
            value: None,
        })
    }

    pub(super) fn show(&mut self) -> PResult<Statement> {
        self.expect("show")?;
        self.shown_name().map(Statement::Show)
    }

    fn shown_name(&mut self) -> PResult<String> {
        const PHRASES: &[(&[&str], &str)] = &[
            (&["all"], "all"),
            (&["time", "zone"], "timezone"),
            (
                &["transaction", "isolation", "level"],
                "transaction_isolation",
            ),
            (&["session", "authorization"], "session_authorization"),
        ];
        for (words, name) in PHRASES {
            if self.eat_all(words) {
                return Ok((*name).to_owned());
            }
        }
        self.setting_name()
    }

    pub(super) fn do_block(&mut self) -> PResult<Statement> {
        let start = self.expect("do")?;
        let (mut language, mut body) = (None, None);
        while !self.at_end() {
            let repeated = if self.eat("language") {
                language
                    .replace(self.unreserved_or_string()?.to_ascii_lowercase())
                    .is_some()
            } else {
                body.replace(self.string()?).is_some()
            };
            if repeated {
                return Err(Box::new(SqlError::syntax(
                    "conflicting or redundant options",
                    self.since(start),
                )));
            }
        }
        let language = language.unwrap_or_else(|| "plpgsql".to_owned());
        match body {
            Some(body) => Ok(Statement::Do { language, body }),
            None if self.last_word() == "do" => Err(self.unexpected()),
            None => Err(Box::new(SqlError::syntax(
                "no inline code specified",
                self.since(start),
            ))),
        }
    }
}
