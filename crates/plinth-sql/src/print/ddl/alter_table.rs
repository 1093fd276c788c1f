//! `ALTER TABLE` and its actions.

use super::object::kind_name;
use crate::ast::{AlterAction, AlterTable};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn alter_table(&mut self, alter: &AlterTable) {
        self.text("ALTER ");
        self.text(kind_name(alter.object));
        self.text(" ");
        self.flag(alter.if_exists, "IF EXISTS ");
        self.name(&alter.name);
        self.text(" ");
        self.list(&alter.actions, Printer::alter_action);
    }

    fn alter_action(&mut self, action: &AlterAction) {
        match action {
            AlterAction::AddColumn {
                if_not_exists,
                column,
            } => {
                self.text("ADD COLUMN ");
                self.flag(*if_not_exists, "IF NOT EXISTS ");
                self.column_def(column);
            }
            AlterAction::DropColumn {
                name,
                if_exists,
                cascade,
            } => {
                self.drop_part("DROP COLUMN ", name, *if_exists, *cascade);
            }
            AlterAction::RenameColumn { from, to } => self.rename("RENAME COLUMN ", from, to),
            AlterAction::RenameTo(name) => self.named("RENAME TO ", name),
            AlterAction::RenameConstraint { from, to } => {
                self.rename("RENAME CONSTRAINT ", from, to);
            }
            AlterAction::SetSchema(schema) => self.named("SET SCHEMA ", schema),
            AlterAction::AddConstraint(constraint) => {
                self.text("ADD ");
                self.table_constraint(constraint);
            }
            AlterAction::DropConstraint {
                name,
                if_exists,
                cascade,
            } => {
                self.drop_part("DROP CONSTRAINT ", name, *if_exists, *cascade);
            }
            AlterAction::ValidateConstraint(name) => self.named("VALIDATE CONSTRAINT ", name),
            AlterAction::SetDefault { column, default } => {
                self.named("ALTER COLUMN ", column);
                match default {
                    Some(_) => self.clause(" SET DEFAULT ", default.as_ref()),
                    None => self.text(" DROP DEFAULT"),
                }
            }
            AlterAction::SetNotNull { column, not_null } => {
                self.named("ALTER COLUMN ", column);
                self.text(if *not_null {
                    " SET NOT NULL"
                } else {
                    " DROP NOT NULL"
                });
            }
            AlterAction::SetType { column, ty, using } => {
                self.named("ALTER COLUMN ", column);
                self.text(" TYPE ");
                self.type_name(ty);
                self.clause(" USING ", using.as_ref());
            }
            AlterAction::AddIdentity {
                column,
                always,
                options,
            } => {
                self.named("ALTER COLUMN ", column);
                self.text(" ADD ");
                self.identity(*always, options);
            }
            AlterAction::DropIdentity { column, if_exists } => {
                self.named("ALTER COLUMN ", column);
                self.text(" DROP IDENTITY");
                self.flag(*if_exists, " IF EXISTS");
            }
            AlterAction::EnableTrigger { name, enabled } => {
                self.text(if *enabled { "ENABLE" } else { "DISABLE" });
                self.text(" TRIGGER ");
                match name {
                    Some(name) => self.ident(name),
                    None => self.text("ALL"),
                }
            }
            AlterAction::RowSecurity(true) => self.text("ENABLE ROW LEVEL SECURITY"),
            AlterAction::RowSecurity(false) => self.text("DISABLE ROW LEVEL SECURITY"),
            AlterAction::ForceRowSecurity(true) => self.text("FORCE ROW LEVEL SECURITY"),
            AlterAction::ForceRowSecurity(false) => self.text("NO FORCE ROW LEVEL SECURITY"),
            AlterAction::OwnerTo(role) => {
                self.text("OWNER TO ");
                self.role_name(role);
            }
            AlterAction::SetOptions(options) => {
                let reset = options.iter().all(|(_, value)| value.is_none());
                self.text(if reset { "RESET " } else { "SET " });
                self.options(options);
            }
            AlterAction::NoOp(what) | AlterAction::Unsupported(what, _) => self.note(what),
        }
    }

    fn drop_part(&mut self, what: &str, name: &str, if_exists: bool, cascade: bool) {
        self.text(what);
        self.flag(if_exists, "IF EXISTS ");
        self.ident(name);
        self.flag(cascade, " CASCADE");
    }

    fn rename(&mut self, what: &str, from: &str, to: &str) {
        self.named(what, from);
        self.named(" TO ", to);
    }
}
