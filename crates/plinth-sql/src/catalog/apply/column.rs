//! Columns as a statement defines them, and the constraints written with them.

use super::constraints::{CheckDef, ForeignDef, KeyDef};
use super::names::{choose, named, relation_exists, type_name};
use super::types::assignable;
use super::{Effect, Work, error, sequence};
use crate::SqlError;
use crate::ast::{
    ColumnConstraintKind, ColumnDef, Deferrable, Expr, Names, ObjectName, SequenceOptions, Span,
    TypeName,
};
use crate::catalog::references::{regclass_text, store_expr};
use crate::catalog::{Acl, Column, Identity, QName, Relation, Sequence};
use crate::types::{ColumnType, Type};

/// Most columns of a table, as in Postgres.
const MAX_COLUMNS: usize = 1600;

const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"];

/// A table in the making, or being added to.
pub(super) struct Draft {
    /// What is there so far.
    pub(super) relation: Relation,
    /// Expressions that wait until all columns are known.
    pub(super) values: Vec<(String, Value)>,
    /// `CHECK`s.
    pub(super) checks: Vec<CheckDef>,
    /// `PRIMARY KEY`s and `UNIQUE`s.
    pub(super) keys: Vec<KeyDef>,
    /// `FOREIGN KEY`s.
    pub(super) foreign: Vec<ForeignDef>,
}

/// Where a column's value comes from when none is given.
pub(super) enum Value {
    /// `DEFAULT`.
    Default(Expr),
    /// `GENERATED ALWAYS AS`.
    Generated(Expr),
}

impl Draft {
    /// Nothing waits.
    pub(super) fn new(relation: Relation) -> Draft {
        Draft {
            relation,
            values: Vec::new(),
            checks: Vec::new(),
            keys: Vec::new(),
            foreign: Vec::new(),
        }
    }
}

/// The type that a query's result is kept with: an untyped constant becomes text.
pub(super) fn kept_type(ty: ColumnType) -> ColumnType {
    if ty.ty == Type::Unknown {
        ColumnType::from(Type::Text)
    } else {
        ty
    }
}

/// A column without constraints.
pub(super) fn plain(name: &str, ty: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        not_null: false,
        default: None,
        generated: None,
        identity: None,
        acl: Acl::default(),
        comment: None,
    }
}

/// Adds a column; its constraints go to the draft's lists.
pub(super) fn add(work: &mut Work<'_>, draft: &mut Draft, def: &ColumnDef) -> Result<(), SqlError> {
    add_column(work, draft, def).map_err(|error| error.at(def.span))
}

fn add_column(work: &mut Work<'_>, draft: &mut Draft, def: &ColumnDef) -> Result<(), SqlError> {
    let table = draft.relation.name.name.clone();
    check_name(&def.name, &draft.relation)?;
    let ty = work.column_type(&def.ty)?;
    check_type(&def.name, &ty.ty)?;
    check_collation(def, &ty.ty)?;
    let mut column = plain(&def.name, ty);
    let mut nullable = false;
    let mut value = None;
    let twice = || {
        error(
            "42601",
            format!(
                "multiple default values specified for column \"{}\" of table \"{table}\"",
                def.name
            ),
        )
    };
    let both = |first: &str, second: &str| {
        let place = format!("for column \"{}\" of table \"{table}\"", def.name);
        error(
            "42601",
            format!("both {first} and {second} specified {place}"),
        )
    };
    if is_serial(&def.ty) {
        let sequence = own_sequence(work, &draft.relation, &column, &SequenceOptions::default())?;
        column.default = Some(next_value(&sequence));
        column.not_null = true;
    }
    for constraint in &def.constraints {
        let name = constraint.name.clone();
        let columns = vec![def.name.clone()];
        let deferrable = constraint.deferrable;
        match &constraint.kind {
            ColumnConstraintKind::NotNull if nullable => {
                return Err(null_conflict(&def.name, &table));
            }
            ColumnConstraintKind::Null if column.not_null => {
                return Err(null_conflict(&def.name, &table));
            }
            ColumnConstraintKind::NotNull => column.not_null = true,
            ColumnConstraintKind::Null => nullable = true,
            ColumnConstraintKind::Default(expr) => match value {
                None if column.identity.is_some() => return Err(both("default", "identity")),
                None if column.default.is_none() => value = Some(Value::Default(expr.clone())),
                Some(Value::Generated(_)) => return Err(both("default", "generation expression")),
                _ => return Err(twice()),
            },
            ColumnConstraintKind::Generated(expr) => match value {
                None if column.identity.is_some() => {
                    return Err(both("identity", "generation expression"));
                }
                None if column.default.is_none() => value = Some(Value::Generated(expr.clone())),
                Some(Value::Generated(_)) => {
                    let place = format!("for column \"{}\" of table \"{table}\"", def.name);
                    return Err(error(
                        "42601",
                        format!("multiple generation clauses specified {place}"),
                    ));
                }
                _ => return Err(both("default", "generation expression")),
            },
            ColumnConstraintKind::Identity { always, options } => {
                match value {
                    None if column.default.is_none() => {}
                    Some(Value::Generated(_)) => {
                        return Err(both("identity", "generation expression"));
                    }
                    _ => return Err(both("default", "identity")),
                }
                if column.identity.is_some() {
                    let place = format!("for column \"{}\" of table \"{table}\"", def.name);
                    return Err(error(
                        "42601",
                        format!("multiple identity specifications {place}"),
                    ));
                }
                if nullable {
                    return Err(null_conflict(&def.name, &table));
                }
                let sequence = identity_sequence(work, &draft.relation, &column, options)?;
                column.identity = Some(Identity {
                    always: *always,
                    sequence,
                });
                column.not_null = true;
            }
            ColumnConstraintKind::Check(expr) => {
                not_deferrable(deferrable)?;
                draft.checks.push(CheckDef {
                    name,
                    expr: expr.clone(),
                    not_valid: false,
                });
            }
            ColumnConstraintKind::Unique { nulls_not_distinct } => draft.keys.push(KeyDef {
                name,
                columns,
                primary: false,
                nulls_not_distinct: *nulls_not_distinct,
                deferrable,
                span: def.span,
            }),
            ColumnConstraintKind::PrimaryKey => draft.keys.push(KeyDef {
                name,
                columns,
                primary: true,
                nulls_not_distinct: false,
                deferrable,
                span: def.span,
            }),
            ColumnConstraintKind::References(references) => draft.foreign.push(ForeignDef {
                name,
                columns,
                references: references.clone(),
                deferrable,
                not_valid: false,
            }),
        }
    }
    draft
        .values
        .extend(value.map(|value| (def.name.clone(), value)));
    draft.relation.columns.push(column);
    Ok(())
}

