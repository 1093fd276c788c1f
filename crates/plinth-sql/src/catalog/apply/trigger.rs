//! `CREATE TRIGGER`, and triggers as parts of a table.

use super::constraints::table_mut;
use super::depend::Object;
use super::drop::{Dropped, Missing, missing};
use super::names::{missing_relation, no_column, written};
use super::{Work, error};
use crate::SqlError;
use crate::ast::{
    CreateTrigger, Deferrable, Expr, FromItem, Names, ObjectName, Query, Select, SelectItem,
    TableAlias, TriggerEvent, TriggerTiming,
};
use crate::catalog::{Privilege, Relation, Trigger};
use crate::types::Type;

/// `CREATE TRIGGER`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateTrigger,
) -> Result<&'static str, SqlError> {
    let relation = work.relation(&statement.table)?;
    refuse(statement, &relation).map_err(|error| error.at(statement.table.span))?;
    let owns = work.must_own_relation(&relation).is_ok();
    if !owns && !work.catalog.may(work.role(), &relation, Privilege::Trigger) {
        return Err(error(
            "42501",
            format!("permission denied for table {}", relation.name.name),
        ));
    }
    for event in &statement.events {
        if let TriggerEvent::Update(columns) = event
            && let Some(missing) = columns.iter().find(|name| relation.column(name).is_none())
        {
            return Err(no_column(missing, &relation.name.name));
        }
    }
    if let Some(when) = &statement.when {
        check_condition(statement, when)?;
        check_type(work, &relation, when)?;
    }
    let overloads = work.catalog.functions(&statement.function, work.path());
    let Some(function) = overloads.iter().find(|function| function.args.is_empty()) else {
        let message = format!("function {}() does not exist", written(&statement.function));
        return Err(error("42883", message).at(statement.function.span));
    };
    if function.returns.ty != Type::Trigger {
        return Err(error(
            "42P17",
            format!(
                "function {} must return type trigger",
                written(&statement.function)
            ),
        )
        .at(statement.function.span));
    }
    if !work.catalog.may_execute(work.role(), function) {
        return Err(error(
            "42501",
            format!("permission denied for function {}", function.name.name),
        ));
    }
    let trigger = Trigger {
        name: statement.name.clone(),
        timing: statement.timing,
        events: statement.events.clone(),
        for_each_row: statement.for_each_row,
        when: statement.when.clone(),
        function: function.oid,
        args: statement.args.clone(),
        enabled: true,
        comment: None,
    };
    let known = find(&relation, &statement.name).is_some();
    if known && !statement.or_replace {
        return Err(error(
            "42710",
            format!(
                "trigger \"{}\" for relation \"{}\" already exists",
                statement.name, relation.name.name
            ),
        ));
    }
    work.edit_relation(&relation.name, |relation| {
        if let Some(table) = table_mut(relation) {
            table.triggers.retain(|other| other.name != trigger.name);
            table.triggers.push(trigger);
            // The order in which they fire.
            table.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        }
    });
    Ok("CREATE TRIGGER")
}

/// What Postgres refuses, and what is not done here.
fn refuse(statement: &CreateTrigger, relation: &Relation) -> Result<(), SqlError> {
    let name = &relation.name.name;
    if relation.view().is_some() {
        if statement.timing == TriggerTiming::InsteadOf {
            return Err(SqlError::unsupported("INSTEAD OF triggers on views")
                .hint("Write to the table behind the view."));
        }
        return Err(error("42809", format!("\"{name}\" is a view"))
            .detail("Views cannot have row-level BEFORE or AFTER triggers."));
    }
    if statement.timing == TriggerTiming::InsteadOf {
        return Err(error("42809", format!("\"{name}\" is a table"))
            .detail("Tables cannot have INSTEAD OF triggers."));
    }
    if statement.for_each_row && statement.events.contains(&TriggerEvent::Truncate) {
        return Err(error(
            "0A000",
            "TRUNCATE FOR EACH ROW triggers are not supported",
        ));
    }
    if statement.old_table.is_some() || statement.new_table.is_some() {
        return Err(
            SqlError::unsupported("REFERENCING (transition tables of triggers)")
                .hint("Use a trigger FOR EACH ROW."),
        );
    }
    if statement.deferrable == Deferrable::InitiallyDeferred {
        return Err(
            SqlError::unsupported("a trigger that is INITIALLY DEFERRED")
                .hint("Let it run at the end of the statement."),
        );
    }
    Ok(())
}

