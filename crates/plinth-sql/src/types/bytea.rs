//! `bytea`: hex and escape input, hex output.

use super::Type;
use super::fault::invalid_input;
use super::uuid::hex_digit;
use crate::SqlError;

/// Parses `\x0aff` (blanks between bytes are fine) or the older escape form `a\\b\000`.
pub fn parse(text: &str) -> Result<Vec<u8>, SqlError> {
    match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex),
        None => parse_escapes(text),
    }
}

/// `\x` and two digits a byte.
pub fn format(bytes: &[u8]) -> String {
    format!("\\x{}", hex::encode(bytes))
}

/// Parses digits of `decode(t, 'hex')`, which share their messages with the hex input form.
pub fn parse_hex(hex: &str) -> Result<Vec<u8>, SqlError> {
    let mut out = Vec::with_capacity(hex.len() / 2);
    let mut chars = hex.chars();
    while let Some(first) = chars.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(first)?;
        let Some(second) = chars.next() else {
            return Err(SqlError::new(
                "22023",
                "invalid hexadecimal data: odd number of digits",
            ));
        };
        out.push((high << 4) | digit(second)?);
    }
    Ok(out)
}

fn digit(c: char) -> Result<u8, SqlError> {
    u8::try_from(c)
        .ok()
        .and_then(hex_digit)
        .ok_or_else(|| SqlError::new("22023", format!("invalid hexadecimal digit: \"{c}\"")))
}

/// `\\` is a backslash, `\nnn` an octal byte, everything else itself.
fn parse_escapes(text: &str) -> Result<Vec<u8>, SqlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                out.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                tail
            }
            (b'\\', _) => {
                let mut fault = invalid_input(Type::Bytea, "");
                "invalid input syntax for type bytea".clone_into(&mut fault.message);
                return Err(fault);
            }
            (byte, tail) => {
                out.push(*byte);
                tail
            }
        };
    }
    Ok(out)
}