/// Checks the expressions that waited and puts them into their columns.
pub(super) fn settle_values(work: &Work<'_>, draft: &mut Draft) -> Result<(), SqlError> {
    for (name, value) in std::mem::take(&mut draft.values) {
        let Some(at) = draft
            .relation
            .columns
            .iter()
            .position(|column| column.name == name)
        else {
            continue;
        };
        let generated: Vec<&str> = draft
            .relation
            .columns
            .iter()
            .filter(|c| c.generated.is_some())
            .map(|c| &*c.name)
            .collect();
        match value {
            Value::Default(expr) => {
                let stored = default(work, &draft.relation.columns[at], &expr)?;
                draft.relation.columns[at].default = Some(stored);
            }
            Value::Generated(expr) => {
                let stored = generation(work, &draft.relation, at, &generated, &expr)?;
                draft.relation.columns[at].generated = Some(stored);
            }
        }
    }
    Ok(())
}

/// A default as it is stored, once it is known to fit the column.
pub(super) fn default(work: &Work<'_>, column: &Column, expr: &Expr) -> Result<Expr, SqlError> {
    let names = Names::of_expr(expr);
    if let Some(reference) = names.columns.first() {
        return Err(
            error("0A000", "cannot use column reference in DEFAULT expression").at(reference.span),
        );
    }
    if names.subqueries {
        return Err(error("0A000", "cannot use subquery in DEFAULT expression"));
    }
    fits(work, column, expr, None)?;
    Ok(store_expr(&work.catalog, work.path(), None, expr))
}

fn generation(
    work: &Work<'_>,
    relation: &Relation,
    at: usize,
    generated: &[&str],
    expr: &Expr,
) -> Result<Expr, SqlError> {
    let column = &relation.columns[at];
    let names = Names::of_expr(expr);
    if names.subqueries {
        return Err(error(
            "0A000",
            "cannot use subquery in column generation expression",
        ));
    }
    for reference in &names.columns {
        let Some(name) = reference.parts.last() else {
            continue;
        };
        if *name == column.name || generated.contains(&name.as_str()) {
            return Err(error(
                "42P17",
                format!("cannot use generated column \"{name}\" in column generation expression"),
            )
            .detail("A generated column cannot reference another generated column.")
            .at(reference.span));
        }
    }
    fits(work, column, expr, Some(relation))?;
    Ok(store_expr(&work.catalog, work.path(), Some(relation), expr))
}

/// 42804 when the value of the expression cannot be assigned to the column. A string constant is tried as that type.
fn fits(
    work: &Work<'_>,
    column: &Column,
    expr: &Expr,
    relation: Option<&Relation>,
) -> Result<(), SqlError> {
    let ty = match expr {
        Expr::String(_) => {
            work.expr_type(&Expr::cast(expr.clone(), type_name(&column.ty)), relation)?
        }
        other => work.expr_type(other, relation)?,
    };
    if assignable(&ty.ty, &column.ty.ty) {
        return Ok(());
    }
    let (name, wanted) = (&column.name, &column.ty.ty);
    Err(error(
        "42804",
        format!(
            "column \"{name}\" is of type {wanted} but default expression is of type {}",
            ty.ty
        ),
    )
    .hint("You will need to rewrite or cast the expression."))
}