/// Which rows a condition may look at.
fn check_condition(statement: &CreateTrigger, when: &Expr) -> Result<(), SqlError> {
    let names = Names::of_expr(when);
    let bad = |message: &str| Err(error("42P17", message));
    if names.subqueries {
        return Err(error(
            "0A000",
            "cannot use subquery in trigger WHEN condition",
        ));
    }
    let uses = |row: &str| {
        names
            .columns
            .iter()
            .any(|column| column.parts.first().is_some_and(|part| part == row))
    };
    let (old, new) = (uses("old"), uses("new"));
    if !statement.for_each_row && (old || new) {
        return bad("statement trigger's WHEN condition cannot reference column values");
    }
    if old && statement.events.contains(&TriggerEvent::Insert) {
        return bad("INSERT trigger's WHEN condition cannot reference OLD values");
    }
    if new && statement.events.contains(&TriggerEvent::Delete) {
        return bad("DELETE trigger's WHEN condition cannot reference NEW values");
    }
    Ok(())
}

/// The condition as a query over both rows must be boolean.
fn check_type(work: &Work<'_>, relation: &Relation, when: &Expr) -> Result<(), SqlError> {
    let row = |name: &str| FromItem::Table {
        name: ObjectName::qualified(&relation.name.schema, &relation.name.name),
        alias: Some(TableAlias {
            name: name.to_owned(),
            ..TableAlias::default()
        }),
    };
    let query = Query::select(Select {
        projection: vec![SelectItem::Expr {
            expr: when.clone(),
            alias: None,
        }],
        from: vec![row("old"), row("new")],
        ..Select::default()
    });
    let columns = work
        .cx
        .infer
        .query_columns(&work.catalog, &query, work.path())?;
    match columns.first() {
        Some((_, ty)) if ty.ty != Type::Bool && ty.ty != Type::Unknown => Err(error(
            "42804",
            format!("argument of WHEN must be type boolean, not type {}", ty.ty),
        )),
        _ => Ok(()),
    }
}

/// `ENABLE TRIGGER` and `DISABLE TRIGGER`; none means all.
pub(super) fn enable(
    work: &mut Work<'_>,
    relation: &Relation,
    name: Option<&str>,
    enabled: bool,
) -> Result<(), SqlError> {
    if let Some(name) = name
        && find(relation, name).is_none()
    {
        return Err(absent(name, relation, "table"));
    }
    work.edit_relation(&relation.name, |relation| {
        let triggers = table_mut(relation)
            .into_iter()
            .flat_map(|table| &mut table.triggers);
        for trigger in triggers.filter(|trigger| name.is_none_or(|name| trigger.name == name)) {
            trigger.enabled = enabled;
        }
    });
    Ok(())
}

/// What `DROP TRIGGER` names.
pub(super) fn dropped(
    work: &Work<'_>,
    name: &ObjectName,
    table: Option<&ObjectName>,
    if_exists: bool,
) -> Dropped {
    let Some(table) = table else { return Ok(None) };
    if work.find_named(table).is_none() {
        return Err(missing(work, table, missing_relation(table)));
    }
    let relation = work.relation(table)?;
    if find(&relation, &name.name).is_none() {
        let kind = if if_exists { "relation" } else { "table" };
        return Err(Missing::Skippable(absent(&name.name, &relation, kind)));
    }
    work.must_own_relation(&relation)?;
    Ok(Some(Object::Trigger(
        relation.name.clone(),
        name.name.clone(),
    )))
}

/// A trigger by its name.
pub(super) fn find<'r>(relation: &'r Relation, name: &str) -> Option<&'r Trigger> {
    let mut triggers = relation.table()?.triggers.iter();
    triggers.find(|trigger| trigger.name == name)
}

/// 42704, for comments too.
pub(super) fn absent(name: &str, relation: &Relation, kind: &str) -> SqlError {
    error(
        "42704",
        format!(
            "trigger \"{name}\" for {kind} \"{}\" does not exist",
            relation.name.name
        ),
    )
}
