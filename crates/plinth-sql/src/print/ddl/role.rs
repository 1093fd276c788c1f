//! Roles.

use crate::ast::CreateRole;
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn role(&mut self, what: &str, role: &CreateRole) {
        self.named(what, &role.name);
        let attributes = [
            (role.login, " LOGIN", " NOLOGIN"),
            (role.superuser, " SUPERUSER", " NOSUPERUSER"),
            (role.bypass_rls, " BYPASSRLS", " NOBYPASSRLS"),
            (role.inherit, " INHERIT", " NOINHERIT"),
            (role.create_role, " CREATEROLE", " NOCREATEROLE"),
            (role.create_db, " CREATEDB", " NOCREATEDB"),
            (role.replication, " REPLICATION", " NOREPLICATION"),
        ];
        for (value, yes, no) in attributes {
            self.flag(value == Some(true), yes);
            self.flag(value == Some(false), no);
        }
        self.flag(role.password, " PASSWORD NULL");
        if !role.member_of.is_empty() {
            self.text(" IN ROLE ");
            self.role_names(&role.member_of);
        }
    }
}
