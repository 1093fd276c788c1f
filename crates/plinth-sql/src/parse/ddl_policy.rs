//! `CREATE POLICY` and `ALTER POLICY`.

use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{AlterPolicy, CreatePolicy, PolicyCommand, Statement};

impl Parser<'_> {
    /// From `POLICY` on.
    pub(super) fn create_policy(&mut self) -> PResult<Statement> {
        self.expect("policy")?;
        let name = self.name()?;
        self.expect("on")?;
        let table = self.object_name()?;
        let permissive = !self.eat("as") || self.is_permissive()?;
        let command = if self.eat("for") {
            self.policy_command()?
        } else {
            PolicyCommand::All
        };
        let roles = if self.eat("to") {
            self.roles()?
        } else {
            vec!["public".to_owned()]
        };
        let using = if self.eat("using") {
            Some(self.expr_in_parens()?)
        } else {
            None
        };
        let check = if self.eat("with") {
            self.expect("check")?;
            Some(self.expr_in_parens()?)
        } else {
            None
        };
        let policy = CreatePolicy {
            name,
            table,
            permissive,
            command,
            roles,
            using,
            check,
        };
        Ok(Statement::CreatePolicy(Box::new(policy)))
    }

    fn is_permissive(&mut self) -> PResult<bool> {
        let span = self.here();
        let kind = self.label()?;
        match kind.as_str() {
            "permissive" => Ok(true),
            "restrictive" => Ok(false),
            _ => {
                let error =
                    SqlError::syntax(format!("unrecognized row security option \"{kind}\""), span);
                Err(Box::new(error.hint(
                    "Only PERMISSIVE or RESTRICTIVE policies are supported currently.",
                )))
            }
        }
    }

    fn policy_command(&mut self) -> PResult<PolicyCommand> {
        Ok(
            match self.expect_any(&["all", "select", "insert", "update", "delete"])? {
                "all" => PolicyCommand::All,
                "select" => PolicyCommand::Select,
                "insert" => PolicyCommand::Insert,
                "update" => PolicyCommand::Update,
                _ => PolicyCommand::Delete,
            },
        )
    }

    /// From `POLICY` on.
    pub(super) fn alter_policy(&mut self) -> PResult<Statement> {
        self.expect("policy")?;
        let name = self.name()?;
        self.expect("on")?;
        let table = self.object_name()?;
        let mut policy = AlterPolicy {
            name,
            table,
            rename_to: None,
            roles: None,
            using: None,
            check: None,
        };
        if self.eat("rename") {
            self.expect("to")?;
            policy.rename_to = Some(self.name()?);
            return Ok(Statement::AlterPolicy(Box::new(policy)));
        }
        if self.eat("to") {
            policy.roles = Some(self.roles()?);
        }
        if self.eat("using") {
            policy.using = Some(self.expr_in_parens()?);
        }
        if self.eat("with") {
            self.expect("check")?;
            policy.check = Some(self.expr_in_parens()?);
        }
        Ok(Statement::AlterPolicy(Box::new(policy)))
    }

    /// Roles by name; `public` is one.
    pub(super) fn roles(&mut self) -> PResult<Vec<String>> {
        self.comma_list(Parser::role)
    }
}
