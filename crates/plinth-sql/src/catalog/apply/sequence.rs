//! `CREATE SEQUENCE` and `ALTER SEQUENCE`.

use std::sync::Arc;

use super::defaults::initial_acl;
use super::names::{Named, missing_relation, named, no_column, relation_exists, wrong_kind};
use super::{Effect, Work, error};
use crate::SqlError;
use crate::ast::{AlterSequence, CreateSequence, ObjectName, SequenceOptions};
use crate::catalog::{QName, Sequence};

/// `CREATE SEQUENCE`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateSequence,
) -> Result<&'static str, SqlError> {
    if statement.temporary {
        return Err(SqlError::unsupported("CREATE TEMPORARY SEQUENCE").at(statement.name.span));
    }
    let name = work.new_name(&statement.name)?;
    if named(&work.catalog, &name).is_some() {
        let exists = relation_exists(&name.name).at(statement.name.span);
        work.skip_if(statement.if_not_exists, exists, "42P07")?;
        return Ok("CREATE SEQUENCE");
    }
    let options = complete(&statement.options)?;
    let owned_by = match &statement.options.owned_by {
        Some(owner) => owner_column(work, owner.as_ref(), &name.schema)?,
        None => None,
    };
    let sequence = Sequence {
        oid: work.next_oid(),
        name: name.clone(),
        owner: work.role().to_owned(),
        options,
        owned_by,
        acl: initial_acl(work, "sequences", &name.schema),
        comment: None,
    };
    work.edit()
        .sequences
        .insert(name.clone(), Arc::new(sequence));
    work.effect(Effect::CreateSequence(name.clone()));
    if let Some(restart) = statement.options.restart {
        restart_at(work, &name, restart)?;
    }
    Ok("CREATE SEQUENCE")
}

/// Adds the sequence of a serial or identity column.
pub(super) fn put_new(work: &mut Work<'_>, mut sequence: Sequence) {
    sequence.acl = initial_acl(work, "sequences", &sequence.name.schema);
    work.edit()
        .sequences
        .insert(sequence.name.clone(), Arc::new(sequence));
}

/// `ALTER SEQUENCE` with options.
pub(super) fn alter(
    work: &mut Work<'_>,
    statement: &AlterSequence,
) -> Result<&'static str, SqlError> {
    let sequence = match work.find_named(&statement.name) {
        Some(Named::Sequence(sequence)) => sequence,
        Some(_) => {
            return Err(wrong_kind(&statement.name.name, "a sequence").at(statement.name.span));
        }
        None => {
            let missing = missing_relation(&statement.name);
            work.skip_if(statement.if_exists, missing, "00000")?;
            return Ok("ALTER SEQUENCE");
        }
    };
    work.must_own(&sequence.owner, "sequence", &sequence.name.name)?;
    let mut changed = sequence.as_ref().clone();
    changed.options = complete(&overlay(&sequence.options, &statement.options))?;
    if let Some(owner) = &statement.options.owned_by {
        refuse_identity(work, &sequence)?;
        changed.owned_by = owner_column(work, owner.as_ref(), &sequence.name.schema)?;
    }
    let name = sequence.name.clone();
    work.edit()
        .sequences
        .insert(name.clone(), Arc::new(changed));
    if let Some(restart) = statement.options.restart {
        restart_at(work, &name, restart)?;
    }
    Ok("ALTER SEQUENCE")
}

/// 0A000 for a sequence that an identity column made.
pub(super) fn refuse_identity(work: &Work<'_>, sequence: &Sequence) -> Result<(), SqlError> {
    match identity_of(work, sequence) {
        None => Ok(()),
        Some((table, _)) => Err(
            error("0A000", "cannot change ownership of identity sequence").detail(format!(
                "Sequence \"{}\" is linked to table \"{}\".",
                sequence.name.name, table.name
            )),
        ),
    }
}

/// The identity column that made the sequence.
pub(super) fn identity_of(work: &Work<'_>, sequence: &Sequence) -> Option<(QName, String)> {
    let (table, column) = sequence.owned_by.as_ref()?;
    let found = work.catalog.relations.get(table)?.column(column)?;
    (found.identity.as_ref()?.sequence == sequence.name).then(|| (table.clone(), column.clone()))
}

/// `RESTART [WITH n]`: bare, at the start value.
pub(super) fn restart_at(
    work: &mut Work<'_>,
    name: &QName,
    value: Option<i64>,
) -> Result<(), SqlError> {
    let Some(sequence) = work.catalog.sequences.get(name) else {
        return Ok(());
    };
    let value = value.or(sequence.options.start).unwrap_or(1);
    bounded("RESTART", value, &sequence.options)?;
    work.effect(Effect::RestartSequence {
        name: name.clone(),
        value,
    });
    Ok(())
}

