//! Row-level security, put into the statement as Postgres does.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, PolicyCommand};
use plinth_sql::catalog::{Policy, Relation};

use super::Translator;
use super::from::stored_columns;

/// A condition on a new row, with the policy that a failure names.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// SQLite text.
    pub(crate) sql: String,
    /// The restrictive policy, when it is one.
    pub(crate) policy: Option<String>,
}

impl Translator<'_> {
    /// Which rows of a table this role sees for these commands, over columns of the SQLite alias `sqlite`.
    /// None when policies do not apply.
    pub(crate) fn visible(
        &mut self,
        relation: &Arc<Relation>,
        sqlite: &str,
        commands: &[PolicyCommand],
    ) -> Result<Option<String>, SqlError> {
        if !self.catalog.row_security_applies(&self.role, relation) {
            return Ok(None);
        }
        self.refuse_without_row_security(relation)?;
        let mut terms = Vec::new();
        for command in commands {
            let (permissive, restrictive) = self.policies(relation, *command);
            let any = self.conditions(relation, sqlite, &permissive, Policy::existing_row)?;
            terms.push(if any.is_empty() {
                "0".to_owned()
            } else {
                format!("({})", any.join(" OR "))
            });
            terms.extend(self.conditions(relation, sqlite, &restrictive, Policy::existing_row)?);
        }
        Ok(Some(terms.join(" AND ")))
    }

    /// What a new row must satisfy for this command; columns are whatever `columns` says. Empty when policies do
    /// not apply. `using` asks for the conditions on existing rows instead (upserts, and reads of what was written).
    pub(crate) fn row_checks(
        &mut self,
        relation: &Arc<Relation>,
        command: PolicyCommand,
        using: bool,
        columns: &[super::ItemColumn],
    ) -> Result<Vec<Check>, SqlError> {
        if !self.catalog.row_security_applies(&self.role, relation) {
            return Ok(Vec::new());
        }
        self.refuse_without_row_security(relation)?;
        let pick = if using {
            Policy::existing_row
        } else {
            Policy::new_row
        };
        let (permissive, restrictive) = self.policies(relation, command);
        let mut any = Vec::new();
        for policy in &permissive {
            if let Some(condition) = pick(policy) {
                any.push(self.policy_expr(relation, columns.to_vec(), condition)?);
            }
        }
        let sql = if any.is_empty() {
            "0".to_owned()
        } else {
            format!("({})", any.join(" OR "))
        };
        let mut checks = vec![Check { sql, policy: None }];
        for policy in &restrictive {
            if let Some(condition) = pick(policy) {
                let sql = self.policy_expr(relation, columns.to_vec(), condition)?;
                checks.push(Check {
                    sql,
                    policy: Some(policy.name.clone()),
                });
            }
        }
        Ok(checks)
    }

    /// Under `SET row_security = off` what a policy would change is an error.
    fn refuse_without_row_security(&self, relation: &Relation) -> Result<(), SqlError> {
        if !self.row_security_off {
            return Ok(());
        }
        let message = format!(
            "query would be affected by row-level security policy for table \"{}\"",
            relation.name.name
        );
        Err(SqlError::new("42501", message))
    }

    fn conditions(
        &mut self,
        relation: &Arc<Relation>,
        sqlite: &str,
        policies: &[Policy],
        pick: fn(&Policy) -> Option<&Expr>,
    ) -> Result<Vec<String>, SqlError> {
        let mut texts = Vec::with_capacity(policies.len());
        for policy in policies {
            if let Some(condition) = pick(policy) {
                texts.push(self.policy_expr(
                    relation,
                    stored_columns(relation, sqlite),
                    condition,
                )?);
            }
        }
        Ok(texts)
    }

    fn policy_expr(
        &mut self,
        relation: &Arc<Relation>,
        columns: Vec<super::ItemColumn>,
        condition: &Expr,
    ) -> Result<String, SqlError> {
        if self.policies_of.contains(&relation.name) {
            return Err(SqlError::new(
                "42P17",
                format!(
                    "infinite recursion detected in policy for relation \"{}\"",
                    relation.name.name
                ),
            ));
        }
        self.policies_of.push(relation.name.clone());
        let name = relation.name.name.clone();
        let read = |this: &mut Self, barrier: bool| {
            this.policed = false;
            this.leaky = false;
            this.barrier = barrier;
            this.in_table_scope(&name, columns.clone(), |this| {
                this.condition_expr(condition, "POLICY")
            })
        };
        // The policy's text may raise on rows of its own table; the rows of other protected tables that it looks at
        // are hidden from it too, so it is read again behind a barrier when it could show them.
        let outer = (
            self.policed,
            self.leaky,
            self.barrier,
            std::mem::take(&mut self.trusted),
        );
        let mut result = read(self, false);
        if result.is_ok() && self.policed && self.leaky {
            result = read(self, true);
        }
        (self.policed, self.leaky, self.barrier, self.trusted) = outer;
        self.policies_of.pop();
        Ok(result?.sql)
    }

    /// The policies that count for this role and command: permissive and restrictive ones.
    fn policies(&self, relation: &Relation, command: PolicyCommand) -> (Vec<Policy>, Vec<Policy>) {
        let applies = |policy: &&Policy| {
            (policy.command == PolicyCommand::All || policy.command == command)
                && policy
                    .roles
                    .iter()
                    .any(|role| role == "public" || self.catalog.has_role(&self.role, role))
        };
        relation
            .table()
            .into_iter()
            .flat_map(|table| &table.policies)
            .filter(applies)
            .cloned()
            .partition(|policy| policy.permissive)
    }
}

/// Which of a policy's two conditions counts.
trait Conditions {
    fn existing_row(&self) -> Option<&Expr>;
    fn new_row(&self) -> Option<&Expr>;
}

impl Conditions for Policy {
    /// On rows that are there. A policy without `USING` (only `INSERT` ones may lack it) says nothing.
    fn existing_row(&self) -> Option<&Expr> {
        self.using.as_ref()
    }

    /// On rows that will be there: `WITH CHECK`, else `USING`.
    fn new_row(&self) -> Option<&Expr> {
        self.check.as_ref().or(self.using.as_ref())
    }
}
