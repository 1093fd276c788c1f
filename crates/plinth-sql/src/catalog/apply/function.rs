//! Functions. The language is SQL or PL/pgSQL; others are refused by name.

mod alter;
mod find;

pub(super) use alter::{alter, edit};
pub(super) use find::{dropped, find, signature};

use std::sync::Arc;

use find::input_types;

use super::defaults::{defaults, initial_acl};
use super::names::{type_name, written};
use super::types::assignable;
use super::{Work, error, not_yet};
use crate::SqlError;
use crate::ast::{
    ArgMode, CreateFunction, Expr, FunctionArg, FunctionBody, FunctionReturns, Names, ObjectName,
    Query, Select, SelectItem, Statement, TypeName,
};
use crate::catalog::references::{store_expr, store_query};
use crate::catalog::{Argument, Function, Returns};
use crate::types::Type;

/// Most arguments of a function, as in Postgres.
const MAX_ARGUMENTS: usize = 100;

/// `CREATE [OR REPLACE] FUNCTION`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateFunction,
) -> Result<&'static str, SqlError> {
    let span = statement.name.span;
    if statement.procedure {
        return Err(
            not_yet(&format!("procedures (\"{}\")", statement.name.name))
                .hint("Write an SQL function.")
                .at(span),
        );
    }
    check_language(statement).map_err(|error| error.at(span))?;
    let name = work.new_name(&statement.name)?;
    let args = arguments(work, &statement.args, &statement.language)?;
    let returns = returns(work, statement)?;
    let (body, source) = body(work, statement)?;
    let mut acl = initial_acl(work, "functions", &name.schema);
    if acl.0.is_empty() {
        acl = defaults("functions", work.role());
    }
    let mut function = Function {
        oid: 0,
        owner: work.role().to_owned(),
        args,
        returns,
        language: statement.language.clone(),
        body,
        source,
        volatility: statement.volatility,
        strict: statement.strict,
        security_definer: statement.security_definer,
        settings: statement.settings.clone(),
        acl,
        comment: None,
        name: name.clone(),
    };
    let types = input_types(&function);
    let overloads = work
        .catalog
        .functions
        .get(&name)
        .map_or(&[][..], Vec::as_slice);
    let known = overloads
        .iter()
        .position(|other| input_types(other) == types);
    match known.map(|at| overloads[at].clone()) {
        Some(_) if !statement.or_replace => {
            let message = format!(
                "function \"{}\" already exists with same argument types",
                name.name
            );
            return Err(error("42723", message).at(span));
        }
        Some(old) => {
            work.must_own(&old.owner, "function", &name.name)?;
            may_replace(&old, &function).map_err(|error| error.at(span))?;
            function.oid = old.oid;
            function.owner.clone_from(&old.owner);
            function.acl.clone_from(&old.acl);
            function.comment.clone_from(&old.comment);
        }
        None => function.oid = work.next_oid(),
    }
    let overloads = work.edit().functions.entry(name).or_default();
    match known {
        Some(at) => overloads[at] = Arc::new(function.clone()),
        None => overloads.push(Arc::new(function.clone())),
    }
    let path = search_path(work, &function);
    work.cx
        .infer
        .function_body(&work.catalog, &function, &path)
        .map_err(|error| elsewhere(error, &statement.name))?;
    Ok("CREATE FUNCTION")
}

fn check_language(statement: &CreateFunction) -> Result<(), SqlError> {
    match statement.language.as_str() {
        "sql" | "plpgsql" => Ok(()),
        known @ ("plv8" | "plpython3u" | "plperl" | "plperlu" | "pltcl" | "c" | "internal") => {
            let what = format!("language {known} functions");
            let error =
                not_yet(&what).detail(format!("Function \"{}\".", written(&statement.name)));
            Err(error.hint("Write the function in language sql or plpgsql."))
        }
        other => Err(error(
            "42704",
            format!("language \"{other}\" does not exist"),
        )),
    }
}

