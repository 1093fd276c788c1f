//! `uuid`: sixteen bytes, written with hyphens in lower case.

use super::Type;
use super::fault::invalid_input;
use crate::SqlError;

/// Parses a UUID. As Postgres: braces around it and a hyphen after any group of four digits are fine.
pub fn parse(text: &str) -> Result<[u8; 16], SqlError> {
    read(text.as_bytes()).ok_or_else(|| invalid_input(Type::Uuid, text))
}

/// The usual form, `8-4-4-4-12`.
pub fn format(bytes: &[u8; 16]) -> String {
    let mut out = Vec::with_capacity(36);
    write(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the usual form.
pub fn write(bytes: &[u8; 16], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

fn read(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        plain => plain,
    };
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else {
            return None;
        };
        *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
        rest = tail;
        if i % 2 == 1 && i < 15 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
    }
    rest.is_empty().then_some(out)
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
