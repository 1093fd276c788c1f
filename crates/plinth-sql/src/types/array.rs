//! Arrays: Postgres's literal `{a,"b c",NULL}` and the stored form, JSON text whose elements are strings with each
//! element's text form (`["a","b c",null]`), nested for more dimensions.

use super::fault::too_deep;
use super::json::{scan_string, write_json_string};
use crate::SqlError;

/// Postgres's bound on dimensions.
const MAX_DIMENSIONS: usize = 6;

/// An array, or one place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayValue {
    /// `NULL`.
    Null,
    /// The text form of an element.
    Element(String),
    /// A dimension.
    Array(Vec<ArrayValue>),
}

/// Parses a literal: `22P02 malformed array literal: "x"` when it is none.
pub fn parse(text: &str) -> Result<ArrayValue, SqlError> {
    let mut parser = Parser {
        text,
        rest: text.trim_matches(is_space),
    };
    let dimensions = parser.bounds()?;
    if !parser.rest.starts_with('{') {
        return Err(parser.malformed("Array value must start with \"{\" or dimension information."));
    }
    let value = parser.array(1)?;
    if !parser.rest.trim_start_matches(is_space).is_empty() {
        return Err(parser.malformed("Junk after closing right brace."));
    }
    if !is_rectangular(&value) {
        return Err(parser
            .malformed("Multidimensional arrays must have sub-arrays with matching dimensions."));
    }
    if dimensions.is_some_and(|dimensions| dimensions != shape(&value)) {
        return Err(parser.malformed("Specified array dimensions do not match array contents."));
    }
    Ok(value)
}

/// The literal of an array, with quotes only where Postgres puts them.
pub fn format(value: &ArrayValue) -> String {
    let mut out = String::new();
    write_literal(value, &mut out);
    out
}

/// The literal in stored form. `canonical` checks one element's text and returns it as the type prints it.
pub fn literal_to_storage(
    text: &str,
    canonical: &dyn Fn(&str) -> Result<String, SqlError>,
) -> Result<String, SqlError> {
    let value = map_elements(parse(text)?, canonical)?;
    Ok(to_storage(&value))
}

/// The stored form as a literal.
pub fn storage_to_literal(stored: &str) -> Result<String, SqlError> {
    Ok(format(&from_storage(stored)?))
}

