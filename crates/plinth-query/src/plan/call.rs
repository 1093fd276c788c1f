//! Calls of functions.

use std::borrow::Cow;
use std::sync::Arc;

use plinth_sql::ast::{ArgMode, Call, CallArg, Expr, FromItem, TableAlias, Volatility};
use plinth_sql::catalog::{Function, QName};
use plinth_sql::shape::{BodyFormat, Read};
use plinth_sql::types::Type;

use super::read::rows;
use super::tree::{Node, Source};
use super::{Aliases, Asked, Context, Params, object_name, types};
use crate::array;
use crate::body::{Arguments, Cell, text_of};
use crate::error::Error;
use crate::names;
use crate::negotiate::Media;
use crate::preferences::Used;
use crate::range::Window;
use crate::request::Request;

/// How like a function's name must be to be suggested.
const LIKENESS_OF_FUNCTIONS: f64 = 0.75;
/// Errors name at most so many of the arguments given: a body may hold a million.
const MAX_NAMED: usize = 50;

/// A call, and what its answer is told about.
#[derive(Clone, Debug, PartialEq)]
pub struct CallPlan {
    /// What is run. Its body is always an array; `shape` says whether that is the answer.
    pub read: Read,
    /// What the function returns.
    pub shape: RpcShape,
    /// Which rows, for sets.
    pub window: Window,
    /// A count was asked of a function that must not run twice, and the page is not limited: the number of rows is the total.
    pub total_is_rows: bool,
    /// The form of the answer.
    pub media: Media,
    /// The `Preference-Applied` header.
    pub applied: Option<String>,
}

/// What a function returns, and so what its answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpcShape {
    /// One value: the array's only element.
    Scalar,
    /// One object: the array's only element.
    Row,
    /// An array of objects.
    Set,
    /// An array of values.
    SetOfScalars,
    /// Nothing.
    Void,
}

impl RpcShape {
    fn is_set(self) -> bool {
        matches!(self, RpcShape::Set | RpcShape::SetOfScalars)
    }

    fn is_scalar(self) -> bool {
        matches!(
            self,
            RpcShape::Scalar | RpcShape::SetOfScalars | RpcShape::Void
        )
    }
}

/// Plans a call: with the arguments of the body (`POST`), or with none given here those of the query string (`GET`, `HEAD`), where
/// a function may only read.
pub fn call(
    request: &Request,
    arguments: Option<&Arguments>,
    cx: &Context,
    asked: &Asked,
) -> Result<CallPlan, Error> {
    let by_query = arguments.is_none();
    let arguments = arguments.map_or_else(|| Cow::Owned(from_query(request)), Cow::Borrowed);
    let chosen = choose(cx, &request.name, &arguments)?;
    let function = chosen.function;
    let name = function.name.name.as_str();
    let shape = shape_of(function)?;
    if asked.preferences.most_affected().is_some() {
        return Err(if shape.is_set() {
            Error::Unsupported {
                what: "max-affected on a function call".to_owned(),
            }
        } else {
            Error::MaxAffectedOnSingleRow
        });
    }

    let node = Node::resolve(cx, &request.root, source(cx, function))?;
    let mut params = Params::new(0);
    let mut aliases = Aliases::default();
    let alias = aliases.take(name);
    let from = FromItem::Function {
        lateral: false,
        call: chosen.call(&arguments, &mut params)?,
        ordinality: false,
        alias: Some(TableAlias {
            name: alias.clone(),
            ..TableAlias::default()
        }),
    };
    let max_rows = cx.max_rows.filter(|_| shape.is_set());
    let window = Window::new(
        request.root.limit,
        request.root.offset,
        asked.range,
        max_rows,
    )?;
    let rows = rows(cx, &node, &alias, from, (params, aliases), window)?;

    // Counting is a second call, which one that may write must not get.
    let volatile = function.volatility == Volatility::Volatile;
    let counted = asked.preferences.count.is_some();
    let limited = request.root.limit.is_some() || window.offset > 0 || asked.range.is_some();
    let format = match asked.media.body_format() {
        _ if shape == RpcShape::Void => BodyFormat::None,
        BodyFormat::Csv => BodyFormat::Csv,
        _ if shape.is_scalar() => BodyFormat::JsonScalars,
        other => other,
    };
    Ok(CallPlan {
        read: Read {
            fetch: rows.fetch,
            count: (counted && !volatile).then_some(rows.count),
            format,
            read_only: by_query || !volatile,
        },
        shape,
        window,
        total_is_rows: counted && volatile && !limited,
        media: asked.media,
        applied: asked.preferences.applied(Used {
            returns: true,
            ..Used::default()
        }),
    })
}

