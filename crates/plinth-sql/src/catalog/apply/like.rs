//! `CREATE TABLE … (LIKE other INCLUDING …)`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::column::{Draft, identity_sequence, plain};
use super::constraints::{CheckDef, KeyDef};
use super::index::add_copy;
use super::{Work, error};
use crate::SqlError;
use crate::ast::{ObjectName, Span};
use crate::catalog::{ConstraintKind, Identity, QName, Relation};

/// The source of a copy, and whether its indexes are wanted once the new table stands.
pub(super) struct Copied {
    source: Arc<Relation>,
    indexes: bool,
}

/// Copies columns, and of the rest what the options include.
pub(super) fn copy(
    work: &mut Work<'_>,
    draft: &mut Draft,
    source: &ObjectName,
    options: &[String],
) -> Result<Copied, SqlError> {
    let source = work.relation(source)?;
    if !work
        .catalog
        .may(work.role(), &source, crate::catalog::Privilege::Select)
    {
        return Err(error(
            "42501",
            format!("permission denied for table {}", source.name.name),
        ));
    }
    let included = included(options);
    let wants = |what: &str| included.contains(what);
    for from in &source.columns {
        if draft.relation.column(&from.name).is_some() {
            return Err(error(
                "42701",
                format!("column \"{}\" specified more than once", from.name),
            ));
        }
        let mut column = plain(&from.name, from.ty.clone());
        column.not_null = from.not_null;
        if wants("DEFAULTS") {
            column.default.clone_from(&from.default);
        }
        if wants("GENERATED") {
            column.generated.clone_from(&from.generated);
        }
        if wants("COMMENTS") {
            column.comment.clone_from(&from.comment);
        }
        if let (Some(identity), true) = (&from.identity, wants("IDENTITY")) {
            let options = work
                .catalog
                .sequences
                .get(&identity.sequence)
                .map(|found| found.options.clone());
            let sequence =
                identity_sequence(work, &draft.relation, &column, &options.unwrap_or_default())?;
            column.identity = Some(Identity {
                always: identity.always,
                sequence,
            });
        }
        draft.relation.columns.push(column);
    }
    for constraint in source
        .table()
        .into_iter()
        .flat_map(|table| &table.constraints)
    {
        let (columns, primary, nulls_not_distinct) = match &constraint.kind {
            ConstraintKind::Check { expr } => {
                if wants("CONSTRAINTS") {
                    let name = Some(constraint.name.clone());
                    draft.checks.push(CheckDef {
                        name,
                        expr: expr.clone(),
                        not_valid: false,
                    });
                }
                continue;
            }
            ConstraintKind::ForeignKey(_) => continue,
            ConstraintKind::PrimaryKey { columns } => (columns.clone(), true, false),
            ConstraintKind::Unique {
                columns,
                nulls_not_distinct,
            } => (columns.clone(), false, *nulls_not_distinct),
        };
        if wants("INDEXES") {
            let deferrable = constraint.deferrable;
            let span = Span::default();
            draft.keys.push(KeyDef {
                name: None,
                columns,
                primary,
                nulls_not_distinct,
                deferrable,
                span,
            });
        }
    }
    Ok(Copied {
        indexes: wants("INDEXES"),
        source,
    })
}

/// Copies the indexes that are no constraints, under names of their own.
pub(super) fn copy_indexes(work: &mut Work<'_>, table: &QName, copied: Copied) {
    if copied.indexes {
        for index in copied
            .source
            .table()
            .into_iter()
            .flat_map(|table| &table.indexes)
        {
            add_copy(work, table, index);
        }
    }
}

/// What `INCLUDING x EXCLUDING y` comes to, read from left to right.
fn included(options: &[String]) -> BTreeSet<&str> {
    const ALL: [&str; 6] = [
        "DEFAULTS",
        "CONSTRAINTS",
        "INDEXES",
        "IDENTITY",
        "GENERATED",
        "COMMENTS",
    ];
    let mut included = BTreeSet::new();
    for option in options {
        let (add, what) = match option.strip_prefix("EXCLUDING ") {
            Some(what) => (false, what),
            None => (true, option.strip_prefix("INCLUDING ").unwrap_or(option)),
        };
        for one in ALL.into_iter().filter(|one| what == "ALL" || what == *one) {
            if add {
                included.insert(one)
            } else {
                included.remove(one)
            };
        }
    }
    included
}
