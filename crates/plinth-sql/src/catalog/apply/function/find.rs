//! Functions by name and argument types.

use std::sync::Arc;

use super::super::depend::Object;
use super::super::drop::{Dropped, Missing, missing};
use super::super::names::written;
use super::super::{Work, error};
use crate::SqlError;
use crate::ast::{ObjectName, TypeName};
use crate::catalog::{Function, QName};
use crate::types::Type;

pub(super) fn input_types(function: &Function) -> Vec<Type> {
    function.args.iter().map(|arg| arg.ty.clone()).collect()
}

/// Its argument types: `integer,text`.
pub(in super::super) fn signature(function: &Function) -> String {
    let types: Vec<String> = function.args.iter().map(|arg| arg.ty.to_string()).collect();
    types.join(",")
}

/// A function by name, and by argument types when they were written.
pub(in super::super) fn find(
    work: &Work<'_>,
    name: &ObjectName,
    arguments: Option<&[TypeName]>,
) -> Result<Arc<Function>, SqlError> {
    let overloads = work.catalog.functions(name, work.path());
    let Some(arguments) = arguments else {
        return match overloads {
            [] => Err(error(
                "42883",
                format!("could not find a function named \"{}\"", written(name)),
            )),
            [only] => Ok(only.clone()),
            _ => Err(error(
                "42725",
                format!("function name \"{}\" is not unique", written(name)),
            )
            .hint("Specify the argument list to select the function unambiguously.")),
        };
    };
    let types: Vec<Type> = arguments
        .iter()
        .map(|ty| Ok(work.column_type(ty)?.ty))
        .collect::<Result<_, SqlError>>()?;
    let schemas: Vec<&String> = name
        .schema
        .iter()
        .chain(work.path().iter().filter(|_| name.schema.is_none()))
        .collect();
    let mut all = schemas
        .into_iter()
        .filter_map(|schema| work.catalog.functions.get(&QName::new(schema, &name.name)));
    let found = all.find_map(|overloads| {
        overloads
            .iter()
            .find(|function| input_types(function) == types)
    });
    found.cloned().ok_or_else(|| {
        let types: Vec<String> = types.iter().map(Type::to_string).collect();
        error(
            "42883",
            format!(
                "function {}({}) does not exist",
                written(name),
                types.join(", ")
            ),
        )
    })
}

/// What `DROP FUNCTION` names.
pub(in super::super) fn dropped(
    work: &mut Work<'_>,
    name: &ObjectName,
    arguments: Option<&[TypeName]>,
    if_exists: bool,
) -> Dropped {
    match find(work, name, arguments) {
        Ok(function) => {
            work.must_own(&function.owner, "function", &name.name)?;
            Ok(Some(Object::Function(function.name.clone(), function.oid)))
        }
        Err(absent) if absent.code == "42883" && arguments.is_none() && if_exists => Err(missing(
            work,
            name,
            error(
                "42883",
                format!("function {}() does not exist", written(name)),
            ),
        )),
        Err(absent) if absent.code == "42883" => Err(missing(work, name, absent)),
        Err(absent) if absent.code == "42704" => Err(Missing::Skippable(absent)),
        Err(other) => Err(Missing::Fatal(other)),
    }
}
