//! Digests, `encode` and `decode`.
//!
//! MD5 and SHA-1 are here because schemas use them for keys and checksums; nothing of ours relies on them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use plinth_sql::SqlError;
use plinth_sql::types::bytea;
use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use super::call::{Args, Function, Out, bounded, strict};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_md5", 1, |a| {
        Ok(hex::encode(Md5::digest(a.bytes(0)?)).into())
    }),
    strict("pg_digest", 2, |a| {
        Ok((algorithm(a.text(1)?)?.digest)(a.bytes(0)?).into())
    }),
    strict("pg_hmac", 3, |a| {
        Ok((algorithm(a.text(2)?)?.hmac)(a.bytes(1)?, a.bytes(0)?).into())
    }),
    strict("pg_encode", 2, encode),
    strict("pg_decode", 2, decode),
    strict("pg_convert_to", 2, |a| {
        utf8_only(a, "destination")?;
        Ok(a.bytes(0)?.to_vec().into())
    }),
    strict("pg_convert_from", 2, convert_from),
];

/// A hash function, and the code over a message and a key that is made of it.
struct Algorithm {
    digest: fn(&[u8]) -> Vec<u8>,
    hmac: fn(key: &[u8], message: &[u8]) -> Vec<u8>,
}

macro_rules! algorithm {
    ($hash:ty) => {
        Algorithm {
            digest: |bytes| <$hash>::digest(bytes).to_vec(),
            hmac: |key, message| {
                let mac = Hmac::<$hash>::new_from_slice(key);
                let mut mac = mac.expect("HMAC takes keys of any length");
                mac.update(message);
                mac.finalize().into_bytes().to_vec()
            },
        }
    };
}

fn algorithm(name: &str) -> Result<Algorithm, SqlError> {
    Ok(match name.to_ascii_lowercase().replace('-', "").as_str() {
        "md5" => algorithm!(Md5),
        "sha1" => algorithm!(Sha1),
        "sha224" => algorithm!(Sha224),
        "sha256" => algorithm!(Sha256),
        "sha384" => algorithm!(Sha384),
        "sha512" => algorithm!(Sha512),
        _ => {
            return Err(SqlError::new(
                "22023",
                format!("Cannot use \"{name}\": No such hash algorithm"),
            ));
        }
    })
}

fn unknown_encoding(name: &str) -> SqlError {
    SqlError::new("22023", format!("unrecognized encoding: \"{name}\""))
}

/// `encode(bytea, 'hex' | 'base64' | 'escape')`.
fn encode(args: &Args<'_>) -> Result<Out, SqlError> {
    let (bytes, encoding) = (args.bytes(0)?, args.text(1)?);
    bounded(bytes.len().saturating_mul(4))?;
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => Ok(hex::encode(bytes).into()),
        "base64" => Ok(base64(bytes).into()),
        "escape" => Ok(escaped(bytes).into()),
        _ => Err(unknown_encoding(encoding)),
    }
}

fn decode(args: &Args<'_>) -> Result<Out, SqlError> {
    let (text, encoding) = (args.text(0)?, args.text(1)?);
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => bytea::parse_hex(text).map(Out::Blob),
        "base64" => from_base64(text).map(Out::Blob),
        // A text that begins with `\x` is not hexadecimal here; a harmless detour keeps it from being read so.
        "escape" if text.starts_with("\\x") => Err(SqlError::new(
            "22P02",
            "invalid input syntax for type bytea",
        )),
        "escape" => bytea::parse(text).map(Out::Blob),
        _ => Err(unknown_encoding(encoding)),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters on a line.
const LINE: usize = 76;

/// Base64 in lines, as MIME has it.
fn base64(bytes: &[u8]) -> String {
    let whole = STANDARD.encode(bytes);
    let lines: Vec<&str> = whole
        .as_bytes()
        .chunks(LINE)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    lines.join("\n")
}

fn from_base64(text: &str) -> Result<Vec<u8>, SqlError> {
    let broken = || {
        SqlError::new("22023", "invalid base64 end sequence")
            .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
    };
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut held, mut padding) = (0u32, 0, 0);
    for c in text
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r'))
    {
        let digit = match c {
            '=' if padding > 0 || held >= 2 => {
                padding += 1;
                0
            }
            '=' => {
                return Err(SqlError::new(
                    "22023",
                    "unexpected \"=\" while decoding base64 sequence",
                ));
            }
            _ => ALPHABET
                .iter()
                .position(|known| char::from(*known) == c)
                .and_then(|at| u32::try_from(at).ok())
                .ok_or_else(|| {
                    SqlError::new(
                        "22023",
                        format!("invalid symbol \"{c}\" found while decoding base64 sequence"),
                    )
                })?,
        };
        group = group << 6 | digit;
        held += 1;
        if held == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..4 - padding.min(2)]);
            (group, held) = (0, 0);
        }
    }
    if held > 0 { Err(broken()) } else { Ok(out) }
}

/// Zero and bytes above 127 as octal numbers, backslashes doubled.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 | 0x80.. => {
                let _infallible = write!(out, "\\{byte:03o}");
            }
            b'\\' => out.push_str("\\\\"),
            plain => out.push(char::from(*plain)),
        }
    }
    out
}

/// Refuses any encoding but the one that texts have.
fn utf8_only(args: &Args<'_>, which: &str) -> Result<(), SqlError> {
    let name = args.text(1)?;
    let utf8 = matches!(
        name.to_ascii_lowercase().replace('-', "").as_str(),
        "utf8" | "unicode"
    );
    if utf8 {
        Ok(())
    } else {
        Err(SqlError::unsupported(format!(
            "the {which} encoding \"{name}\""
        )))
    }
}

fn convert_from(args: &Args<'_>) -> Result<Out, SqlError> {
    utf8_only(args, "source")?;
    let bytes = args.bytes(0)?;
    let invalid = |at: usize| {
        let shown = bytes.get(at).copied().unwrap_or(0);
        SqlError::new(
            "22021",
            format!("invalid byte sequence for encoding \"UTF8\": 0x{shown:02x}"),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|fault| invalid(fault.valid_up_to()))?;
    match text.find('\0') {
        Some(at) => Err(invalid(at)),
        None => Ok(text.into()),
    }
}
