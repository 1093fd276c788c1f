//! Row-level security policies.

use crate::ast::{AlterPolicy, CreatePolicy, Expr, PolicyCommand};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_policy(&mut self, policy: &CreatePolicy) {
        self.named("CREATE POLICY ", &policy.name);
        self.text(" ON ");
        self.name(&policy.table);
        self.text(if policy.permissive {
            " AS PERMISSIVE FOR "
        } else {
            " AS RESTRICTIVE FOR "
        });
        self.text(match policy.command {
            PolicyCommand::All => "ALL",
            PolicyCommand::Select => "SELECT",
            PolicyCommand::Insert => "INSERT",
            PolicyCommand::Update => "UPDATE",
            PolicyCommand::Delete => "DELETE",
        });
        self.policy_parts(
            Some(&policy.roles),
            policy.using.as_ref(),
            policy.check.as_ref(),
        );
    }

    pub(in crate::print) fn alter_policy(&mut self, policy: &AlterPolicy) {
        self.named("ALTER POLICY ", &policy.name);
        self.text(" ON ");
        self.name(&policy.table);
        if let Some(name) = &policy.rename_to {
            self.named(" RENAME TO ", name);
        }
        self.policy_parts(
            policy.roles.as_ref(),
            policy.using.as_ref(),
            policy.check.as_ref(),
        );
    }

    fn policy_parts(
        &mut self,
        roles: Option<&Vec<String>>,
        using: Option<&Expr>,
        check: Option<&Expr>,
    ) {
        if let Some(roles) = roles {
            self.text(" TO ");
            self.role_names(roles);
        }
        self.in_parens(" USING ", using);
        self.in_parens(" WITH CHECK ", check);
    }
}
