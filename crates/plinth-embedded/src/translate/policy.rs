//! Row-level security, put into the statement as Postgres does.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Names, PolicyCommand};
use plinth_sql::catalog::{Policy, Relation};

use super::constant::Folded;
use super::from::stored_columns;
use super::{ItemColumn, Translator};

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
            let applying = self.applying(relation, *command, Policy::existing_row);
            self.refuse_circle(relation, &applying)?;
            let columns = stored_columns(relation, sqlite);
            terms.push(self.any_of(relation, &columns, &applying.permissive)?);
            for (_, folded) in &applying.restrictive {
                terms.push(self.policy_expr(relation, &columns, folded)?);
            }
        }
        Ok(Some(terms.join(" AND ")))
    }

    /// Whether the policies of a table come to nothing but `false` for this role, in the eyes of Postgres's planner: a condition
    /// that is left beside a constant keeps it from seeing that there are no rows.
    pub(super) fn is_closed(&self, relation: &Relation) -> bool {
        if !self.catalog.row_security_applies(&self.role, relation) {
            return false;
        }
        let Applying {
            permissive,
            restrictive,
        } = self.applying(relation, PolicyCommand::Select, Policy::existing_row);
        let written = |(policy, _): (Policy, Folded)| policy.using;
        let any = permissive
            .into_iter()
            .filter_map(written)
            .reduce(|left, right| Expr::Or(Box::new(left), Box::new(right)));
        let mut conditions: Vec<Expr> = Vec::new();
        let each = restrictive.into_iter().filter_map(written);
        for condition in each.chain([any.unwrap_or(Expr::Bool(false))]) {
            if !conditions.contains(&condition) {
                conditions.push(condition);
            }
        }
        let mut left = conditions
            .iter()
            .map(Folded::of)
            .filter(|folded| !folded.is_true());
        left.next().is_some_and(|folded| folded.is_false()) && left.next().is_none()
    }

    /// What a new row must satisfy for this command; columns are whatever `columns` says. Empty when policies do
    /// not apply. `using` asks for the conditions on existing rows instead (upserts, and reads of what was written).
    pub(crate) fn row_checks(
        &mut self,
        relation: &Arc<Relation>,
        command: PolicyCommand,
        using: bool,
        columns: &[ItemColumn],
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
        let applying = self.applying(relation, command, pick);
        self.refuse_circle(relation, &applying)?;
        let sql = self.any_of(relation, columns, &applying.permissive)?;
        let mut checks = vec![Check { sql, policy: None }];
        for (policy, folded) in &applying.restrictive {
            let sql = self.policy_expr(relation, columns, folded)?;
            checks.push(Check {
                sql,
                policy: Some(policy.name.clone()),
            });
        }
        Ok(checks)
    }

    /// Policies that apply to a table within its own policies lead in a circle if one of them asks a table, be it in the
    /// condition that does not count here. A function that stands in between plans its query by itself.
    fn refuse_circle(&self, relation: &Relation, applying: &Applying) -> Result<(), SqlError> {
        let around = self.policies_of.get(self.policies_floor..);
        let met = around.is_some_and(|around| around.contains(&relation.name));
        match met && applying.ask_on() {
            true => Err(circle(relation)),
            false => Ok(()),
        }
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

    /// Whether any of the permissive policies lets a row through. One that lets every row through drops the others.
    fn any_of(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[ItemColumn],
        permissive: &[(Policy, Folded)],
    ) -> Result<String, SqlError> {
        let open = permissive.iter().any(|(_, folded)| folded.is_true());
        let mut any = Vec::with_capacity(permissive.len());
        for (_, folded) in permissive {
            if open && !folded.is_true() {
                self.dropped(|this| this.policy_expr(relation, columns, folded))?;
            } else {
                any.push(self.policy_expr(relation, columns, folded)?);
            }
        }
        Ok(match any.as_slice() {
            [] => "0".to_owned(),
            any => format!("({})", any.join(" OR ")),
        })
    }

    fn policy_expr(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[ItemColumn],
        folded: &Folded,
    ) -> Result<String, SqlError> {
        // A policy without subqueries leads nowhere, so it may be met again; a function that it calls bounds itself.
        let mut parts = std::iter::once(&folded.condition).chain(&folded.dropped);
        let leads_on = parts.any(|part| Names::of_expr(part).subqueries);
        if leads_on && self.policies_of.contains(&relation.name) {
            return Err(circle(relation));
        }
        self.policies_of.push(relation.name.clone());
        let name = relation.name.name.clone();
        let read = |this: &mut Self, barrier: bool| {
            this.policed = false;
            this.leaky = false;
            this.barrier = barrier;
            this.in_table_scope(&name, columns.to_vec(), |this| {
                for part in &folded.dropped {
                    this.dropped(|this| this.condition_expr(part, "POLICY"))?;
                }
                this.condition_expr(&folded.condition, "POLICY")
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

    /// The policies that count for this role and command.
    fn applying(
        &self,
        relation: &Relation,
        command: PolicyCommand,
        pick: fn(&Policy) -> Option<&Expr>,
    ) -> Applying {
        let applies = |policy: &&Policy| {
            (policy.command == PolicyCommand::All || policy.command == command)
                && policy
                    .roles
                    .iter()
                    .any(|role| role == "public" || self.catalog.has_role(&self.role, role))
        };
        let folded =
            |policy: &Policy| pick(policy).map(|condition| (policy.clone(), Folded::of(condition)));
        let (permissive, mut restrictive): (Vec<_>, Vec<_>) = relation
            .table()
            .into_iter()
            .flat_map(|table| &table.policies)
            .filter(applies)
            .filter_map(folded)
            .partition(|(policy, _)| policy.permissive);
        if permissive.is_empty() {
            restrictive.clear();
        }
        Applying {
            permissive,
            restrictive,
        }
    }
}

/// The policies that apply somewhere, each with its condition that counts there.
struct Applying {
    permissive: Vec<(Policy, Folded)>,
    /// Empty without permissive ones: nothing passes then, and Postgres does not read them.
    restrictive: Vec<(Policy, Folded)>,
}

impl Applying {
    /// Whether one of them asks a table, in either of its conditions.
    fn ask_on(&self) -> bool {
        self.permissive
            .iter()
            .chain(&self.restrictive)
            .flat_map(|(policy, _)| [&policy.using, &policy.check])
            .flatten()
            .any(|condition| Names::of_expr(condition).subqueries)
    }
}

/// `42P17`.
fn circle(relation: &Relation) -> SqlError {
    SqlError::new(
        "42P17",
        format!(
            "infinite recursion detected in policy for relation \"{}\"",
            relation.name.name
        ),
    )
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
