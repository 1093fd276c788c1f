//! Expressions of PL/pgSQL, and values on their way into variables.

use plinth_sql::SqlError;
use plinth_sql::ast::Expr;
use plinth_sql::ast::plpgsql::Target;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::Run;
use super::scope::{Content, Place, Shape, unknown_variable};
use crate::connection::{ParamValue, Params, text_of};
use crate::error::Result;
use crate::exec::Executor;
use crate::translate::{Bind, Ex, How, castable};

/// Longest array that an assignment to an element may make.
const MAX_ELEMENTS: usize = 10_000_000;

/// What an expression came to.
#[derive(Clone, Debug)]
pub(super) enum Evaluated {
    Scalar(ColumnType, Value),
    Row(Shape, Vec<Value>),
}

impl Evaluated {
    /// NULL of no type.
    pub(super) fn null() -> Evaluated {
        Evaluated::Scalar(Type::Unknown.into(), Value::Null)
    }

    /// As messages show it; none for NULL.
    pub(super) fn text(&self) -> Result<Option<String>> {
        match self {
            Evaluated::Scalar(ty, value) => text_of(&ty.ty, value),
            Evaluated::Row(shape, values) => row_text(shape, values).map(Some),
        }
    }
}

impl Executor {
    /// A value as another type: by an assignment cast where there is one, else through its text.
    pub(crate) fn convert(
        &self,
        value: Value,
        from: &ColumnType,
        to: &ColumnType,
    ) -> Result<Value> {
        if value == Value::Null || *from == *to || from.ty == to.ty && to.modifier.is_none() {
            return Ok(value);
        }
        if from.ty == Type::Unknown || !castable(&from.ty, &to.ty, How::Assignment) {
            let text = text_of(&from.ty, &value)?.unwrap_or_default();
            return self.conn.input(to, &text);
        }
        let params = Params {
            values: vec![ParamValue::Typed(from.clone(), value)],
            names: None,
        };
        let role = self.role();
        let mut translator = self.translator(&role, &params);
        let sql = translator.bind(Bind::Param(1));
        let ex = translator.coerce(Ex::new(sql, from.clone()), to, How::Assignment)?;
        let plan = translator.finish(
            format!("SELECT {}", ex.sql),
            vec![(String::new(), to.clone())],
        )?;
        let row = self.project(&plan, &params, &[])?;
        Ok(row.into_iter().next().unwrap_or(Value::Null))
    }
}

