//! Schemas.

use crate::ast::CreateSchema;
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_schema(&mut self, schema: &CreateSchema) {
        self.text("CREATE SCHEMA ");
        self.flag(schema.if_not_exists, "IF NOT EXISTS ");
        self.ident(&schema.name);
        if let Some(owner) = &schema.owner {
            self.text(" AUTHORIZATION ");
            self.role_name(owner);
        }
    }
}