/// The stored form of an array.
pub fn to_storage(value: &ArrayValue) -> String {
    let mut out = Vec::new();
    write_storage(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads the stored form.
pub fn from_storage(stored: &str) -> Result<ArrayValue, SqlError> {
    let mut rest = stored.trim_matches(is_space);
    let value = read_storage(&mut rest, 0)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(corrupt())
    }
}

/// Appends one element, given its text or `None` for NULL.
pub type ElementWriter<'a> = &'a mut dyn FnMut(Option<&str>, &mut Vec<u8>) -> Result<(), SqlError>;

/// Visits a stored array in order without building it: opening and closing of dimensions, commas, elements.
/// `out` gets the brackets and commas; `element` appends one element, given its text or `None` for NULL.
pub fn write_storage_as_json(
    stored: &str,
    out: &mut Vec<u8>,
    element: ElementWriter<'_>,
) -> Result<(), SqlError> {
    let mut rest = stored;
    let mut depth = 0usize;
    let (mut after_opening, mut wants_value) = (false, true);
    while let Some(first) = rest.as_bytes().first() {
        let valid = match first {
            b'[' => wants_value,
            b']' => depth > 0 && (after_opening || !wants_value),
            b',' => depth > 0 && !wants_value,
            _ => wants_value && depth > 0,
        };
        if !valid {
            return Err(corrupt());
        }
        match first {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b',' => {}
            b'"' => {
                let (text, tail) = scan_string(rest)?;
                element(Some(&text), out)?;
                rest = tail;
            }
            _ => {
                rest = rest.strip_prefix("null").ok_or_else(corrupt)?;
                element(None, out)?;
            }
        }
        if matches!(first, b'[' | b']' | b',') {
            out.push(*first);
            rest = &rest[1..];
        }
        after_opening = *first == b'[';
        wants_value = matches!(first, b'[' | b',');
    }
    if depth == 0 && !wants_value {
        Ok(())
    } else {
        Err(corrupt())
    }
}

/// How many elements the first dimension has; `None` for an empty array, as `array_length` answers.
pub fn length(value: &ArrayValue, dimension: usize) -> Option<usize> {
    match value {
        ArrayValue::Array(items) if dimension == 1 => (!items.is_empty()).then_some(items.len()),
        ArrayValue::Array(items) if dimension > 1 => length(items.first()?, dimension - 1),
        _ => None,
    }
}

/// The elements of all dimensions in order.
pub fn flatten(value: &ArrayValue) -> Vec<Option<&str>> {
    match value {
        ArrayValue::Null => vec![None],
        ArrayValue::Element(text) => vec![Some(text)],
        ArrayValue::Array(items) => items.iter().flat_map(flatten).collect(),
    }
}

/// Replaces each element's text.
pub fn map_elements(
    value: ArrayValue,
    change: &dyn Fn(&str) -> Result<String, SqlError>,
) -> Result<ArrayValue, SqlError> {
    Ok(match value {
        ArrayValue::Null => ArrayValue::Null,
        ArrayValue::Element(text) => ArrayValue::Element(change(&text)?),
        ArrayValue::Array(items) => ArrayValue::Array(
            items
                .into_iter()
                .map(|item| map_elements(item, change))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn is_space(c: char) -> bool {
    super::fault::is_space(c)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    fn malformed(&self, detail: &str) -> SqlError {
        SqlError::new(
            "22P02",
            format!("malformed array literal: \"{}\"", self.text),
        )
        .detail(detail)
    }

    fn unexpected(&self, c: char) -> SqlError {
        self.malformed(&format!("Unexpected \"{c}\" character."))
    }

    /// `[1:3]=`: the lengths that were announced. Only bounds from 1 are kept, because the stored form has no others.
    fn bounds(&mut self) -> Result<Option<Vec<usize>>, SqlError> {
        if !self.rest.starts_with('[') {
            return Ok(None);
        }
        let Some((bounds, rest)) = self.rest.split_once('=') else {
            return Err(self.malformed("Missing \"=\" after array dimensions."));
        };
        self.rest = rest.trim_start_matches(is_space);
        let mut lengths = Vec::new();
        for bound in bounds.trim_end_matches(is_space).split_terminator(']') {
            let bound = bound.trim_start_matches(is_space).strip_prefix('[');
            let (lower, upper) = bound.map_or(("", ""), |bound| {
                bound.split_once(':').unwrap_or(("1", bound))
            });
            let (Ok(lower), Ok(upper)) = (lower.trim().parse::<i32>(), upper.trim().parse::<i32>())
            else {
                return Err(
                    self.malformed("\"[\" must introduce explicitly-specified array dimensions.")
                );
            };
            if lower != 1 {
                return Err(SqlError::unsupported(
                    "an array with a lower bound other than 1",
                ));
            }
            lengths.push(usize::try_from(upper).unwrap_or(0));
        }
        Ok(Some(lengths))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    /// From the opening brace to behind the closing one.
    fn array(&mut self, depth: usize) -> Result<ArrayValue, SqlError> {
        if depth > MAX_DIMENSIONS {
            return Err(SqlError::new(
                "54000",
                format!(
                    "number of array dimensions ({depth}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
                ),
            ));
        }
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        self.skip_space();
        // Only the outermost braces may be empty.
        if depth == 1 && self.rest.starts_with('}') {
            self.rest = &self.rest[1..];
            return Ok(ArrayValue::Array(items));
        }
        loop {
            self.skip_space();
            self.same_kind(items.first())?;
            items.push(self.item(depth)?);
            self.skip_space();
            match self.rest.chars().next() {
                Some(',') => self.rest = &self.rest[1..],
                Some('}') => {
                    self.rest = &self.rest[1..];
                    return Ok(ArrayValue::Array(items));
                }
                Some('{') => return Err(self.unexpected('{')),
                Some(_) => return Err(self.malformed("Unexpected array element.")),
                None => return Err(self.malformed("Unexpected end of input.")),
            }
        }
    }

    /// Elements and sub-arrays do not mix in one dimension.
    fn same_kind(&self, first: Option<&ArrayValue>) -> Result<(), SqlError> {
        let opens = self.rest.starts_with('{');
        match first {
            Some(ArrayValue::Array(_))
                if !opens && !self.rest.starts_with(['}', ',']) && !self.rest.is_empty() =>
            {
                Err(self.malformed("Unexpected array element."))
            }
            Some(ArrayValue::Element(_) | ArrayValue::Null) if opens => Err(self.unexpected('{')),
            _ => Ok(()),
        }
    }

    fn item(&mut self, depth: usize) -> Result<ArrayValue, SqlError> {
        match self.rest.chars().next() {
            None => Err(self.malformed("Unexpected end of input.")),
            Some('{') => self.array(depth + 1),
            Some(c @ ('}' | ',')) => Err(self.unexpected(c)),
            Some('"') => self.quoted(),
            Some(_) => self.bare(),
        }
    }

    fn quoted(&mut self) -> Result<ArrayValue, SqlError> {
        let mut out = String::new();
        let mut chars = self.rest[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 2..];
                    return Ok(ArrayValue::Element(out));
                }
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                other => out.push(other),
            }
        }
        Err(self.malformed("Unexpected end of input."))
    }

    fn bare(&mut self) -> Result<ArrayValue, SqlError> {
        let mut out = String::new();
        // Blanks at the end do not count, unless they are escaped.
        let mut kept = 0;
        let mut escaped = false;
        let mut end = self.rest.len();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                ',' | '}' => {
                    end = at;
                    break;
                }
                '{' => return Err(self.unexpected('{')),
                '"' => return Err(self.malformed("Unexpected array element.")),
                '\\' => {
                    out.extend(chars.next().map(|(_, c)| c));
                    escaped = true;
                    kept = out.len();
                }
                other => {
                    out.push(other);
                    if !is_space(other) {
                        kept = out.len();
                    }
                }
            }
        }
        self.rest = &self.rest[end..];
        out.truncate(kept);
        if !escaped && out.eq_ignore_ascii_case("null") {
            return Ok(ArrayValue::Null);
        }
        Ok(ArrayValue::Element(out))
    }
}

/// The lengths of all dimensions along the first elements.
fn shape(value: &ArrayValue) -> Vec<usize> {
    let mut shape = Vec::new();
    let mut value = value;
    while let ArrayValue::Array(items) = value {
        shape.push(items.len());
        let Some(first) = items.first() else { break };
        value = first;
    }
    shape
}

/// Whether all sub-arrays have the same dimensions.
pub fn is_rectangular(value: &ArrayValue) -> bool {
    let ArrayValue::Array(items) = value else {
        return true;
    };
    let Some(first) = items.first() else {
        return true;
    };
    let (expected, nested) = (shape(first), matches!(first, ArrayValue::Array(_)));
    items.iter().all(|item| {
        matches!(item, ArrayValue::Array(_)) == nested
            && shape(item) == expected
            && is_rectangular(item)
    })
}

fn write_literal(value: &ArrayValue, out: &mut String) {
    match value {
        ArrayValue::Null => out.push_str("NULL"),
        ArrayValue::Element(text) => {
            let quoted = text.is_empty()
                || text.eq_ignore_ascii_case("null")
                || text
                    .chars()
                    .any(|c| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c));
            if !quoted {
                return out.push_str(text);
            }
            out.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
            out.push('"');
        }
        ArrayValue::Array(items) => {
            out.push('{');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_literal(item, out);
            }
            out.push('}');
        }
    }
}