/// Options with every default filled in, once they are known to agree.
pub(super) fn complete(options: &SequenceOptions) -> Result<SequenceOptions, SqlError> {
    let invalid = |message: String| error("22023", message);
    let data_type = options.data_type.as_deref().unwrap_or("int8");
    let (low, high, shown) = match data_type {
        "int2" | "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX), "smallint"),
        "int4" | "integer" | "int" => (i64::from(i32::MIN), i64::from(i32::MAX), "integer"),
        "int8" | "bigint" => (i64::MIN, i64::MAX, "bigint"),
        _ => {
            return Err(invalid(
                "sequence type must be smallint, integer, or bigint".to_owned(),
            ));
        }
    };
    let increment = options.increment.unwrap_or(1);
    if increment == 0 {
        return Err(invalid("INCREMENT must not be zero".to_owned()));
    }
    let ascending = increment > 0;
    let max = options
        .max_value
        .flatten()
        .unwrap_or(if ascending { high } else { -1 });
    let min = options
        .min_value
        .flatten()
        .unwrap_or(if ascending { 1 } else { low });
    if !(low..=high).contains(&max) {
        return Err(invalid(format!(
            "MAXVALUE ({max}) is out of range for sequence data type {shown}"
        )));
    }
    if !(low..=high).contains(&min) {
        return Err(invalid(format!(
            "MINVALUE ({min}) is out of range for sequence data type {shown}"
        )));
    }
    if min >= max {
        return Err(invalid(format!(
            "MINVALUE ({min}) must be less than MAXVALUE ({max})"
        )));
    }
    let cache = options.cache.unwrap_or(1);
    if cache <= 0 {
        return Err(invalid(format!(
            "CACHE ({cache}) must be greater than zero"
        )));
    }
    let complete = SequenceOptions {
        data_type: Some(
            match shown {
                "smallint" => "int2",
                "integer" => "int4",
                _ => "int8",
            }
            .to_owned(),
        ),
        increment: Some(increment),
        min_value: Some(Some(min)),
        max_value: Some(Some(max)),
        start: Some(options.start.unwrap_or(if ascending { min } else { max })),
        restart: None,
        cache: Some(cache),
        cycle: Some(options.cycle.unwrap_or(false)),
        owned_by: None,
        sequence_name: None,
    };
    bounded("START", complete.start.unwrap_or(min), &complete)?;
    Ok(complete)
}

fn bounded(what: &str, value: i64, options: &SequenceOptions) -> Result<(), SqlError> {
    if let Some(min) = options.min_value.flatten()
        && value < min
    {
        return Err(error(
            "22023",
            format!("{what} value ({value}) cannot be less than MINVALUE ({min})"),
        ));
    }
    if let Some(max) = options.max_value.flatten()
        && value > max
    {
        return Err(error(
            "22023",
            format!("{what} value ({value}) cannot be greater than MAXVALUE ({max})"),
        ));
    }
    Ok(())
}

/// Options as they are, with what was written now. A new type moves bounds that were the old type's.
pub(super) fn overlay(old: &SequenceOptions, new: &SequenceOptions) -> SequenceOptions {
    let mut merged = old.clone();
    if let Some(data_type) = &new.data_type {
        let bounds = |ty: Option<&str>| match ty {
            Some("int2") => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Some("int4") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        let (low, high) = bounds(old.data_type.as_deref());
        if old.max_value == Some(Some(high)) {
            merged.max_value = None;
        }
        if old.min_value == Some(Some(low)) {
            merged.min_value = None;
        }
        merged.data_type = Some(data_type.clone());
    }
    merged.increment = new.increment.or(old.increment);
    merged.min_value = new.min_value.or(merged.min_value);
    merged.max_value = new.max_value.or(merged.max_value);
    merged.start = new.start.or(old.start);
    merged.cache = new.cache.or(old.cache);
    merged.cycle = new.cycle.or(old.cycle);
    merged
}

type WrittenColumn = (Option<String>, String, String);

fn owner_column(
    work: &Work<'_>,
    owner: Option<&WrittenColumn>,
    schema: &str,
) -> Result<Option<(QName, String)>, SqlError> {
    let Some((table_schema, table, column)) = owner else {
        return Ok(None);
    };
    let written = match table_schema {
        Some(schema) => ObjectName::qualified(schema, table),
        None => ObjectName::bare(table),
    };
    let relation = work.relation(&written)?;
    if relation.name.schema != schema {
        return Err(error(
            "55000",
            "sequence must be in same schema as table it is linked to",
        ));
    }
    if relation.column(column).is_none() {
        return Err(no_column(column, &relation.name.name));
    }
    Ok(Some((relation.name.clone(), column.clone())))
}
