//! Functions, aggregates and procedures apart. The server runs them, so their bodies stay text.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::ast::{ArgMode, Volatility};
use plinth_sql::catalog::{Argument, Column, Function, QName, Returns};
use plinth_sql::types::Type;
use tokio_postgres::{Error, Row};

use super::acls::Acls;
use super::types::Types;
use super::{ByRelation, deparsed};

/// `types` are of all parameters, those that only come back too; `modes` are absent when all go in, `names` when none
/// has one, `defaults` when none has one.
pub(super) const QUERY: &str = "
select p.oid, n.nspname::text as schema, p.proname::text as name, pg_get_userbyid(p.proowner)::text as owner,
  l.lanname::text as language, p.prosrc as source, p.provolatile::text as volatility, p.proisstrict as strict,
  p.prosecdef as security_definer, coalesce(p.proconfig, '{}') as settings, p.proretset as returns_set,
  p.prorettype as returns, coalesce(p.proallargtypes, p.proargtypes::oid[]) as types,
  coalesce(p.proargmodes::text[], '{}') as modes, coalesce(p.proargnames, '{}') as names,
  case when p.pronargdefaults > 0 then array(
    select pg_get_function_arg_default(p.oid, k)
    from generate_series(1, cardinality(coalesce(p.proallargtypes, p.proargtypes::oid[]))) k order by k)
  else '{}' end as defaults,
  obj_description(p.oid, 'pg_proc') as comment
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
where p.prokind = 'f' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by p.oid
";

/// Functions by name, overloads in order of creation. `composites` are the columns of types that are no table's.
pub(super) fn read(
    rows: &[Row],
    types: &Types,
    composites: &ByRelation<Column>,
    acls: &mut Acls,
) -> Result<BTreeMap<QName, Vec<Arc<Function>>>, Error> {
    let mut functions = BTreeMap::<QName, Vec<Arc<Function>>>::new();
    for row in rows {
        let name = QName {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
        };
        let oid: u32 = row.try_get("oid")?;
        let parameters = parameters(row, types)?;
        let composite = types
            .relation(row.try_get("returns")?)
            .and_then(|relation| composites.get(&relation))
            .map(Vec::as_slice);
        let result = types.of(row.try_get("returns")?);
        let volatility: String = row.try_get("volatility")?;
        let settings: Vec<String> = row.try_get("settings")?;
        let function = Function {
            oid,
            name: name.clone(),
            owner: row.try_get("owner")?,
            returns: returns(row.try_get("returns_set")?, result, &parameters, composite),
            args: args(parameters),
            language: row.try_get("language")?,
            body: Vec::new(),
            source: row.try_get("source")?,
            volatility: match volatility.as_str() {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            strict: row.try_get("strict")?,
            security_definer: row.try_get("security_definer")?,
            settings: settings.iter().map(|text| setting(text)).collect(),
            acl: acls.take("function", oid, 0).unwrap_or_default(),
            comment: row.try_get("comment")?,
        };
        functions.entry(name).or_default().push(Arc::new(function));
    }
    Ok(functions)
}

/// A parameter of any mode.
struct Parameter {
    name: Option<String>,
    ty: Type,
    /// `proargmodes`: `i`, `o`, `b` for both, `v` for variadic, `t` for a column of `RETURNS TABLE`.
    mode: String,
    default: Option<String>,
}

fn parameters(row: &Row, types: &Types) -> Result<Vec<Parameter>, Error> {
    let oids: Vec<u32> = row.try_get("types")?;
    let modes: Vec<String> = row.try_get("modes")?;
    let names: Vec<String> = row.try_get("names")?;
    let defaults: Vec<Option<String>> = row.try_get("defaults")?;
    let parameters = oids.into_iter().enumerate().map(|(at, oid)| Parameter {
        name: names.get(at).filter(|name| !name.is_empty()).cloned(),
        ty: types.of(oid),
        mode: modes.get(at).map_or("i", String::as_str).to_owned(),
        default: defaults.get(at).cloned().flatten(),
    });
    Ok(parameters.collect())
}

/// Those that a caller gives.
fn args(parameters: Vec<Parameter>) -> Vec<Argument> {
    let given = parameters.into_iter().filter_map(|parameter| {
        let mode = match parameter.mode.as_str() {
            "i" => ArgMode::In,
            "b" => ArgMode::InOut,
            "v" => ArgMode::Variadic,
            _ => return None,
        };
        Some(Argument {
            name: parameter.name,
            ty: parameter.ty,
            mode,
            default: deparsed::optional_expr(parameter.default),
        })
    });
    given.collect()
}

/// What comes back. A row of a composite type is told by its columns, because no relation of the catalog has them.
fn returns(set: bool, ty: Type, parameters: &[Parameter], composite: Option<&[Column]>) -> Returns {
    let mut columns: Vec<(String, Type)> = Vec::new();
    for parameter in parameters {
        if matches!(parameter.mode.as_str(), "o" | "b" | "t") {
            let name = parameter.name.clone();
            let name = name.unwrap_or_else(|| format!("column{}", columns.len() + 1));
            columns.push((name, parameter.ty.clone()));
        }
    }
    if let Some(composite) = composite.filter(|_| columns.is_empty()) {
        let parts = composite.iter();
        return Returns {
            set,
            ty: Type::Record,
            columns: parts
                .map(|column| (column.name.clone(), column.ty.ty.clone()))
                .collect(),
        };
    }
    Returns { set, ty, columns }
}

/// `name=value`. Settings that are lists of names have several values.
fn setting(text: &str) -> (String, Vec<String>) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let values = match name {
        "search_path"
        | "temp_tablespaces"
        | "local_preload_libraries"
        | "session_preload_libraries" => names(value),
        _ => vec![value.to_owned()],
    };
    (name.to_owned(), values)
}

