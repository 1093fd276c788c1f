//! `GRANT`, `REVOKE` and `ALTER DEFAULT PRIVILEGES`.

use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{AlterDefaultPrivileges, Grant, GrantObjects, Privilege, Statement};

/// Everything Postgres knows as a privilege, on whatever kind of object.
const PRIVILEGES: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "usage",
    "execute",
    "create",
    "connect",
    "temporary",
    "temp",
    "set",
    "alter system",
];

/// What stands before `ON`, or is a list of roles.
struct Granted {
    all: bool,
    all_columns: Vec<String>,
    privileges: Vec<Privilege>,
    place: crate::ast::Span,
}

impl Parser<'_> {
    pub(super) fn grant(&mut self) -> PResult<Grant> {
        let revoke = self.expect_any(&["grant", "revoke"])? == "revoke";
        let mut grant_option = revoke && self.option_for()?;
        let granted = self.granted()?;
        let objects = if self.eat("on") {
            check_privileges(&granted)?;
            self.grant_objects()?
        } else {
            GrantObjects::Roles(self.granted_roles(&granted)?)
        };
        let roles = self.grantees(revoke)?;
        if !revoke {
            grant_option = self.with_option()?;
        }
        if self.eat("granted") {
            self.expect("by")?;
            self.role()?;
        }
        let cascade = revoke && self.cascade();
        let privileges = if matches!(objects, GrantObjects::Roles(_)) {
            Vec::new()
        } else {
            granted.privileges
        };
        let all_columns = granted.all_columns;
        Ok(Grant {
            revoke,
            privileges,
            all_columns,
            objects,
            roles,
            grant_option,
            cascade,
        })
    }

    /// `GRANT OPTION FOR` and `ADMIN OPTION FOR`.
    fn option_for(&mut self) -> PResult<bool> {
        let found = self.is_all(&["grant", "option"]) || self.is_all(&["admin", "option"]);
        if found {
            self.advance();
            self.expect_all(&["option", "for"])?;
        }
        Ok(found)
    }

    fn with_option(&mut self) -> PResult<bool> {
        let found = self.eat("with");
        if found {
            self.expect_any(&["grant", "admin"])?;
            self.expect("option")?;
        }
        Ok(found)
    }

    fn granted(&mut self) -> PResult<Granted> {
        let place = self.here();
        let mut granted = Granted {
            all: false,
            all_columns: Vec::new(),
            privileges: Vec::new(),
            place,
        };
        if self.eat("all") {
            granted.all = true;
            self.eat("privileges");
            granted.all_columns = self.optional_columns()?;
        } else {
            granted.privileges = self.comma_list(Parser::privilege)?;
        }
        Ok(granted)
    }

    fn privilege(&mut self) -> PResult<Privilege> {
        let name = if self.eat_all(&["alter", "system"]) {
            "alter system".to_owned()
        } else if let Some(word) = self.eat_any(&["select", "references", "create"]) {
            word.to_owned()
        } else {
            self.role()?
        };
        Ok(Privilege {
            name,
            columns: self.optional_columns()?,
        })
    }

    /// `GRANT role TO role`: what looked like privileges were roles.
    fn granted_roles(&self, granted: &Granted) -> PResult<Vec<String>> {
        if granted.all {
            return Err(self.unexpected());
        }
        if granted
            .privileges
            .iter()
            .any(|privilege| !privilege.columns.is_empty())
        {
            let message = "column names cannot be included in GRANT/REVOKE ROLE";
            return Err(Box::new(SqlError::new("0LP01", message).at(granted.place)));
        }
        Ok(granted
            .privileges
            .iter()
            .map(|privilege| privilege.name.clone())
            .collect())
    }

    fn grantees(&mut self, revoke: bool) -> PResult<Vec<String>> {
        self.expect(if revoke { "from" } else { "to" })?;
        self.comma_list(|parser| {
            parser.eat("group");
            parser.role()
        })
    }

    fn grant_objects(&mut self) -> PResult<GrantObjects> {
        if self.eat("all") {
            let kind =
                self.expect_any(&["tables", "sequences", "functions", "procedures", "routines"])?;
            self.expect_all(&["in", "schema"])?;
            let schemas = self.comma_list(Parser::name)?;
            return Ok(match kind {
                "tables" => GrantObjects::AllTables(schemas),
                "sequences" => GrantObjects::AllSequences(schemas),
                _ => GrantObjects::AllFunctions(schemas),
            });
        }
        if self.eat("table") {
            return Ok(GrantObjects::Tables(self.object_names()?));
        }
        // Words for kinds are free to be tables' names: a kind has a name behind it.
        let named = self.is_name_at(1) || self.is_function_name_at(1);
        let kind = if named {
            self.word().to_owned()
        } else {
            String::new()
        };
        match kind.as_str() {
            "sequence" | "function" | "procedure" | "routine" | "schema" | "type" | "domain" => {
                self.advance();
            }
            "database" | "language" | "tablespace" | "large" | "parameter" => {
                return Ok(GrantObjects::Other(self.other_objects(&kind)));
            }
            _ if self.is_all(&["foreign", "data", "wrapper"])
                || self.is_all(&["foreign", "server"]) =>
            {
                return Ok(GrantObjects::Other(self.other_objects("foreign")));
            }
            _ => return Ok(GrantObjects::Tables(self.object_names()?)),
        }
        Ok(match kind.as_str() {
            "sequence" => GrantObjects::Sequences(self.object_names()?),
            "schema" => GrantObjects::Schemas(self.comma_list(Parser::name)?),
            "type" | "domain" => GrantObjects::Types(self.object_names()?),
            _ => GrantObjects::Functions(self.comma_list(Parser::function_signature)?),
        })
    }

    /// Objects of a kind we keep no privileges for: skipped up to the roles.
    fn other_objects(&mut self, kind: &str) -> String {
        while !self.at_end() && !self.is_any(&["to", "from"]) {
            self.advance();
        }
        kind.to_ascii_uppercase()
    }

    /// From `DEFAULT` on.
    pub(super) fn alter_default_privileges(&mut self) -> PResult<Statement> {
        self.expect_all(&["default", "privileges"])?;
        let (mut for_roles, mut schemas) = (Vec::new(), Vec::new());
        loop {
            if self.eat("for") {
                self.expect_any(&["role", "user"])?;
                for_roles = self.roles()?;
            } else if self.eat("in") {
                self.expect("schema")?;
                schemas = self.comma_list(Parser::name)?;
            } else {
                break;
            }
        }
        let revoke = self.expect_any(&["grant", "revoke"])? == "revoke";
        let mut grant_option = revoke && self.option_for()?;
        let granted = self.granted()?;
        check_privileges(&granted)?;
        if !granted.all_columns.is_empty()
            || granted
                .privileges
                .iter()
                .any(|privilege| !privilege.columns.is_empty())
        {
            let message = "default privileges cannot be set for columns";
            return Err(Box::new(SqlError::new("0LP01", message).at(granted.place)));
        }
        self.expect("on")?;
        let kind = match self.expect_any(&[
            "tables",
            "functions",
            "routines",
            "sequences",
            "types",
            "schemas",
        ])? {
            "routines" => "functions",
            kind => kind,
        };
        let roles = self.grantees(revoke)?;
        if !revoke {
            grant_option = self.with_option()?;
        }
        let cascade = revoke && self.cascade();
        let grant = Grant {
            revoke,
            privileges: granted.privileges,
            all_columns: Vec::new(),
            objects: GrantObjects::Default(kind.to_owned()),
            roles,
            grant_option,
            cascade,
        };
        Ok(Statement::AlterDefaultPrivileges(AlterDefaultPrivileges {
            for_roles,
            schemas,
            grant,
        }))
    }
}

fn check_privileges(granted: &Granted) -> PResult<()> {
    match granted
        .privileges
        .iter()
        .find(|privilege| !PRIVILEGES.contains(&privilege.name.as_str()))
    {
        None => Ok(()),
        Some(unknown) => {
            let message = format!("unrecognized privilege type \"{}\"", unknown.name);
            Err(Box::new(SqlError::syntax(message, granted.place)))
        }
    }
}
