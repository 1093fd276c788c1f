//! Enum types.

use crate::ast::{AlterEnum, AlterEnumAction, CreateEnum};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_enum(&mut self, create: &CreateEnum) {
        self.text("CREATE TYPE ");
        self.name(&create.name);
        self.text(" AS ENUM ");
        self.parens(&create.labels, |p, label| p.literal(label));
    }

    pub(in crate::print) fn alter_enum(&mut self, alter: &AlterEnum) {
        self.text("ALTER TYPE ");
        self.name(&alter.name);
        match &alter.action {
            AlterEnumAction::AddValue {
                label,
                if_not_exists,
                neighbour,
            } => {
                self.text(" ADD VALUE ");
                self.flag(*if_not_exists, "IF NOT EXISTS ");
                self.literal(label);
                if let Some((before, other)) = neighbour {
                    self.text(if *before { " BEFORE " } else { " AFTER " });
                    self.literal(other);
                }
            }
            AlterEnumAction::RenameValue { from, to } => {
                self.text(" RENAME VALUE ");
                self.literal(from);
                self.text(" TO ");
                self.literal(to);
            }
            AlterEnumAction::RenameTo(name) => self.named(" RENAME TO ", name),
            AlterEnumAction::OwnerTo(role) => {
                self.text(" OWNER TO ");
                self.role_name(role);
            }
            AlterEnumAction::SetSchema(schema) => self.named(" SET SCHEMA ", schema),
        }
    }
}
