//! Privileges: `GRANT`, `REVOKE` and the default ones.

use crate::ast::{AlterDefaultPrivileges, Grant, GrantObjects};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn grant(&mut self, grant: &Grant) {
        self.text(if grant.revoke { "REVOKE " } else { "GRANT " });
        if let GrantObjects::Roles(granted) = &grant.objects {
            self.flag(grant.revoke && grant.grant_option, "ADMIN OPTION FOR ");
            self.role_names(granted);
        } else {
            self.flag(grant.revoke && grant.grant_option, "GRANT OPTION FOR ");
            if grant.privileges.is_empty() {
                self.text("ALL");
                self.column_list(&grant.all_columns);
            }
            self.list(&grant.privileges, |p, privilege| {
                p.text(&privilege.name.to_uppercase());
                p.column_list(&privilege.columns);
            });
            self.text(" ON ");
            self.grant_objects(&grant.objects);
        }
        self.text(if grant.revoke { " FROM " } else { " TO " });
        self.role_names(&grant.roles);
        if !grant.revoke && grant.grant_option {
            let of_roles = matches!(grant.objects, GrantObjects::Roles(_));
            self.text(if of_roles {
                " WITH ADMIN OPTION"
            } else {
                " WITH GRANT OPTION"
            });
        }
        self.flag(grant.revoke && grant.cascade, " CASCADE");
    }

    fn grant_objects(&mut self, objects: &GrantObjects) {
        match objects {
            GrantObjects::Tables(names) => {
                self.text("TABLE ");
                self.list(names, Printer::name);
            }
            GrantObjects::AllTables(schemas) => self.all_in_schema("TABLES", schemas),
            GrantObjects::Sequences(names) => {
                self.text("SEQUENCE ");
                self.list(names, Printer::name);
            }
            GrantObjects::AllSequences(schemas) => self.all_in_schema("SEQUENCES", schemas),
            GrantObjects::Functions(functions) => {
                self.text("FUNCTION ");
                self.list(functions, |p, (name, types)| {
                    p.name(name);
                    p.signature(types.as_deref());
                });
            }
            GrantObjects::AllFunctions(schemas) => self.all_in_schema("FUNCTIONS", schemas),
            GrantObjects::Schemas(names) => {
                self.text("SCHEMA ");
                self.idents(names);
            }
            GrantObjects::Types(names) => {
                self.text("TYPE ");
                self.list(names, Printer::name);
            }
            GrantObjects::Other(kind) => self.note(kind),
            GrantObjects::Roles(names) => self.role_names(names),
            GrantObjects::Default(kind) => self.text(&kind.to_uppercase()),
        }
    }

    fn all_in_schema(&mut self, kind: &str, schemas: &[String]) {
        self.text("ALL ");
        self.text(kind);
        self.text(" IN SCHEMA ");
        self.idents(schemas);
    }

    pub(in crate::print) fn alter_default_privileges(&mut self, alter: &AlterDefaultPrivileges) {
        self.text("ALTER DEFAULT PRIVILEGES ");
        if !alter.for_roles.is_empty() {
            self.text("FOR ROLE ");
            self.role_names(&alter.for_roles);
            self.text(" ");
        }
        if !alter.schemas.is_empty() {
            self.text("IN SCHEMA ");
            self.idents(&alter.schemas);
            self.text(" ");
        }
        self.grant(&alter.grant);
    }
}