fn arguments(
    work: &Work<'_>,
    written: &[FunctionArg],
    language: &str,
) -> Result<Vec<Argument>, SqlError> {
    if written.len() > MAX_ARGUMENTS {
        return Err(error(
            "54023",
            format!("functions cannot have more than {MAX_ARGUMENTS} arguments"),
        ));
    }
    let mut args: Vec<Argument> = Vec::new();
    for arg in written.iter().filter(|arg| arg.mode != ArgMode::Out) {
        let ty = argument_type(work, &arg.ty)?;
        if let Type::Record | Type::Void | Type::Trigger = ty {
            return Err(if language == "sql" {
                let message = format!("SQL functions cannot have arguments of type {ty}");
                error("42P13", message)
            } else {
                error(
                    "0A000",
                    format!("PL/pgSQL functions cannot accept type {ty}"),
                )
            });
        }
        if args
            .last()
            .is_some_and(|last| last.mode == ArgMode::Variadic)
        {
            return Err(error(
                "42P13",
                "VARIADIC parameter must be the last input parameter",
            ));
        }
        if arg.mode == ArgMode::Variadic && !matches!(ty, Type::Array(_)) {
            return Err(error("42P13", "VARIADIC parameter must be an array"));
        }
        let default = match &arg.default {
            Some(expr) => Some(argument_default(work, &ty, expr)?),
            None if args.iter().any(|arg| arg.default.is_some())
                && arg.mode != ArgMode::Variadic =>
            {
                return Err(error(
                    "42P13",
                    "input parameters after one with a default value must also have defaults",
                ));
            }
            None => None,
        };
        args.push(Argument {
            name: arg.name.clone(),
            ty,
            mode: arg.mode,
            default,
        });
    }
    Ok(args)
}

fn argument_type(work: &Work<'_>, name: &TypeName) -> Result<Type, SqlError> {
    match work.column_type(name) {
        Ok(found) => Ok(found.ty),
        Err(missing) if missing.code == "42704" => Err(error(
            "42704",
            format!("type {} does not exist", written(&name.name)),
        )
        .at(name.name.span)),
        Err(other) => Err(other),
    }
}

fn argument_default(work: &Work<'_>, ty: &Type, expr: &Expr) -> Result<Expr, SqlError> {
    if Names::of_expr(expr).subqueries {
        return Err(error("0A000", "cannot use subquery in DEFAULT expression"));
    }
    let found = match expr {
        Expr::String(_) => work.expr_type(
            &Expr::cast(expr.clone(), type_name(&ty.clone().into())),
            None,
        )?,
        other => work.expr_type(other, None)?,
    };
    if !assignable(&found.ty, ty) {
        return Err(error(
            "42804",
            format!(
                "argument of DEFAULT must be type {ty}, not type {}",
                found.ty
            ),
        ));
    }
    Ok(store_expr(&work.catalog, work.path(), None, expr))
}

/// What comes back. `columns` has the names of `OUT` arguments and of `TABLE (…)`, a single one too; the type is
/// `record` only when there are several.
fn returns(work: &Work<'_>, statement: &CreateFunction) -> Result<Returns, SqlError> {
    let mut names: Vec<&str> = Vec::new();
    let mut columns = Vec::new();
    let unnamed = |at: usize| format!("column{at}");
    for arg in &statement.args {
        if let Some(name) = arg.name.as_deref() {
            if names.contains(&name) {
                return Err(error(
                    "42P13",
                    format!("parameter name \"{name}\" used more than once"),
                ));
            }
            names.push(name);
        }
        if matches!(arg.mode, ArgMode::Out | ArgMode::InOut) {
            let name = arg
                .name
                .clone()
                .unwrap_or_else(|| unnamed(columns.len() + 1));
            columns.push((name, argument_type(work, &arg.ty)?));
        }
    }
    let out = match columns.as_slice() {
        [] => None,
        [(_, only)] => Some(only.clone()),
        _ => Some(Type::Record),
    };
    let (set, ty) = match &statement.returns {
        None => (
            false,
            out.ok_or_else(|| error("42P13", "function result type must be specified"))?,
        ),
        Some(FunctionReturns::Type(name) | FunctionReturns::SetOf(name)) => {
            let ty = work.column_type(name)?.ty;
            if let Some(out) = out.filter(|out| *out != ty) {
                return Err(error(
                    "42P13",
                    format!("function result type must be {out} because of OUT parameters"),
                ));
            }
            (
                matches!(statement.returns, Some(FunctionReturns::SetOf(_))),
                ty,
            )
        }
        Some(FunctionReturns::Table(table)) => {
            if out.is_some() {
                return Err(SqlError::syntax(
                    "OUT and INOUT arguments aren't allowed in TABLE functions",
                    statement.name.span,
                ));
            }
            for (name, ty) in table {
                if names.contains(&name.as_str()) || columns.iter().any(|(other, _)| other == name)
                {
                    return Err(error(
                        "42P13",
                        format!("parameter name \"{name}\" used more than once"),
                    ));
                }
                columns.push((name.clone(), work.column_type(ty)?.ty));
            }
            let ty = if let [(_, only)] = columns.as_slice() {
                only.clone()
            } else {
                Type::Record
            };
            (true, ty)
        }
    };
    if ty == Type::Trigger {
        if statement.language == "sql" {
            return Err(error("42P13", "SQL functions cannot return type trigger"));
        }
        if !statement.args.is_empty() {
            let message = "trigger functions cannot have declared arguments";
            let hint = "The arguments of the trigger can be accessed through TG_NARGS and TG_ARGV instead.";
            return Err(error("42P13", message).hint(hint));
        }
    }
    Ok(Returns { set, ty, columns })
}