/// A sequence of its own for an identity column, whose type must be an integer.
pub(super) fn identity_sequence(
    work: &mut Work<'_>,
    relation: &Relation,
    column: &Column,
    options: &SequenceOptions,
) -> Result<QName, SqlError> {
    if !column.ty.ty.is_integer() {
        return Err(error(
            "22023",
            "identity column type must be smallint, integer, or bigint",
        ));
    }
    own_sequence(work, relation, column, options)
}

fn own_sequence(
    work: &mut Work<'_>,
    relation: &Relation,
    column: &Column,
    options: &SequenceOptions,
) -> Result<QName, SqlError> {
    let schema = relation.name.schema.clone();
    let taken = |name: &str| {
        name == relation.name.name || named(&work.catalog, &QName::new(&schema, name)).is_some()
    };
    let name = match &options.sequence_name {
        Some((Some(other), _)) if *other != schema => {
            return Err(error(
                "55000",
                "sequence must be in same schema as table it is linked to",
            ));
        }
        Some((_, written)) if taken(written) => return Err(relation_exists(written)),
        Some((_, written)) => written.clone(),
        None => choose(&relation.name.name, Some(&column.name), "seq", taken),
    };
    let name = QName::new(schema, name);
    let mut options = options.clone();
    options
        .data_type
        .get_or_insert_with(|| type_name(&column.ty).name.name);
    let sequence = Sequence {
        oid: work.next_oid(),
        name: name.clone(),
        owner: relation.owner.clone(),
        options: sequence::complete(&options)?,
        owned_by: Some((relation.name.clone(), column.name.clone())),
        acl: Acl::default(),
        comment: None,
    };
    sequence::put_new(work, sequence);
    work.effect(Effect::CreateSequence(name.clone()));
    Ok(name)
}

fn next_value(sequence: &QName) -> Expr {
    let name = Expr::cast(
        Expr::String(regclass_text(sequence)),
        TypeName::simple("regclass"),
    );
    Expr::call(ObjectName::bare("nextval"), vec![name])
}

fn is_serial(ty: &TypeName) -> bool {
    ty.name.schema.is_none()
        && ty.array_dimensions == 0
        && matches!(
            &*ty.name.name,
            "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial"
        )
}

fn check_name(name: &str, relation: &Relation) -> Result<(), SqlError> {
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(error(
            "42701",
            format!("column name \"{name}\" conflicts with a system column name"),
        ));
    }
    if relation.column(name).is_some() {
        return Err(error(
            "42701",
            format!("column \"{name}\" specified more than once"),
        ));
    }
    if relation.columns.len() >= MAX_COLUMNS {
        return Err(error(
            "54011",
            format!("tables can have at most {MAX_COLUMNS} columns"),
        ));
    }
    Ok(())
}

/// 42P16 for what is no column's type, 0A000 for row types.
pub(super) fn check_type(column: &str, ty: &Type) -> Result<(), SqlError> {
    match ty {
        Type::Record | Type::Void | Type::Trigger => Err(error(
            "42P16",
            format!("column \"{column}\" has pseudo-type {ty}"),
        )),
        Type::Row(_) => Err(
            SqlError::unsupported(format!("a column of row type (\"{column}\")"))
                .hint("Use jsonb, or a table of its own."),
        ),
        Type::Array(element) => check_type(column, element),
        _ => Ok(()),
    }
}

fn check_collation(def: &ColumnDef, ty: &Type) -> Result<(), SqlError> {
    let Some(collation) = &def.collation else {
        return Ok(());
    };
    let element = if let Type::Array(element) = ty {
        element
    } else {
        ty
    };
    if !element.is_string() {
        return Err(error(
            "42804",
            format!("collations are not supported by type {ty}"),
        )
        .at(collation.span));
    }
    if matches!(
        &*collation.name,
        "default" | "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "ucs_basic"
    ) {
        return Ok(());
    }
    Err(
        SqlError::unsupported(format!("collation \"{}\"", collation.name))
            .hint("Text compares as in C.UTF-8; leave COLLATE out, or sort by lower(…).")
            .at(collation.span),
    )
}

fn not_deferrable(deferrable: Deferrable) -> Result<(), SqlError> {
    if deferrable == Deferrable::Not {
        Ok(())
    } else {
        Err(SqlError::syntax(
            "misplaced DEFERRABLE clause",
            Span::default(),
        ))
    }
}

fn null_conflict(column: &str, table: &str) -> SqlError {
    error(
        "42601",
        format!(
            "conflicting NULL/NOT NULL declarations for column \"{column}\" of table \"{table}\""
        ),
    )
}