/// Repeated parameters are the elements of one array: arguments of variadic functions.
fn from_query(request: &Request) -> Arguments<'_> {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, value) in &request.arguments {
        match grouped.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => grouped.push((name, vec![value])),
        }
    }
    let cell = |values: Vec<&str>| match values.as_slice() {
        [one] => Cell::Text((*one).to_owned().into()),
        many => Cell::Text(array::literal(many.iter().map(Some)).into()),
    };
    let named = grouped
        .into_iter()
        .map(|(name, values)| (name.into(), cell(values)))
        .collect();
    Arguments { named, whole: None }
}

struct Chosen<'a> {
    function: &'a Arc<Function>,
    /// The body as a whole is its one unnamed argument.
    whole: bool,
}

/// The one function of this name that takes just these arguments.
fn choose<'a>(cx: &Context<'a>, name: &str, arguments: &Arguments) -> Result<Chosen<'a>, Error> {
    let given: Vec<&str> = arguments
        .named
        .iter()
        .map(|(name, _)| name.as_ref())
        .collect();
    let overloads = cx.catalog.functions.get(&QName::new(cx.schema, name));
    let overloads = || {
        overloads
            .into_iter()
            .flatten()
            .filter(|function| function.returns.ty != Type::Trigger)
    };
    let fitting: Vec<&Arc<Function>> = match arguments.whole {
        Some(_) if given.is_empty() && !is_empty_object(arguments) => Vec::new(),
        _ => overloads()
            .filter(|function| takes(function, &given))
            .collect(),
    };
    match fitting.as_slice() {
        [only] => Ok(Chosen {
            function: only,
            whole: false,
        }),
        [] => {
            let unnamed =
                overloads().find(|function| arguments.whole.is_some() && takes_whole(function));
            unnamed
                .map(|function| Chosen {
                    function,
                    whole: true,
                })
                .ok_or_else(|| no_function(cx, name, &given))
        }
        many => Err(Error::AmbiguousFunction {
            candidates: many.iter().map(|one| typed_signature(one)).collect(),
        }),
    }
}

fn is_empty_object(arguments: &Arguments) -> bool {
    matches!(arguments.whole, Some(Cell::Json(text)) if text.starts_with('{'))
}

fn takes(function: &Function, given: &[&str]) -> bool {
    let named = |name: &&str| {
        function
            .args
            .iter()
            .any(|arg| arg.name.as_deref() == Some(*name))
    };
    let present = |name: &Option<String>| name.as_deref().is_some_and(|name| given.contains(&name));
    given.iter().all(named)
        && function
            .args
            .iter()
            .all(|arg| arg.default.is_some() || present(&arg.name))
}

fn takes_whole(function: &Function) -> bool {
    match function.args.as_slice() {
        [only] => only.name.is_none() && matches!(only.ty, Type::Json | Type::Jsonb),
        _ => false,
    }
}

