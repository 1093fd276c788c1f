//! `ALTER` of sequences and indexes.

use std::sync::Arc;

use super::super::names::{has_index, named, no_schema, relation_exists};
use super::super::rename::rename;
use super::super::{Effect, Work, error, sequence};
use super::constraints::rename_index;
use super::may_give;
use crate::SqlError;
use crate::ast::{AlterAction, AlterTable};
use crate::catalog::references::Renamed;
use crate::catalog::{QName, Relation, Sequence};

pub(super) fn alter_sequence(
    work: &mut Work<'_>,
    found: &Sequence,
    statement: &AlterTable,
) -> Result<(), SqlError> {
    work.must_own(&found.owner, "sequence", &found.name.name)?;
    for action in &statement.actions {
        let to = match action {
            AlterAction::RenameTo(to) => QName::new(&found.name.schema, to),
            AlterAction::SetSchema(schema) => {
                sequence::refuse_identity(work, found)?;
                if !work.catalog.schemas.contains_key(schema) {
                    return Err(no_schema(schema));
                }
                QName::new(schema, &found.name.name)
            }
            AlterAction::OwnerTo(role) => {
                sequence::refuse_identity(work, found)?;
                let role = may_give(work, role, &found.name.schema)?;
                if let Some(sequence) = work.edit().sequences.get_mut(&found.name) {
                    let sequence = Arc::make_mut(sequence);
                    sequence.acl.hand_over(&sequence.owner, &role);
                    sequence.owner = role;
                }
                continue;
            }
            AlterAction::NoOp(what) => {
                work.notice(error("00000", format!("{what} has no effect here")));
                continue;
            }
            _ => {
                return Err(
                    SqlError::unsupported("this form of ALTER SEQUENCE").at(statement.name.span)
                );
            }
        };
        work.may_create_in(&to.schema)?;
        if named(&work.catalog, &to).is_some() {
            return Err(relation_exists(&to.name));
        }
        rename(
            work,
            &Renamed::Sequence {
                from: found.name.clone(),
                to: to.clone(),
            },
        );
        work.effect(Effect::RenameSequence {
            from: found.name.clone(),
            to,
        });
    }
    Ok(())
}

pub(super) fn alter_index(
    work: &mut Work<'_>,
    relation: &Relation,
    statement: &AlterTable,
) -> Result<(), SqlError> {
    let from = &statement.name.name;
    work.must_own(&relation.owner, "index", from)?;
    for action in &statement.actions {
        match action {
            AlterAction::RenameTo(to) => {
                let taken = relation.table().is_some_and(|table| has_index(table, to));
                if taken || named(&work.catalog, &QName::new(&relation.name.schema, to)).is_some() {
                    return Err(relation_exists(to));
                }
                rename_index(work, &relation.name, from, to, true);
            }
            AlterAction::OwnerTo(_) => {
                work.notice(error(
                    "01000",
                    format!("cannot change owner of index \"{from}\""),
                ));
            }
            AlterAction::NoOp(_) | AlterAction::SetOptions(_) => {}
            _ => {
                return Err(
                    SqlError::unsupported("this form of ALTER INDEX").at(statement.name.span)
                );
            }
        }
    }
    Ok(())
}
