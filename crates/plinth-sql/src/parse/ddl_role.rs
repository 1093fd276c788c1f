//! `CREATE ROLE` and `ALTER ROLE`.

use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{CreateRole, Span, Statement};

impl Parser<'_> {
    /// From `ROLE`, `USER` or `GROUP` on.
    pub(super) fn create_role(&mut self, start: Span) -> PResult<Statement> {
        let kind = self.expect_any(&["role", "user", "group"])?;
        let mut role = CreateRole {
            name: self.role()?,
            ..CreateRole::default()
        };
        self.eat("with");
        while !self.at_end() {
            if self.is_any(&["role", "user", "admin"]) {
                let hint = "Create the role, then GRANT it to its members.";
                return Ok(self.unsupported("CREATE ROLE with members", Some(hint), start));
            }
            self.role_option(&mut role)?;
        }
        if kind == "user" {
            role.login.get_or_insert(true);
        }
        Ok(Statement::CreateRole(role))
    }

    /// From `ROLE`, `USER` or `GROUP` on.
    pub(super) fn alter_role(&mut self, start: Span) -> PResult<Statement> {
        let kind = self.expect_any(&["role", "user", "group"])?;
        let all = self.eat("all");
        let mut role = CreateRole::default();
        if !all {
            role.name = self.role()?;
        }
        if self.eat_all(&["in", "database"]) {
            self.name()?;
        }
        if self.is_any(&["set", "reset"]) {
            return Ok(self.without_effect("ALTER ROLE … SET"));
        }
        if all {
            return Err(self.unexpected());
        }
        if self.is("rename") {
            return Ok(self.unsupported("ALTER ROLE … RENAME", None, start));
        }
        if kind == "group" || self.is("user") {
            return Ok(self.unsupported("ALTER GROUP", Some("Use GRANT role TO role."), start));
        }
        self.eat("with");
        while !self.at_end() {
            self.role_option(&mut role)?;
        }
        Ok(Statement::AlterRole(role))
    }

    fn role_option(&mut self, role: &mut CreateRole) -> PResult<()> {
        let start = self.here();
        let word = self.word().to_owned();
        let (name, value) = match word.strip_prefix("no") {
            Some(name) if word != "not" => (name, false),
            _ => (word.as_str(), true),
        };
        let flag = match name {
            "login" => &mut role.login,
            "superuser" => &mut role.superuser,
            "bypassrls" => &mut role.bypass_rls,
            "inherit" => &mut role.inherit,
            "createrole" => &mut role.create_role,
            "createdb" => &mut role.create_db,
            "replication" => &mut role.replication,
            _ => return self.role_option_with_value(role),
        };
        self.advance();
        if flag.replace(value).is_some() {
            let message = "conflicting or redundant options";
            return Err(Box::new(SqlError::syntax(message, start)));
        }
        Ok(())
    }

    fn role_option_with_value(&mut self, role: &mut CreateRole) -> PResult<()> {
        let start = self.here();
        match self.word() {
            "password" | "encrypted" => {
                self.eat("encrypted");
                self.expect("password")?;
                if !self.eat("null") {
                    self.string()?;
                }
                role.password = true;
            }
            "unencrypted" => {
                let error =
                    SqlError::new("0A000", "UNENCRYPTED PASSWORD is no longer supported").at(start);
                return Err(Box::new(error.hint(
                    "Remove UNENCRYPTED to store the password in encrypted form instead.",
                )));
            }
            "connection" => {
                self.expect_all(&["connection", "limit"])?;
                self.integer()?;
            }
            "valid" => {
                self.expect_all(&["valid", "until"])?;
                self.string()?;
            }
            "sysid" => {
                self.advance();
                self.integer()?;
            }
            "in" => {
                self.advance();
                self.expect_any(&["role", "group"])?;
                role.member_of.extend(self.roles()?);
            }
            _ if self.is_name_at(0) => {
                let option = self.name()?;
                return Err(Box::new(SqlError::syntax(
                    format!("unrecognized role option \"{option}\""),
                    start,
                )));
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }
}
