//! `GRANT` and `REVOKE`.
//!
//! An access list that nobody has touched is empty and stands for its kind's defaults. The first statement that touches
//! it writes those defaults down, the exposure rule's included, so that the statement's own change is the only one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::constraints::column_at;
use super::defaults::defaults;
use super::names::{Named, missing_relation, no_schema, wrong_kind};
use super::{Work, error, function, role};
use crate::SqlError;
use crate::ast::{Grant, GrantObjects, ObjectName};
use crate::catalog::{Acl, Function, Privilege, QName, Relation, Sequence};

/// Privileges that Postgres knows and that none of our kinds of object has.
const FOREIGN_PRIVILEGES: [&str; 6] = [
    "connect",
    "temporary",
    "temp",
    "set",
    "alter system",
    "maintain",
];

/// `GRANT` and `REVOKE`.
pub(super) fn grant(work: &mut Work<'_>, statement: &Grant) -> Result<&'static str, SqlError> {
    let done = if statement.revoke { "REVOKE" } else { "GRANT" };
    match &statement.objects {
        GrantObjects::Roles(granted) => {
            role::membership(work, statement, granted)?;
            return Ok(if statement.revoke {
                "REVOKE ROLE"
            } else {
                "GRANT ROLE"
            });
        }
        GrantObjects::Other(kind) => {
            work.notice(error(
                "00000",
                format!("{done} ON {} has no effect here", kind.to_uppercase()),
            ));
            return Ok(done);
        }
        GrantObjects::Default(_) => {
            return Err(error(
                "42601",
                "default privileges are changed by ALTER DEFAULT PRIVILEGES",
            ));
        }
        _ => {}
    }
    let roles = grantees(work, statement)?;
    if statement.grant_option && statement.revoke {
        return Ok(done);
    }
    let change = Change { statement, roles };
    match &statement.objects {
        GrantObjects::Tables(names) => {
            for name in names {
                match work.find_named(name) {
                    Some(Named::Relation(relation)) => change.on_relation(work, &relation)?,
                    Some(Named::Sequence(sequence)) => change.on_sequence(work, &sequence)?,
                    Some(Named::Index(_)) => {
                        return Err(error("42809", format!("\"{}\" is an index", name.name)));
                    }
                    None => return Err(missing_relation(name)),
                }
            }
        }
        GrantObjects::AllTables(schemas) => {
            let in_schemas = in_schemas(work, schemas)?;
            let all: Vec<_> = work
                .catalog
                .relations
                .values()
                .filter(|r| in_schemas(&r.name))
                .cloned()
                .collect();
            for relation in all {
                change.on_relation(work, &relation)?;
            }
        }
        GrantObjects::Sequences(names) => {
            change.privileges(&Privilege::ALL_ON_SEQUENCE, "sequence")?;
            for name in names {
                let sequence = sequence(work, name)?;
                change.on_sequence(work, &sequence)?;
            }
        }
        GrantObjects::AllSequences(schemas) => {
            let in_schemas = in_schemas(work, schemas)?;
            let all: Vec<_> = work
                .catalog
                .sequences
                .values()
                .filter(|s| in_schemas(&s.name))
                .cloned()
                .collect();
            for sequence in all {
                change.on_sequence(work, &sequence)?;
            }
        }
        GrantObjects::Functions(names) => {
            for (name, arguments) in names {
                let function = function::find(work, name, arguments.as_deref())
                    .map_err(|error| error.at(name.span))?;
                change.on_function(work, &function)?;
            }
        }
        GrantObjects::AllFunctions(schemas) => {
            let in_schemas = in_schemas(work, schemas)?;
            let all = work
                .catalog
                .functions
                .values()
                .flatten()
                .filter(|f| in_schemas(&f.name));
            for function in all.cloned().collect::<Vec<_>>() {
                change.on_function(work, &function)?;
            }
        }
        GrantObjects::Schemas(names) => {
            for name in names {
                change.on_schema(work, name)?;
            }
        }
        GrantObjects::Types(names) => {
            change.privileges(&[Privilege::Usage], "type")?;
            for name in names {
                if work.catalog.enum_type(name, work.path()).is_none() {
                    return Err(
                        error("42704", format!("type \"{}\" does not exist", name.name))
                            .at(name.span),
                    );
                }
            }
            if statement.revoke {
                work.notice(error(
                    "01000",
                    "everybody may use types; REVOKE ON TYPE has no effect here",
                ));
            }
        }
        GrantObjects::Roles(_) | GrantObjects::Other(_) | GrantObjects::Default(_) => {}
    }
    if statement.grant_option {
        work.notice(error(
            "01000",
            "grant options are not kept; the owner can grant the privileges on",
        ));
    }
    Ok(done)
}

pub(super) fn grantees(work: &Work<'_>, statement: &Grant) -> Result<Vec<String>, SqlError> {
    let one = |role: &String| {
        if role != "public" {
            return work.role_name(role);
        }
        if statement.grant_option && !statement.revoke {
            return Err(error("0LP01", "grant options can only be granted to roles"));
        }
        Ok(role.clone())
    };
    statement.roles.iter().map(one).collect()
}

fn in_schemas(
    work: &Work<'_>,
    schemas: &[String],
) -> Result<impl Fn(&QName) -> bool + use<>, SqlError> {
    known_schemas(work, schemas)?;
    let schemas = schemas.to_vec();
    Ok(move |name: &QName| schemas.contains(&name.schema))
}

pub(super) fn known_schemas(work: &Work<'_>, schemas: &[String]) -> Result<(), SqlError> {
    if let Some(missing) = schemas
        .iter()
        .find(|schema| !work.catalog.schemas.contains_key(*schema))
    {
        return Err(no_schema(missing));
    }
    Ok(())
}

fn sequence(work: &Work<'_>, name: &ObjectName) -> Result<Arc<Sequence>, SqlError> {
    match work.find_named(name) {
        Some(Named::Sequence(sequence)) => Ok(sequence),
        Some(_) => Err(wrong_kind(&name.name, "a sequence").at(name.span)),
        None => Err(missing_relation(name)),
    }
}

/// Privileges on the whole relation, and on columns by their place.
type OnRelation = (Vec<Privilege>, Vec<(usize, Privilege)>);

/// One `GRANT` or `REVOKE`, for every object it names.
pub(super) struct Change<'a> {
    pub(super) statement: &'a Grant,
    pub(super) roles: Vec<String>,
}

