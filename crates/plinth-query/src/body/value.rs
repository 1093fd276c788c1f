//! One value of a body as Postgres text, by the type it is for.

use plinth_sql::types::Type;
use serde_json::value::RawValue;

use super::Cell;
use crate::array;
use crate::error::Error;

/// The text form for this type; none for null. What cannot be right for the type is passed on as written: the engine
/// refuses it in Postgres's words.
pub(crate) fn text_of(cell: &Cell, ty: &Type) -> Result<Option<String>, Error> {
    match cell {
        Cell::Json(json) => of_json(json, ty).map(Some),
        Cell::Text(text) => Ok(Some(text.clone().into_owned())),
        Cell::Null | Cell::Missing => Ok(None),
    }
}

fn of_json(json: &str, ty: &Type) -> Result<String, Error> {
    let starts = json.as_bytes().first();
    match (ty, starts) {
        (Type::Json | Type::Jsonb, _) => Ok(json.to_owned()),
        (Type::Array(element), Some(b'[')) => array_of_json(json, element),
        (_, Some(b'"')) => string(json),
        // Numbers keep all their digits, booleans are spelt alike, objects become their JSON.
        _ => Ok(json.to_owned()),
    }
}

/// A JSON array as an array literal.
pub(crate) fn array_of_json(json: &str, element: &Type) -> Result<String, Error> {
    let values: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| Error::InvalidJson)?;
    let mut out = String::from("{");
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let value = value.get();
        match value.as_bytes().first() {
            Some(b'n') => out.push_str("NULL"),
            // The depth was bounded when the body was read, and is again here for filters.
            Some(b'[') if !matches!(element, Type::Json | Type::Jsonb) => {
                out.push_str(&array_of_json(value, element)?);
            }
            _ => array::push_element(&mut out, &of_json(value, element)?),
        }
    }
    out.push('}');
    Ok(out)
}

fn string(json: &str) -> Result<String, Error> {
    let text: String = serde_json::from_str(json).map_err(|_| Error::InvalidJson)?;
    if text.contains('\0') {
        return Err(Error::NulEscape);
    }
    Ok(text)
}