/// `public, "My Schema", ""`: names between commas, in quotes where they need them.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut rest = text.chars().peekable();
    let mut quoted = false;
    while let Some(next) = rest.next() {
        match next {
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ' ' if !quoted => {}
            other => name.push(other),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: Option<&str>, ty: Type, mode: &str) -> Parameter {
        Parameter {
            name: name.map(str::to_owned),
            ty,
            mode: mode.to_owned(),
            default: None,
        }
    }

    #[test]
    fn a_list_of_schemas_has_several_values() {
        let values = |text| setting(text).1;
        assert_eq!(values("search_path=\"\""), [""]);
        assert_eq!(
            values("search_path=public, \"My \"\"own\"\", it\", pg_temp"),
            ["public", "My \"own\", it", "pg_temp"]
        );
        assert_eq!(
            setting("work_mem=1MB"),
            ("work_mem".to_owned(), vec!["1MB".to_owned()])
        );
        assert_eq!(values("a.b=x=y, z"), ["x=y, z"]);
    }

    #[test]
    fn what_only_comes_back_is_no_argument() {
        let parameters = vec![
            parameter(Some("a"), Type::Int4, "i"),
            parameter(None, Type::Text, "b"),
            parameter(Some("c"), Type::Bool, "o"),
        ];
        let found = returns(false, Type::Record, &parameters, None);
        let columns = [
            ("column1".to_owned(), Type::Text),
            ("c".to_owned(), Type::Bool),
        ];
        assert_eq!(found.columns, columns);
        let modes: Vec<ArgMode> = args(parameters).iter().map(|arg| arg.mode).collect();
        assert_eq!(modes, [ArgMode::In, ArgMode::InOut]);
    }

    #[test]
    fn a_composite_type_is_told_by_its_columns() {
        let pair = [Column {
            name: "a".to_owned(),
            ty: Type::Int4.into(),
            not_null: false,
            default: None,
            generated: None,
            identity: None,
            acl: plinth_sql::catalog::Acl::default(),
            comment: None,
        }];
        let row = Type::Row(Arc::new(QName::new("public", "pair")));
        let found = returns(true, row, &[], Some(pair.as_slice()));
        assert_eq!(found.ty, Type::Record);
        assert_eq!(found.columns, [("a".to_owned(), Type::Int4)]);
    }
}