impl Run<'_> {
    /// The value of an expression.
    pub(super) fn evaluate(&mut self, expr: &Expr) -> Result<Evaluated> {
        if let Some(done) = self.evaluate_simple(expr) {
            return Ok(done);
        }
        let params = self.scopes.params();
        let expression = self.exec.expression_within(expr, &params)?;
        let values = self.exec.project(&expression.plan, &params, &[])?;
        self.exec.follow_catalog();
        match expression.columns.as_slice() {
            [(_, ty)] if !expression.is_row => {
                let value = values.into_iter().next().unwrap_or(Value::Null);
                Ok(Evaluated::Scalar(ty.clone(), value))
            }
            shape => Ok(Evaluated::Row(shape.to_vec(), values)),
        }
    }

    /// Constants and bare variables need no SQLite.
    fn evaluate_simple(&self, expr: &Expr) -> Option<Evaluated> {
        match expr {
            Expr::Null => Some(Evaluated::null()),
            Expr::Bool(value) => Some(Evaluated::Scalar(
                Type::Bool.into(),
                Value::Integer((*value).into()),
            )),
            Expr::String(text) => Some(Evaluated::Scalar(
                Type::Unknown.into(),
                Value::Text(text.clone()),
            )),
            Expr::Column(reference) => {
                let [name] = reference.parts.as_slice() else {
                    return None;
                };
                match &self.scopes.slot(self.scopes.find(None, name)?).content {
                    Content::Scalar(ty, value) => {
                        Some(Evaluated::Scalar(ty.clone(), value.clone()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A condition: true, and neither false nor null.
    pub(super) fn holds(&mut self, expr: &Expr) -> Result<bool> {
        match self.evaluate(expr)? {
            Evaluated::Scalar(ty, value) => {
                let value = self.exec.convert(value, &ty, &Type::Bool.into())?;
                Ok(matches!(value, Value::Integer(value) if value != 0))
            }
            Evaluated::Row(..) => {
                Err(SqlError::new("42804", "a condition must be of type boolean").into())
            }
        }
    }

    /// A whole number of 32 bits; none for NULL.
    pub(super) fn integer(&mut self, expr: &Expr) -> Result<Option<i64>> {
        match self.evaluate(expr)? {
            Evaluated::Scalar(ty, value) => {
                match self.exec.convert(value, &ty, &Type::Int4.into())? {
                    Value::Integer(value) => Ok(Some(value)),
                    _ => Ok(None),
                }
            }
            Evaluated::Row(..) => Err(SqlError::new("42804", "a number is wanted here").into()),
        }
    }

    /// A text; none for NULL.
    pub(super) fn text(&mut self, expr: &Expr) -> Result<Option<String>> {
        self.evaluate(expr)?.text()
    }

    // Assigning.

    /// The variable that a target names, and the field in it.
    pub(super) fn place(&self, target: &Target) -> Result<(Place, Option<String>)> {
        let parts = target.parts.as_slice();
        if let Some(place) = self.scopes.named(parts) {
            return Ok((place, None));
        }
        let field = match parts {
            [record, field] => self.scopes.find(None, record).map(|place| (place, field)),
            [label, record, field] => self
                .scopes
                .find(Some(label), record)
                .map(|place| (place, field)),
            _ => None,
        };
        field
            .map(|(place, field)| (place, Some(field.clone())))
            .ok_or_else(|| unknown_variable(parts).at(target.span).into())
    }

    /// `target := value`.
    pub(super) fn assign(&mut self, target: &Target, value: Evaluated) -> Result<()> {
        let (place, field) = self.place(target)?;
        if self.scopes.slot(place).constant {
            return Err(SqlError::new(
                "22005",
                format!(
                    "variable \"{}\" is declared CONSTANT",
                    target.parts.join(".")
                ),
            )
            .into());
        }
        if target.subscripts.is_empty() {
            return match field {
                None => self.assign_whole(place, value),
                Some(field) => self.assign_field(place, &field, value),
            };
        }
        let (ty, old) = self.read(place, field.as_deref())?;
        let changed = self.with_element(target, &ty, old, value)?;
        let changed = Evaluated::Scalar(ty, changed);
        match field {
            None => self.assign_whole(place, changed),
            Some(field) => self.assign_field(place, &field, changed),
        }
    }

    /// Puts a value into a whole variable.
    pub(super) fn assign_whole(&mut self, place: Place, value: Evaluated) -> Result<()> {
        let slot = self.scopes.slot(place).clone();
        let content = match (slot.content, value) {
            (Content::Scalar(ty, _), Evaluated::Scalar(from, value)) => {
                let value = self.exec.convert(value, &from, &ty)?;
                Content::Scalar(ty, value)
            }
            (Content::Scalar(ty, _), Evaluated::Row(shape, mut values)) => {
                if values.len() != 1 {
                    return Err(SqlError::new(
                        "42804",
                        format!("cannot assign a row to a variable of type {}", ty.ty),
                    )
                    .into());
                }
                let value = values.pop().unwrap_or(Value::Null);
                let value = self.exec.convert(value, &shape[0].1, &ty)?;
                Content::Scalar(ty, value)
            }
            (Content::Record { ty, shape, .. }, Evaluated::Scalar(_, Value::Null)) => {
                Content::empty_record(ty, shape)
            }
            (Content::Record { .. }, Evaluated::Scalar(..)) => {
                return Err(SqlError::new(
                    "42804",
                    "cannot assign non-composite value to a record variable",
                )
                .into());
            }
            (Content::Record { ty, shape, .. }, Evaluated::Row(from, values)) => {
                if ty == Type::Record {
                    Content::Record {
                        ty,
                        shape: Some(from),
                        values,
                    }
                } else {
                    let shape = shape.unwrap_or_default();
                    let values = self.fit_row(&from, values, &shape)?;
                    Content::Record {
                        ty,
                        shape: Some(shape),
                        values,
                    }
                }
            }
            (content @ (Content::Alias(_) | Content::Cursor(_)), _) => content,
        };
        if slot.not_null && matches!(&content, Content::Scalar(_, Value::Null)) {
            return Err(SqlError::new(
                "22004",
                format!(
                    "null value cannot be assigned to variable \"{}\" declared NOT NULL",
                    slot.name.unwrap_or_default()
                ),
            )
            .into());
        }
        self.scopes.slot_mut(place).content = content;
        Ok(())
    }

    /// Values of one shape as another's, by place.
    pub(super) fn fit_row(
        &self,
        from: &Shape,
        values: Vec<Value>,
        to: &Shape,
    ) -> Result<Vec<Value>> {
        let mut given = from.iter().zip(values);
        let mut fitted = Vec::with_capacity(to.len());
        for (_, wanted) in to {
            fitted.push(match given.next() {
                Some(((_, ty), value)) => self.exec.convert(value, ty, wanted)?,
                None => Value::Null,
            });
        }
        Ok(fitted)
    }

    fn assign_field(&mut self, place: Place, field: &str, value: Evaluated) -> Result<()> {
        let (ty, _) = self.read(place, Some(field))?;
        let Evaluated::Scalar(from, value) = value else {
            return Err(SqlError::unsupported("a row in a field of a record").into());
        };
        let value = self.exec.convert(value, &from, &ty)?;
        if let Content::Record {
            shape: Some(shape),
            values,
            ..
        } = &mut self.scopes.slot_mut(place).content
            && let Some(at) = shape.iter().position(|(name, _)| name == field)
        {
            values[at] = value;
        }
        Ok(())
    }

    /// Type and value of a variable or of a record's field.
    fn read(&self, place: Place, field: Option<&str>) -> Result<(ColumnType, Value)> {
        let slot = self.scopes.slot(place);
        let name = slot.name.as_deref().unwrap_or_default();
        match (&slot.content, field) {
            (Content::Scalar(ty, value), None) => Ok((ty.clone(), value.clone())),
            (
                Content::Record {
                    shape: Some(shape),
                    values,
                    ..
                },
                Some(field),
            ) => shape
                .iter()
                .zip(values)
                .find(|((known, _), _)| known == field)
                .map(|((_, ty), value)| (ty.clone(), value.clone()))
                .ok_or_else(|| {
                    let message = format!("record \"{name}\" has no field \"{field}\"");
                    SqlError::new("42703", message).into()
                }),
            (Content::Record { shape: None, .. }, Some(_)) => Err(SqlError::new(
                "55000",
                format!("record \"{name}\" is not assigned yet"),
            )
            .detail("The tuple structure of a not-yet-assigned record is indeterminate.")
            .into()),
            _ => Err(unknown_variable(&[name.to_owned()]).into()),
        }
    }

    /// The array with one element changed; nulls fill a gap.
    fn with_element(
        &mut self,
        target: &Target,
        ty: &ColumnType,
        old: Value,
        value: Evaluated,
    ) -> Result<Value> {
        let Type::Array(element) = &ty.ty else {
            return Err(SqlError::new(
                "42804",
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    ty.ty
                ),
            )
            .into());
        };
        let mut places = Vec::with_capacity(target.subscripts.len());
        for subscript in &target.subscripts {
            let Some(at) = self.integer(subscript)? else {
                return Err(SqlError::new(
                    "22004",
                    "array subscript in assignment must not be null",
                )
                .into());
            };
            let at = usize::try_from(at)
                .ok()
                .filter(|at| (1..=MAX_ELEMENTS).contains(at))
                .ok_or_else(|| {
                    SqlError::unsupported(format!("an array that begins or ends at {at}"))
                })?;
            places.push(at);
        }
        let mut whole = match &old {
            Value::Text(stored) => array::from_storage(stored)?,
            _ => ArrayValue::Array(Vec::new()),
        };
        let Evaluated::Scalar(from, value) = value else {
            return Err(SqlError::unsupported("an array of rows").into());
        };
        let value = self
            .exec
            .convert(value, &from, &element.as_ref().clone().into())?;
        let item = match text_of(element, &value)? {
            Some(text) => ArrayValue::Element(text),
            None => ArrayValue::Null,
        };
        put(&mut whole, &places, item)?;
        Ok(Value::Text(array::to_storage(&whole)))
    }
}

/// Puts an element at a place. An array of one dimension grows, with nulls in a gap.
fn put(array: &mut ArrayValue, places: &[usize], item: ArrayValue) -> Result<(), SqlError> {
    let out_of_range = || SqlError::new("2202E", "array subscript out of range");
    let wrong_number = || SqlError::new("2202E", "wrong number of array subscripts");
    let (ArrayValue::Array(items), [at, deeper @ ..]) = (array, places) else {
        return Err(wrong_number());
    };
    let nested = items
        .iter()
        .any(|item| matches!(item, ArrayValue::Array(_)));
    if deeper.is_empty() {
        if nested {
            return Err(wrong_number());
        }
        if items.len() < *at {
            items.resize(*at, ArrayValue::Null);
        }
        items[at - 1] = item;
        return Ok(());
    }
    if items.is_empty() && places.iter().all(|at| *at == 1) {
        *items = vec![ArrayValue::Array(Vec::new())];
    } else if !nested {
        return Err(wrong_number());
    }
    let inner = items.get_mut(at - 1).ok_or_else(out_of_range)?;
    if let ArrayValue::Array(row) = &*inner
        && deeper.len() == 1
        && !row.is_empty()
        && row.len() < deeper[0]
    {
        return Err(out_of_range());
    }
    put(inner, deeper, item)
}

/// The text form of a row.
pub(super) fn row_text(shape: &Shape, values: &[Value]) -> Result<String> {
    let mut texts = Vec::with_capacity(values.len());
    for ((_, ty), value) in shape.iter().zip(values) {
        texts.push(text_of(&ty.ty, value)?);
    }
    let fields: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    Ok(crate::functions::row_text(&fields))
}
