//! The actions of `ALTER TABLE` on constraints.

use super::super::constraints::{
    Def, add_check, add_foreign, add_keys, constraint_exists, define, find_constraint,
    free_index_name, has_constraint, plain_column, table_mut,
};
use super::super::names::is_key;
use super::super::{Effect, Work, error};
use crate::SqlError;
use crate::ast::{Deferrable, TableConstraint};
use crate::catalog::{Constraint, ConstraintKind, QName, Relation};

pub(super) fn add_constraint(
    work: &mut Work<'_>,
    relation: &Relation,
    written: &TableConstraint,
) -> Result<(), SqlError> {
    let table = relation.name.clone();
    let mut changed = relation.clone();
    match define(written)? {
        Def::Check(def) => {
            let constraint = add_check(work, &mut changed, &def)?;
            work.put(changed);
            if !def.not_valid {
                work.effect(Effect::Validate { table, constraint });
            }
        }
        Def::Key(def) => {
            let names = add_keys(work, &mut changed, std::slice::from_ref(&def))?;
            put_with_keys(work, relation, changed, names);
        }
        Def::Foreign(def) => {
            let constraint = add_foreign(work, &table, &def)?;
            if !def.not_valid {
                work.effect(Effect::Validate { table, constraint });
            }
        }
        Def::Index(name, index, primary) => {
            use_index(work, relation, name, &index, primary, written.deferrable)?;
        }
    }
    Ok(())
}

/// Keeps a relation that has new keys: primary ones made columns `NOT NULL`.
fn put_with_keys(work: &mut Work<'_>, before: &Relation, after: Relation, keys: Vec<String>) {
    let table = after.name.clone();
    let nullable_before = |name: &str| before.column(name).is_some_and(|column| !column.not_null);
    let newly: Vec<String> = after
        .columns
        .iter()
        .filter(|c| c.not_null && nullable_before(&c.name))
        .map(|c| c.name.clone())
        .collect();
    work.put(after);
    settle_keys(work, &table, newly, keys);
}

/// What new keys ask of the engine: that these columns hold no null, and these indexes.
pub(super) fn settle_keys(
    work: &mut Work<'_>,
    table: &QName,
    not_null: impl IntoIterator<Item = String>,
    keys: Vec<String>,
) {
    for column in not_null {
        work.effect(Effect::ValidateNotNull {
            table: table.clone(),
            column,
        });
    }
    for name in keys {
        work.effect(Effect::CreateIndex {
            table: table.clone(),
            name,
        });
    }
}

fn use_index(
    work: &mut Work<'_>,
    relation: &Relation,
    name: Option<String>,
    index: &str,
    primary: bool,
    deferrable: Deferrable,
) -> Result<(), SqlError> {
    let found = relation
        .table()
        .into_iter()
        .flat_map(|table| &table.indexes)
        .find(|found| found.name == index);
    let found = found
        .ok_or_else(|| error("42704", format!("index \"{index}\" does not exist")))?
        .clone();
    let refuse = |what: &str| error("42809", format!("\"{index}\" {what}"));
    if !found.unique {
        return Err(refuse("is not a unique index")
            .detail("Cannot create a primary key or unique constraint using such an index."));
    }
    let columns: Option<Vec<String>> = found
        .keys
        .iter()
        .map(|key| plain_column(&key.expr))
        .collect();
    let columns = columns.ok_or_else(|| {
        error("42809", format!("index \"{index}\" contains expressions"))
            .detail("Cannot create a primary key or unique constraint using such an index.")
    })?;
    if found.predicate.is_some() {
        return Err(refuse("is a partial index")
            .detail("Cannot create a primary key or unique constraint using such an index."));
    }
    if primary && !relation.primary_key().is_empty() {
        let table = &relation.name.name;
        return Err(error(
            "42P16",
            format!("multiple primary keys for table \"{table}\" are not allowed"),
        ));
    }
    let name = name.unwrap_or_else(|| index.to_owned());
    let mut changed = relation.clone();
    if let Some(table) = table_mut(&mut changed) {
        table.indexes.retain(|other| other.name != index);
    }
    if name != index {
        free_index_name(work, &changed, &name)?;
        let message = format!(
            "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index}\" to \"{name}\""
        );
        work.notice(error("00000", message));
    }
    if primary {
        changed
            .columns
            .iter_mut()
            .filter(|c| columns.contains(&c.name))
            .for_each(|c| c.not_null = true);
    }
    let kind = if primary {
        ConstraintKind::PrimaryKey { columns }
    } else {
        ConstraintKind::Unique {
            columns,
            nulls_not_distinct: found.nulls_not_distinct,
        }
    };
    if let Some(table) = table_mut(&mut changed) {
        table.constraints.push(Constraint {
            name: name.clone(),
            kind,
            deferrable,
            validated: true,
        });
    }
    put_with_keys(work, relation, changed, Vec::new());
    if name != index {
        work.effect(Effect::RenameIndex {
            table: relation.name.clone(),
            from: index.to_owned(),
            to: name,
        });
    }
    Ok(())
}

pub(super) fn validate(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
) -> Result<(), SqlError> {
    let table = relation.name.clone();
    let found = find_constraint(relation, name).ok_or_else(|| no_constraint(name, &table.name))?;
    if is_key(&found.kind) {
        let message = format!(
            "constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint",
            table.name
        );
        return Err(error("42809", message));
    }
    if !found.validated {
        work.edit_relation(&table, |relation| {
            let constraints = table_mut(relation)
                .into_iter()
                .flat_map(|table| &mut table.constraints);
            constraints
                .filter(|constraint| constraint.name == name)
                .for_each(|constraint| constraint.validated = true);
        });
        work.effect(Effect::Validate {
            table,
            constraint: name.to_owned(),
        });
    }
    Ok(())
}

pub(super) fn rename_constraint(
    work: &mut Work<'_>,
    relation: &Relation,
    from: &str,
    to: &str,
) -> Result<(), SqlError> {
    let table = relation.name.clone();
    let Some(found) = find_constraint(relation, from) else {
        return Err(error(
            "42704",
            format!(
                "constraint \"{from}\" for table \"{}\" does not exist",
                table.name
            ),
        ));
    };
    if has_constraint(relation, to) {
        return Err(constraint_exists(to, &table.name));
    }
    let key = is_key(&found.kind);
    if key {
        free_index_name(work, relation, to)?;
    }
    rename_index(work, &table, from, to, key);
    Ok(())
}

/// Renames a constraint, or an index that is none.
pub(super) fn rename_index(work: &mut Work<'_>, table: &QName, from: &str, to: &str, stored: bool) {
    work.edit_relation(table, |relation| {
        let Some(table) = table_mut(relation) else {
            return;
        };
        let constraints = table
            .constraints
            .iter_mut()
            .map(|constraint| &mut constraint.name);
        let names = constraints.chain(table.indexes.iter_mut().map(|index| &mut index.name));
        names
            .filter(|name| *name == from)
            .for_each(|name| to.clone_into(name));
    });
    if stored {
        work.effect(Effect::RenameIndex {
            table: table.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
        });
    }
}

pub(super) fn no_constraint(name: &str, table: &str) -> SqlError {
    error(
        "42704",
        format!("constraint \"{name}\" of relation \"{table}\" does not exist"),
    )
}