fn body(work: &Work<'_>, statement: &CreateFunction) -> Result<(Vec<Statement>, String), SqlError> {
    let stored =
        |query: &Query| Statement::Query(Box::new(store_query(&work.catalog, work.path(), query)));
    Ok(match &statement.body {
        FunctionBody::Text(text) if statement.language == "plpgsql" => {
            crate::parse::plpgsql(text).map_err(|error| elsewhere(error, &statement.name))?;
            (Vec::new(), text.clone())
        }
        FunctionBody::Text(text) => {
            let parsed =
                crate::parse::script(text).map_err(|error| elsewhere(error, &statement.name))?;
            (
                parsed.into_iter().map(|parsed| parsed.statement).collect(),
                text.clone(),
            )
        }
        // Unlike text, these are resolved once and for all.
        FunctionBody::Return(expr) => {
            let item = SelectItem::Expr {
                expr: expr.clone(),
                alias: None,
            };
            let query = Query::select(Select {
                projection: vec![item],
                ..Select::default()
            });
            (vec![stored(&query)], String::new())
        }
        FunctionBody::Atomic(statements) => {
            let resolve = |statement: &Statement| match statement {
                Statement::Query(query) => stored(query),
                other => other.clone(),
            };
            (statements.iter().map(resolve).collect(), String::new())
        }
    })
}

/// Places within the body mean nothing in the script around it: the function's name stands for them.
fn elsewhere(mut error: SqlError, name: &ObjectName) -> SqlError {
    error.span = None;
    error.at(name.span)
}

/// Where names in the body are looked for: its own `SET search_path`, else the caller's.
fn search_path(work: &Work<'_>, function: &Function) -> Vec<String> {
    match function
        .settings
        .iter()
        .find(|(name, _)| name == "search_path")
    {
        Some((_, schemas)) => {
            let own = schemas
                .iter()
                .filter(|schema| !schema.is_empty() && *schema != "pg_catalog");
            std::iter::once("pg_catalog".to_owned())
                .chain(own.cloned())
                .collect()
        }
        None => work.path().to_vec(),
    }
}

fn may_replace(old: &Function, new: &Function) -> Result<(), SqlError> {
    let refuse = |message: String| {
        let hint = format!(
            "Use DROP FUNCTION {}({}) first.",
            old.name.name,
            signature(old)
        );
        error("42P13", message).hint(hint)
    };
    let cannot = || refuse("cannot change return type of existing function".to_owned());
    if old.returns.ty != new.returns.ty || old.returns.set != new.returns.set {
        return Err(match (&old.returns.ty, &new.returns.ty) {
            (Type::Record, Type::Record) => {
                cannot().detail("Row type defined by OUT parameters is different.")
            }
            _ => cannot(),
        });
    }
    if old.returns.columns != new.returns.columns && old.returns.ty == Type::Record {
        return Err(cannot().detail("Row type defined by OUT parameters is different."));
    }
    for (old, new) in old.args.iter().zip(&new.args) {
        if let Some(name) = &old.name
            && new.name.as_ref() != Some(name)
        {
            return Err(refuse(format!(
                "cannot change name of input parameter \"{name}\""
            )));
        }
    }
    let defaults = |function: &Function| {
        function
            .args
            .iter()
            .filter(|arg| arg.default.is_some())
            .count()
    };
    if defaults(new) < defaults(old) {
        return Err(refuse(
            "cannot remove parameter defaults from existing function".to_owned(),
        ));
    }
    Ok(())
}
