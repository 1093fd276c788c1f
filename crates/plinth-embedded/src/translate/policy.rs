//! Row-level security, put into the statement as Postgres does.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, FromItem, JoinKind, Names, PolicyCommand, Query, SetExpr};
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
            let (permissive, restrictive) = self.policies(relation, *command);
            let columns = stored_columns(relation, sqlite);
            let permissive = conditions(&permissive, Policy::existing_row);
            terms.push(self.any_of(relation, &columns, permissive)?);
            for (_, folded) in conditions(&restrictive, Policy::existing_row) {
                terms.push(self.policy_expr(relation, &columns, &folded)?);
            }
        }
        Ok(Some(terms.join(" AND ")))
    }

    /// Whether Postgres's planner sees at once that a query has no rows: its `FROM` has a table, or its condition asks for a row
    /// of one, whose policies show this role none whatever is in it.
    pub(crate) fn finds_nothing(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = &query.body else {
            return false;
        };
        let condition = select.selection.as_ref();
        let grouped = !select.group_by.is_empty() || select.having.is_some();
        !grouped
            && (select.from.iter().any(|item| self.shows_nothing(item))
                || condition.is_some_and(|condition| self.never_holds(condition)))
    }

    fn never_holds(&self, condition: &Expr) -> bool {
        match condition {
            Expr::And(left, right) => self.never_holds(left) || self.never_holds(right),
            Expr::Exists(query) => self.finds_nothing(query),
            _ => false,
        }
    }

    fn shows_nothing(&self, item: &FromItem) -> bool {
        match item {
            FromItem::Table { name, .. } => {
                let relation = self.catalog.relation(name, &self.search_path);
                relation.is_some_and(|relation| self.is_closed(relation))
            }
            FromItem::Join {
                left,
                right,
                kind: JoinKind::Inner | JoinKind::Cross,
                ..
            } => self.shows_nothing(left) || self.shows_nothing(right),
            FromItem::Join { .. } | FromItem::Subquery { .. } | FromItem::Function { .. } => false,
        }
    }

    /// Whether the policies of a table show this role no row whatever is in it.
    fn is_closed(&self, relation: &Relation) -> bool {
        if !self.catalog.row_security_applies(&self.role, relation) {
            return false;
        }
        let (permissive, restrictive) = self.policies(relation, PolicyCommand::Select);
        let mut restrictive = conditions(&restrictive, Policy::existing_row);
        conditions(&permissive, Policy::existing_row).all(|(_, folded)| folded.is_false())
            || restrictive.any(|(_, folded)| folded.is_false())
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
        let (permissive, restrictive) = self.policies(relation, command);
        let sql = self.any_of(relation, columns, conditions(&permissive, pick))?;
        let mut checks = vec![Check { sql, policy: None }];
        for (policy, folded) in conditions(&restrictive, pick) {
            let sql = self.policy_expr(relation, columns, &folded)?;
            checks.push(Check {
                sql,
                policy: Some(policy.name.clone()),
            });
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

    /// Whether any of the permissive policies lets a row through. One that lets every row through drops the others.
    fn any_of<'p>(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[ItemColumn],
        permissive: impl Iterator<Item = (&'p Policy, Folded)>,
    ) -> Result<String, SqlError> {
        let permissive: Vec<Folded> = permissive.map(|(_, folded)| folded).collect();
        let open = permissive.iter().any(Folded::is_true);
        let mut any = Vec::with_capacity(permissive.len());
        for folded in &permissive {
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

/// The conditions of policies, as far as they have the one that counts.
fn conditions(
    policies: &[Policy],
    pick: fn(&Policy) -> Option<&Expr>,
) -> impl Iterator<Item = (&Policy, Folded)> {
    let folded = move |policy| pick(policy).map(|condition| (policy, Folded::of(condition)));
    policies.iter().filter_map(folded)
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