impl Change<'_> {
    fn on_relation(&self, work: &mut Work<'_>, relation: &Relation) -> Result<(), SqlError> {
        let (whole, columns) = self.relation_privileges(relation)?;
        let kind = if relation.table().is_some() {
            "table"
        } else {
            "view"
        };
        if !self.may(
            work,
            &relation.owner,
            &relation.acl,
            kind,
            &relation.name.name,
        )? {
            return Ok(());
        }
        // A grant on columns alone is said about the table too: it ends what holds while nobody says anything.
        if !whole.is_empty() || !self.statement.revoke {
            let mut acl = relation.acl.clone();
            if acl.0.is_empty() {
                acl = defaults("tables", &relation.owner);
                self.write_down(
                    work,
                    &mut acl,
                    work.catalog.exposed_roles(relation),
                    &Privilege::ALL_ON_TABLE,
                );
            }
            self.apply(&mut acl, &relation.owner, &whole);
            work.edit_relation(&relation.name, |relation| relation.acl = acl);
        }
        let revoked = if self.statement.revoke {
            whole
        } else {
            Vec::new()
        };
        work.edit_relation(&relation.name, |relation| {
            for (at, privilege) in columns {
                self.apply_to_column(&mut relation.columns[at].acl, &[privilege]);
            }
            // What is taken from the whole is taken from each column.
            relation
                .columns
                .iter_mut()
                .for_each(|column| self.apply_to_column(&mut column.acl, &revoked));
        });
        Ok(())
    }

    fn on_sequence(&self, work: &mut Work<'_>, sequence: &Sequence) -> Result<(), SqlError> {
        let privileges = self.privileges(&Privilege::ALL_ON_SEQUENCE, "sequence")?;
        if !self.may(
            work,
            &sequence.owner,
            &sequence.acl,
            "sequence",
            &sequence.name.name,
        )? {
            return Ok(());
        }
        let mut acl = sequence.acl.clone();
        if acl.0.is_empty() {
            acl = defaults("sequences", &sequence.owner);
            let exposed = work.catalog.exposed_sequence_roles(sequence);
            self.write_down(work, &mut acl, exposed, &Privilege::ALL_ON_SEQUENCE);
        }
        self.apply(&mut acl, &sequence.owner, &privileges);
        if let Some(found) = work.edit().sequences.get_mut(&sequence.name) {
            Arc::make_mut(found).acl = acl;
        }
        Ok(())
    }

    fn on_function(&self, work: &mut Work<'_>, found: &Function) -> Result<(), SqlError> {
        let privileges = self.privileges(&[Privilege::Execute], "function")?;
        if !self.may(work, &found.owner, &found.acl, "function", &found.name.name)? {
            return Ok(());
        }
        let mut acl = found.acl.clone();
        if acl.0.is_empty() {
            acl = defaults("functions", &found.owner);
        }
        self.apply(&mut acl, &found.owner, &privileges);
        function::edit(work, found, |function| function.acl = acl);
        Ok(())
    }

    fn on_schema(&self, work: &mut Work<'_>, name: &str) -> Result<(), SqlError> {
        let privileges = self.privileges(&[Privilege::Usage, Privilege::Create], "schema")?;
        let found = work.schema(name)?.clone();
        if !self.may(work, &found.owner, &found.acl, "schema", name)? {
            return Ok(());
        }
        let mut acl = found.acl;
        if acl.0.is_empty() {
            acl = defaults("schemas", &found.owner);
        }
        self.apply(&mut acl, &found.owner, &privileges);
        if let Some(schema) = work.edit().schemas.get_mut(name) {
            schema.acl = acl;
        }
        Ok(())
    }

    /// What the exposure rule gave, from now on as if it had been granted. A `GRANT` says who is meant, so after it only
    /// `service_role` keeps what it had; a `REVOKE` takes from what is there.
    fn write_down(&self, work: &Work<'_>, acl: &mut Acl, exposed: &[&str], all: &[Privilege]) {
        for role in exposed
            .iter()
            .filter(|role| work.catalog.roles.contains_key(**role))
        {
            if self.statement.revoke || *role == "service_role" {
                acl.grant(role, all.iter().copied());
            }
        }
    }

    /// Only the owner grants. Whoever holds something gets a warning, others an error.
    fn may(
        &self,
        work: &mut Work<'_>,
        owner: &str,
        acl: &Acl,
        kind: &str,
        name: &str,
    ) -> Result<bool, SqlError> {
        if work.catalog.has_role(work.role(), owner) {
            return Ok(true);
        }
        let holds = acl.0.iter().any(|(grantee, held)| {
            !held.is_empty() && (grantee == "public" || work.catalog.has_role(work.role(), grantee))
        });
        if !holds {
            return Err(error(
                "42501",
                format!("permission denied for {kind} {name}"),
            ));
        }
        work.notice(if self.statement.revoke {
            error(
                "01006",
                format!("no privileges could be revoked for \"{name}\""),
            )
        } else {
            error(
                "01007",
                format!("no privileges were granted for \"{name}\""),
            )
        });
        Ok(false)
    }

    fn apply(&self, acl: &mut Acl, owner: &str, privileges: &[Privilege]) {
        for role in &self.roles {
            if self.statement.revoke {
                acl.revoke(role, privileges.iter().copied());
            } else {
                acl.grant(role, privileges.iter().copied());
            }
        }
        if acl.0.is_empty() {
            // Touched, with nothing left: not the same as never touched.
            acl.0.insert(owner.to_owned(), BTreeSet::new());
        }
    }

    pub(super) fn apply_to_column(&self, acl: &mut Acl, privileges: &[Privilege]) {
        for role in &self.roles {
            if self.statement.revoke {
                acl.revoke(role, privileges.iter().copied());
            } else {
                acl.grant(role, privileges.iter().copied());
            }
        }
    }

    fn relation_privileges(&self, relation: &Relation) -> Result<OnRelation, SqlError> {
        const ON_COLUMN: [Privilege; 4] = [
            Privilege::Select,
            Privilege::Insert,
            Privilege::Update,
            Privilege::References,
        ];
        let mut whole = Vec::new();
        let mut columns = Vec::new();
        if self.statement.privileges.is_empty() && self.statement.all_columns.is_empty() {
            whole.extend(Privilege::ALL_ON_TABLE);
        }
        for column in &self.statement.all_columns {
            let at = column_at(relation, column)?;
            columns.extend(ON_COLUMN.map(|privilege| (at, privilege)));
        }
        for written in &self.statement.privileges {
            let kind = if written.columns.is_empty() {
                "table"
            } else {
                "column"
            };
            let allowed: &[Privilege] = if written.columns.is_empty() {
                &Privilege::ALL_ON_TABLE
            } else {
                &ON_COLUMN
            };
            let privilege = parse(&written.name, allowed, kind)?;
            if written.columns.is_empty() {
                whole.push(privilege);
            }
            for column in &written.columns {
                columns.push((column_at(relation, column)?, privilege));
            }
        }
        Ok((whole, columns))
    }

    fn privileges(&self, allowed: &[Privilege], kind: &str) -> Result<Vec<Privilege>, SqlError> {
        parse_all(self.statement, allowed, kind)
    }
}

pub(super) fn parse_all(
    statement: &Grant,
    allowed: &[Privilege],
    kind: &str,
) -> Result<Vec<Privilege>, SqlError> {
    if statement.privileges.is_empty() {
        return Ok(allowed.to_vec());
    }
    if !statement.all_columns.is_empty()
        || statement
            .privileges
            .iter()
            .any(|written| !written.columns.is_empty())
    {
        return Err(error(
            "0LP01",
            "column privileges are only valid for relations",
        ));
    }
    statement
        .privileges
        .iter()
        .map(|written| parse(&written.name, allowed, kind))
        .collect()
}

fn parse(name: &str, allowed: &[Privilege], kind: &str) -> Result<Privilege, SqlError> {
    match Privilege::parse(name) {
        Some(privilege) if allowed.contains(&privilege) => Ok(privilege),
        None if !FOREIGN_PRIVILEGES.contains(&name) => Err(error(
            "42601",
            format!("unrecognized privilege type \"{name}\""),
        )),
        _ => Err(error(
            "0LP01",
            format!("invalid privilege type {} for {kind}", name.to_uppercase()),
        )),
    }
}
