//! `DROP`, and what goes with it.

mod find;

pub(super) use find::missing;

use std::collections::BTreeMap;

use find::{index, relation_like, schema, user_type};

use super::depend::{Edge, Object, edges};
use super::names::is_key;
use super::rename::rename;
use super::{Effect, Verb, Work, error, function, policy, role, tag, trigger};
use crate::SqlError;
use crate::ast::{Drop, ObjectKind};
use crate::catalog::QName;
use crate::catalog::references::Renamed;

/// Most objects that a message lists one by one, as in Postgres.
const MAX_REPORTED: usize = 100;

const CASCADE_HINT: &str = "Use DROP ... CASCADE to drop the dependent objects too.";

/// `DROP`.
pub(super) fn drop(work: &mut Work<'_>, statement: &Drop) -> Result<&'static str, SqlError> {
    let done = tag(Verb::Drop, statement.object);
    let mut objects = Vec::new();
    for (at, name) in statement.names.iter().enumerate() {
        let found = match statement.object {
            ObjectKind::Table
            | ObjectKind::View
            | ObjectKind::MaterializedView
            | ObjectKind::Sequence => relation_like(work, statement.object, name),
            ObjectKind::Index => index(work, name),
            ObjectKind::Schema => schema(work, name),
            ObjectKind::Type | ObjectKind::Domain => user_type(work, name),
            ObjectKind::Function | ObjectKind::Procedure => {
                let arguments = statement.arguments.get(at).and_then(Option::as_deref);
                function::dropped(work, name, arguments, statement.if_exists)
            }
            ObjectKind::Policy => {
                policy::dropped(work, name, statement.table.as_ref(), statement.if_exists)
            }
            ObjectKind::Role => {
                role::drop(work, name, statement.if_exists).map_err(|error| error.at(name.span))?;
                continue;
            }
            ObjectKind::Trigger => {
                trigger::dropped(work, name, statement.table.as_ref(), statement.if_exists)
            }
            ObjectKind::Extension | ObjectKind::Publication => {
                work.notice(error("00000", format!("{done} has no effect here")));
                continue;
            }
            ObjectKind::Column | ObjectKind::Constraint | ObjectKind::Database => {
                return Err(SqlError::unsupported(done).at(name.span));
            }
        };
        match found {
            Ok(object) => objects.extend(
                object
                    .into_iter()
                    .filter(|object| !objects.contains(object))
                    .collect::<Vec<_>>(),
            ),
            Err(Missing::Skippable(missing)) if statement.if_exists => work.skip(&missing, "00000"),
            Err(Missing::Skippable(error) | Missing::Fatal(error)) => {
                return Err(error.at(name.span));
            }
        }
    }
    run(work, &objects, statement.cascade)?;
    Ok(done)
}

/// Why an object was not found.
pub(super) enum Missing {
    /// `IF EXISTS` forgives it.
    Skippable(SqlError),
    /// It does not.
    Fatal(SqlError),
}

impl From<SqlError> for Missing {
    fn from(error: SqlError) -> Missing {
        Missing::Fatal(error)
    }
}

/// What one name of a `DROP` stands for; none when there is nothing left to do.
pub(super) type Dropped = Result<Option<Object>, Missing>;

/// Drops objects with all that depends on them; 2BP01 when something would go that nobody named.
pub(super) fn run(work: &mut Work<'_>, roots: &[Object], cascade: bool) -> Result<(), SqlError> {
    if roots.is_empty() {
        return Ok(());
    }
    let list = closure(work, roots);
    let others: Vec<&Doomed> = list
        .iter()
        .filter(|doomed| !doomed.auto && doomed.because.is_some())
        .collect();
    if !cascade && !others.is_empty() {
        let message = match roots {
            [only] => format!(
                "cannot drop {} because other objects depend on it",
                work.describe(only)
            ),
            _ => "cannot drop desired object(s) because other objects depend on them".to_owned(),
        };
        let line = |doomed: &&Doomed| {
            let cause = doomed
                .because
                .as_ref()
                .map(|on| work.describe_cause(on, &doomed.object))
                .unwrap_or_default();
            format!("{} depends on {cause}", work.describe(&doomed.object))
        };
        return Err(error("2BP01", message)
            .detail(report(others.iter().map(line).collect()))
            .hint(CASCADE_HINT));
    }
    let lines: Vec<String> = others
        .iter()
        .map(|d| format!("drop cascades to {}", work.describe(&d.object)))
        .collect();
    match lines.as_slice() {
        [] => {}
        [only] => work.notice(error("00000", only.clone())),
        many => {
            let notice = error(
                "00000",
                format!("drop cascades to {} other objects", many.len()),
            );
            work.notice(notice.detail(report(lines)));
        }
    }
    for doomed in list.iter().rev() {
        let host_goes = |host: &QName| {
            list.iter()
                .any(|other| other.object == Object::Relation(host.clone()))
        };
        if !doomed.object.host().is_some_and(host_goes) {
            remove(work, &doomed.object);
        }
    }
    Ok(())
}

fn report(mut lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(MAX_REPORTED);
    lines.truncate(MAX_REPORTED);
    if more > 0 {
        lines.push(format!(
            "and {more} other objects (see server log for list)"
        ));
    }
    lines.join("\n")
}

struct Doomed {
    object: Object,
    /// What it depends on; none for what was named.
    because: Option<Object>,
    auto: bool,
}

/// Everything that goes, each after what it depends on, the older of two first. As in Postgres the youngest is followed
/// first, which decides what is named as the cause of a thing with several.
fn closure(work: &Work<'_>, roots: &[Object]) -> Vec<Doomed> {
    enum Step {
        Enter(Object, Option<Object>, bool),
        Leave(Object),
    }
    let edges = edges(&work.catalog);
    let mut seen: BTreeMap<Object, Doomed> = BTreeMap::new();
    let mut order: Vec<Object> = Vec::new();
    // A stack of its own, since users decide how deep views go. Steps are taken from the end.
    let mut steps: Vec<Step> = roots
        .iter()
        .rev()
        .map(|root| Step::Enter(root.clone(), None, false))
        .collect();
    while let Some(step) = steps.pop() {
        let (object, because, auto) = match step {
            Step::Leave(object) => {
                order.push(object);
                continue;
            }
            Step::Enter(object, because, auto) => (object, because, auto),
        };
        let because = because.filter(|_| !roots.contains(&object));
        if let Some(known) = seen.get_mut(&object) {
            known.auto |= auto;
            continue;
        }
        let mut next = dependents(&edges, &object);
        next.sort_by_key(|(dependent, _)| work.age(dependent));
        steps.push(Step::Leave(object.clone()));
        steps.extend(
            next.into_iter()
                .map(|(dependent, auto)| Step::Enter(dependent, Some(object.clone()), auto)),
        );
        seen.insert(
            object.clone(),
            Doomed {
                object,
                because,
                auto,
            },
        );
    }
    order
        .iter()
        .rev()
        .filter_map(|object| seen.remove(object))
        .collect()
}

fn dependents(edges: &[Edge], object: &Object) -> Vec<(Object, bool)> {
    let mut found: Vec<(Object, bool)> = Vec::new();
    for edge in edges {
        let auto = match (object, &edge.on) {
            (Object::Relation(table), on) if on.host() == Some(table) || on == object => {
                edge.auto || edge.dependent.host() == Some(table)
            }
            (object, on) if on == object => edge.auto,
            _ => continue,
        };
        match found
            .iter_mut()
            .find(|(dependent, _)| *dependent == edge.dependent)
        {
            Some((_, known)) => *known |= auto,
            None => found.push((edge.dependent.clone(), auto)),
        }
    }
    found
}

/// Takes one object out; what depends on it is gone already.
fn remove(work: &mut Work<'_>, object: &Object) {
    match object {
        Object::Schema(name) => {
            let catalog = work.edit();
            catalog.schemas.remove(name);
            catalog
                .default_privileges
                .retain(|entry| entry.schema.as_ref() != Some(name));
        }
        Object::Relation(name) => {
            if let Some(relation) = work.edit().relations.remove(name)
                && relation.table().is_some()
            {
                work.effect(Effect::DropTable(relation));
            }
        }
        Object::Column(table, name) => remove_column(work, table, name),
        Object::Default(table, name) => {
            work.edit_relation(table, |relation| {
                let columns = relation
                    .columns
                    .iter_mut()
                    .filter(|column| column.name == *name);
                columns.for_each(|column| column.default = None);
            });
        }
        Object::Constraint(table, name) => {
            let key = work.edit_relation(table, |relation| {
                let Some(table) = super::constraints::table_mut(relation) else {
                    return false;
                };
                let at = table
                    .constraints
                    .iter()
                    .position(|constraint| constraint.name == *name);
                at.is_some_and(|at| is_key(&table.constraints.remove(at).kind))
            });
            if key == Some(true) {
                work.effect(Effect::DropIndex {
                    table: table.clone(),
                    name: name.clone(),
                });
            }
        }
        Object::Index(table, name) => {
            work.edit_relation(table, |relation| {
                if let Some(table) = super::constraints::table_mut(relation) {
                    table.indexes.retain(|index| index.name != *name);
                }
            });
            work.effect(Effect::DropIndex {
                table: table.clone(),
                name: name.clone(),
            });
        }
        Object::Policy(table, name) => {
            work.edit_relation(table, |relation| {
                if let Some(table) = super::constraints::table_mut(relation) {
                    table.policies.retain(|policy| policy.name != *name);
                }
            });
        }
        Object::Trigger(table, name) => {
            work.edit_relation(table, |relation| {
                if let Some(table) = super::constraints::table_mut(relation) {
                    table.triggers.retain(|trigger| trigger.name != *name);
                }
            });
        }
        Object::Sequence(name) => {
            work.edit().sequences.remove(name);
            work.effect(Effect::DropSequence(name.clone()));
        }
        Object::Enum(name) => {
            work.edit().enums.remove(name);
        }
        Object::Function(name, oid) => {
            let functions = &mut work.edit().functions;
            if let Some(overloads) = functions.get_mut(name) {
                overloads.retain(|function| function.oid != *oid);
                if overloads.is_empty() {
                    functions.remove(name);
                }
            }
        }
    }
}

fn remove_column(work: &mut Work<'_>, table: &QName, name: &str) {
    let Some(relation) = work.catalog.relations.get(table) else {
        return;
    };
    let Some(position) = relation
        .columns
        .iter()
        .position(|column| column.name == name)
    else {
        return;
    };
    rename(
        work,
        &Renamed::Dropped {
            relation: table.clone(),
            position,
        },
    );
    work.edit_relation(table, |relation| relation.columns.remove(position));
    work.effect(Effect::DropColumn {
        table: table.clone(),
        column: name.to_owned(),
    });
}