fn no_function(cx: &Context, name: &str, given: &[&str]) -> Error {
    let seen = || {
        let of_schema = cx
            .catalog
            .functions
            .iter()
            .filter(|(full, _)| full.schema == cx.schema);
        of_schema
            .flat_map(|(_, overloads)| overloads)
            .filter(|function| names::sees_function(cx.catalog, cx.role, function))
            .filter(|function| function.returns.ty != Type::Trigger)
    };
    // An overload of that very name is nearer than any other name.
    let near = seen()
        .find(|function| function.name.name == name)
        .map(|function| signature(function))
        .or_else(|| {
            let near = names::nearest(
                name,
                seen().map(|it| it.name.name.as_str()),
                LIKENESS_OF_FUNCTIONS,
            )?;
            seen()
                .find(|function| function.name.name == near)
                .map(|function| signature(function))
        });
    Error::NoFunction {
        schema: cx.schema.to_owned(),
        name: name.to_owned(),
        arguments: given
            .iter()
            .take(MAX_NAMED)
            .map(|name| names::shortened(name))
            .collect(),
        did_you_mean: near,
    }
}

fn signature(function: &Function) -> String {
    let args: Vec<&str> = function
        .args
        .iter()
        .filter_map(|arg| arg.name.as_deref())
        .collect();
    format!(
        "{}.{}({})",
        function.name.schema,
        function.name.name,
        args.join(", ")
    )
}

fn typed_signature(function: &Function) -> String {
    let arg = |arg: &plinth_sql::catalog::Argument| {
        format!("{} => {}", arg.name.as_deref().unwrap_or_default(), arg.ty)
    };
    let args: Vec<String> = function.args.iter().map(arg).collect();
    format!(
        "{}.{}({})",
        function.name.schema,
        function.name.name,
        args.join(", ")
    )
}

impl Chosen<'_> {
    /// The call, each argument cast to its declared type so that the engine picks this very function.
    fn call(&self, arguments: &Arguments, params: &mut Params) -> Result<Call, Error> {
        let mut args = Vec::new();
        for declared in &self.function.args {
            let cell = match (&declared.name, self.whole) {
                (_, true) => arguments.whole.as_ref(),
                (Some(name), _) => arguments
                    .named
                    .iter()
                    .find(|(given, _)| given == name)
                    .map(|(_, cell)| cell),
                (None, _) => None,
            };
            let Some(cell) = cell else { continue };
            let value = params.add(text_of(cell, &declared.ty)?);
            args.push(CallArg {
                name: declared.name.clone().filter(|_| !self.whole),
                value: match types::name_of(&declared.ty) {
                    Some(ty) => Expr::cast(value, ty),
                    None => value,
                },
                variadic: declared.mode == ArgMode::Variadic,
            });
        }
        Ok(Call {
            name: object_name(&self.function.name),
            args,
            star: false,
            distinct: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        })
    }
}

fn shape_of(function: &Function) -> Result<RpcShape, Error> {
    let returns = &function.returns;
    let composite = !returns.columns.is_empty() || matches!(returns.ty, Type::Row(_));
    Ok(match (&returns.ty, composite, returns.set) {
        (Type::Void, ..) => RpcShape::Void,
        (Type::Record, false, _) => {
            return Err(Error::Unsupported {
                what: "a function that returns record without naming columns".to_owned(),
            });
        }
        (_, true, true) => RpcShape::Set,
        (_, true, false) => RpcShape::Row,
        (_, false, true) => RpcShape::SetOfScalars,
        (_, false, false) => RpcShape::Scalar,
    })
}

/// The columns of the result. A set keeps the function's own order unless another is asked for.
fn source<'a>(cx: &Context<'a>, function: &'a Function) -> Source<'a> {
    let returns = &function.returns;
    let name = function.name.name.as_str();
    if let Type::Row(relation) = &returns.ty
        && let Some(relation) = cx.catalog.relation_named(relation)
    {
        return Source {
            name,
            key: &[],
            ..Source::relation(relation)
        };
    }
    let columns = match returns.columns.as_slice() {
        [] => vec![(name, &returns.ty)],
        columns => columns
            .iter()
            .map(|(name, ty)| (name.as_str(), ty))
            .collect(),
    };
    Source {
        name,
        relation: None,
        columns,
        key: &[],
    }
}