fn write_storage(value: &ArrayValue, out: &mut Vec<u8>) {
    match value {
        ArrayValue::Null => out.extend_from_slice(b"null"),
        ArrayValue::Element(text) => write_json_string(out, text),
        ArrayValue::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_storage(item, out);
            }
            out.push(b']');
        }
    }
}

fn read_storage(rest: &mut &str, depth: usize) -> Result<ArrayValue, SqlError> {
    if depth > MAX_DIMENSIONS {
        return Err(too_deep());
    }
    *rest = rest.trim_start_matches(is_space);
    match rest.as_bytes().first() {
        Some(b'"') => {
            let (text, tail) = scan_string(rest)?;
            *rest = tail;
            Ok(ArrayValue::Element(text.into_owned()))
        }
        Some(b'[') => {
            *rest = rest[1..].trim_start_matches(is_space);
            let mut items = Vec::new();
            if let Some(tail) = rest.strip_prefix(']') {
                *rest = tail;
                return Ok(ArrayValue::Array(items));
            }
            loop {
                items.push(read_storage(rest, depth + 1)?);
                *rest = rest.trim_start_matches(is_space);
                if let Some(tail) = rest.strip_prefix(']') {
                    *rest = tail;
                    return Ok(ArrayValue::Array(items));
                }
                *rest = rest.strip_prefix(',').ok_or_else(corrupt)?;
            }
        }
        _ => {
            *rest = rest.strip_prefix("null").ok_or_else(corrupt)?;
            Ok(ArrayValue::Null)
        }
    }
}

fn corrupt() -> SqlError {
    SqlError::new("XX001", "a stored array is not in its stored form")
}
