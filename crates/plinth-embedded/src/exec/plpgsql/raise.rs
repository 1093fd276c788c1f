//! `RAISE`.

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::{Condition, Raise, RaiseLevel, RaiseOption};
use plinth_sql::parse::conditions;

use super::Run;
use crate::error::Result;

/// `RAISE EXCEPTION` without an error code.
const RAISE_EXCEPTION: &str = "P0001";

impl Run<'_> {
    pub(super) fn raise(&mut self, raise: &Raise) -> Result<()> {
        if raise.condition.is_none() && raise.format.is_none() && raise.using.is_empty() {
            return match self.handling.last() {
                Some(error) => Err(error.clone().into()),
                None => Err(SqlError::new(
                    "0Z002",
                    "RAISE without parameters cannot be used outside an exception handler",
                )
                .into()),
            };
        }
        let (code, mut message) = match &raise.condition {
            Some(Condition::Named(name)) => {
                let state = conditions::raised_state(name).unwrap_or(RAISE_EXCEPTION);
                (Some(state.to_owned()), Some(name.clone()))
            }
            Some(Condition::State(state)) => (Some(state.clone()), Some(state.clone())),
            None => (None, None),
        };
        if let Some(format) = &raise.format {
            message = Some(self.filled(format, raise)?);
        }
        let mut error = SqlError {
            code: code.unwrap_or_default(),
            ..SqlError::default()
        };
        let mut given = None;
        for (option, value) in &raise.using {
            let Some(text) = self.text(value)? else {
                return Err(SqlError::new("22004", "RAISE statement option cannot be null").into());
            };
            match option {
                RaiseOption::Message => given = Some(text),
                RaiseOption::Detail => error.detail = Some(text),
                RaiseOption::Hint => error.hint = Some(text),
                RaiseOption::Errcode => {
                    let state = conditions::raised_state(&text).ok_or_else(|| {
                        SqlError::new(
                            "42704",
                            format!("unrecognized exception condition \"{text}\""),
                        )
                    })?;
                    state.clone_into(&mut error.code);
                    if message.is_none() {
                        message = Some(text);
                    }
                }
                RaiseOption::Column => error.column = Some(text),
                RaiseOption::Constraint => error.constraint = Some(text),
                RaiseOption::Table => error.table = Some(text),
                RaiseOption::Datatype | RaiseOption::Schema => {}
            }
        }
        error.message = given.or(message).unwrap_or_default();
        if raise.level == RaiseLevel::Exception {
            if error.code.is_empty() {
                RAISE_EXCEPTION.clone_into(&mut error.code);
            }
            return Err(error.into());
        }
        error.code = match raise.level {
            // These go to a server's log alone.
            RaiseLevel::Debug | RaiseLevel::Log => return Ok(()),
            RaiseLevel::Warning => "01000".to_owned(),
            RaiseLevel::Info | RaiseLevel::Notice | RaiseLevel::Exception => "00000".to_owned(),
        };
        self.exec.notice(error);
        Ok(())
    }

    /// The format with its arguments in the places of `%`; `%%` is one percent sign.
    fn filled(&mut self, format: &str, raise: &Raise) -> Result<String> {
        let mut text = String::with_capacity(format.len());
        let mut args = raise.args.iter();
        let mut chars = format.chars().peekable();
        while let Some(char) = chars.next() {
            if char != '%' {
                text.push(char);
            } else if chars.next_if_eq(&'%').is_some() {
                text.push('%');
            } else if let Some(arg) = args.next() {
                let value = self.text(arg)?;
                text.push_str(value.as_deref().unwrap_or("<NULL>"));
            }
        }
        Ok(text)
    }
}
