//! Catalogs and effects as short text.

use std::fmt::Write;

use super::super::Effect;
use crate::catalog::{Acl, Catalog, Constraint, ConstraintKind, Relation, RelationKind, Table};
use crate::print;

pub(super) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::CreateTable(name) => format!("> create table {}", name.display()),
        Effect::DropTable(relation) => format!("> drop table {}", relation.name.display()),
        Effect::RenameTable { from, to } => {
            format!("> rename table {} to {}", from.display(), to.display())
        }
        Effect::AddColumn { table, column } => format!("> add column {}.{column}", table.display()),
        Effect::DropColumn { table, column } => {
            format!("> drop column {}.{column}", table.display())
        }
        Effect::RenameColumn { table, from, to } => {
            format!("> rename column {}.{from} to {to}", table.display())
        }
        Effect::ChangeType {
            table,
            column,
            from,
            using,
        } => {
            let using = using
                .as_ref()
                .map(|using| format!(" using {}", print::expr(using)))
                .unwrap_or_default();
            format!(
                "> change type {}.{column} from {from}{using}",
                table.display()
            )
        }
        Effect::CreateIndex { table, name } => {
            format!("> create index {name} on {}", table.display())
        }
        Effect::DropIndex { table, name } => format!("> drop index {name} on {}", table.display()),
        Effect::RenameIndex { table, from, to } => {
            format!("> rename index {from} to {to} on {}", table.display())
        }
        Effect::Validate { table, constraint } => {
            format!("> validate {constraint} on {}", table.display())
        }
        Effect::ValidateNotNull { table, column } => {
            format!("> validate not null {}.{column}", table.display())
        }
        Effect::CreateSequence(name) => format!("> create sequence {}", name.display()),
        Effect::DropSequence(name) => format!("> drop sequence {}", name.display()),
        Effect::RestartSequence { name, value } => {
            format!("> restart {} with {value}", name.display())
        }
        Effect::RenameSequence { from, to } => {
            format!("> rename sequence {} to {}", from.display(), to.display())
        }
        Effect::FillTable { table, query } => {
            format!("> fill {} with {}", table.display(), print::query(query))
        }
        Effect::RenameEnumLabel { ty, from, to } => {
            format!("> rename label {from} to {to} of {}", ty.display())
        }
    }
}

pub(super) fn catalog(catalog: &Catalog) -> String {
    let mut out = String::new();
    for (name, schema) in &catalog.schemas {
        if !["information_schema", "pg_catalog", "public"].contains(&name.as_str()) {
            writeln!(out, "schema {name}{}", acl(&schema.acl)).unwrap();
        }
    }
    for ty in catalog.enums.values() {
        writeln!(out, "enum {} {:?}", ty.name.display(), ty.labels).unwrap();
    }
    for relation in catalog.relations.values() {
        dump_relation(&mut out, relation);
    }
    for sequence in catalog.sequences.values() {
        let owner = sequence
            .owned_by
            .as_ref()
            .map(|(table, column)| format!(" of {}.{column}", table.display()));
        writeln!(
            out,
            "sequence {}{}{}",
            sequence.name.display(),
            owner.unwrap_or_default(),
            acl(&sequence.acl)
        )
        .unwrap();
    }
    for function in catalog.functions.values().flatten() {
        let args: Vec<_> = function
            .args
            .iter()
            .map(|arg| format!("{} {}", arg.name.as_deref().unwrap_or("-"), arg.ty))
            .collect();
        let set = if function.returns.set { "setof " } else { "" };
        let returns = format!("{set}{}", function.returns.ty);
        writeln!(
            out,
            "function {}({}) {returns}{}",
            function.name.display(),
            args.join(", "),
            acl(&function.acl)
        )
        .unwrap();
    }
    for (name, role) in catalog.roles.iter().filter(|(name, _)| *name != "postgres") {
        writeln!(out, "role {name} {:?}", role.member_of).unwrap();
    }
    for entry in &catalog.default_privileges {
        let schema = entry.schema.as_deref().unwrap_or("-");
        writeln!(
            out,
            "default {} {schema} {}{}",
            entry.role,
            entry.kind,
            acl(&entry.acl)
        )
        .unwrap();
    }
    out
}

fn dump_relation(out: &mut String, relation: &Relation) {
    let kind = if relation.table().is_some() {
        "table"
    } else {
        "view"
    };
    let comment = relation
        .comment
        .as_ref()
        .map(|comment| format!(" -- {comment}"))
        .unwrap_or_default();
    writeln!(
        out,
        "{kind} {}{}{comment}",
        relation.name.display(),
        acl(&relation.acl)
    )
    .unwrap();
    for column in &relation.columns {
        write!(out, "  {} {}", column.name, column.ty).unwrap();
        if column.not_null {
            out.push_str(" not null");
        }
        if let Some(default) = &column.default {
            write!(out, " default {}", print::expr(default)).unwrap();
        }
        if let Some(generated) = &column.generated {
            write!(out, " generated {}", print::expr(generated)).unwrap();
        }
        if let Some(identity) = &column.identity {
            let always = if identity.always {
                "always"
            } else {
                "by default"
            };
            write!(out, " identity {always} {}", identity.sequence.display()).unwrap();
        }
        let comment = column
            .comment
            .as_ref()
            .map(|comment| format!(" -- {comment}"))
            .unwrap_or_default();
        writeln!(out, "{}{comment}", acl(&column.acl)).unwrap();
    }
    match &relation.kind {
        RelationKind::View(view) => {
            let invoker = if view.security_invoker {
                " (invoker)"
            } else {
                ""
            };
            writeln!(out, "  as{invoker} {}", print::query(&view.query)).unwrap();
        }
        RelationKind::Table(table) => dump_table(out, table),
    }
}

fn dump_table(out: &mut String, table: &Table) {
    for constraint in &table.constraints {
        writeln!(out, "  {}", dump_constraint(constraint)).unwrap();
    }
    for index in &table.indexes {
        let keys: Vec<_> = index
            .keys
            .iter()
            .map(|key| print::expr(&key.expr))
            .collect();
        let unique = if index.unique { "unique " } else { "" };
        let predicate = index
            .predicate
            .as_ref()
            .map(|expr| format!(" where {}", print::expr(expr)))
            .unwrap_or_default();
        writeln!(
            out,
            "  {unique}index {} ({}){predicate}",
            index.name,
            keys.join(", ")
        )
        .unwrap();
    }
    if table.row_security {
        writeln!(out, "  row security").unwrap();
    }
    for policy in &table.policies {
        write!(
            out,
            "  policy {} {:?} {:?}",
            policy.name, policy.command, policy.roles
        )
        .unwrap();
        if let Some(using) = &policy.using {
            write!(out, " using {}", print::expr(using)).unwrap();
        }
        if let Some(check) = &policy.check {
            write!(out, " check {}", print::expr(check)).unwrap();
        }
        writeln!(out).unwrap();
    }
}

fn dump_constraint(constraint: &Constraint) -> String {
    let rest = match &constraint.kind {
        ConstraintKind::PrimaryKey { columns } => format!("primary key {columns:?}"),
        ConstraintKind::Unique { columns, .. } => format!("unique {columns:?}"),
        ConstraintKind::Check { expr } => format!("check {}", print::expr(expr)),
        ConstraintKind::ForeignKey(key) => {
            format!(
                "foreign key {:?} {} {:?}",
                key.columns,
                key.foreign_table.display(),
                key.foreign_columns
            )
        }
    };
    let valid = if constraint.validated {
        ""
    } else {
        " not valid"
    };
    format!("{} {rest}{valid}", constraint.name)
}

fn acl(acl: &Acl) -> String {
    let entries: Vec<_> = acl
        .0
        .iter()
        .map(|(role, held)| format!("{role}:{}", letters(held)))
        .collect();
    if entries.is_empty() {
        String::new()
    } else {
        format!(" [{}]", entries.join(" "))
    }
}

fn letters(held: &std::collections::BTreeSet<crate::catalog::Privilege>) -> String {
    use crate::catalog::Privilege;
    let letter = |privilege: &Privilege| match privilege {
        Privilege::Select => 'r',
        Privilege::Insert => 'a',
        Privilege::Update => 'w',
        Privilege::Delete => 'd',
        Privilege::Truncate => 'D',
        Privilege::References => 'x',
        Privilege::Trigger => 't',
        Privilege::Usage => 'U',
        Privilege::Create => 'C',
        Privilege::Execute => 'X',
    };
    held.iter().map(letter).collect()
}
