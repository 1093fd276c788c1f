//! Digests, `encode` and `decode`.
//!
//! MD5 and SHA-1 are here because schemas use them for keys and checksums; nothing of ours relies on them.

use std::fmt::Write as _;

use plinth_sql::SqlError;
use plinth_sql::types::bytea;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::call::{Args, Function, Out, bounded, strict};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_md5", 1, |a| Ok(bytea::hex(&md5(a.bytes(0)?)).into())),
    strict("pg_digest", 2, |a| {
        Ok((algorithm(a.text(1)?)?.digest)(a.bytes(0)?).into())
    }),
    strict("pg_hmac", 3, |a| {
        Ok(hmac(&algorithm(a.text(2)?)?, a.bytes(1)?, a.bytes(0)?).into())
    }),
    strict("pg_encode", 2, encode),
    strict("pg_decode", 2, decode),
    strict("pg_convert_to", 2, |a| {
        utf8_only(a, "destination")?;
        Ok(a.bytes(0)?.to_vec().into())
    }),
    strict("pg_convert_from", 2, convert_from),
];

/// A hash function, and the size of the blocks it works on.
struct Algorithm {
    digest: fn(&[u8]) -> Vec<u8>,
    block_bytes: usize,
}

fn algorithm(name: &str) -> Result<Algorithm, SqlError> {
    let algorithm = |digest: fn(&[u8]) -> Vec<u8>, block_bytes| {
        Ok(Algorithm {
            digest,
            block_bytes,
        })
    };
    match name.to_ascii_lowercase().replace('-', "").as_str() {
        "md5" => algorithm(md5, 64),
        "sha1" => algorithm(sha1, 64),
        "sha224" => algorithm(|bytes| Sha224::digest(bytes).to_vec(), 64),
        "sha256" => algorithm(|bytes| Sha256::digest(bytes).to_vec(), 64),
        "sha384" => algorithm(|bytes| Sha384::digest(bytes).to_vec(), 128),
        "sha512" => algorithm(|bytes| Sha512::digest(bytes).to_vec(), 128),
        _ => Err(SqlError::new(
            "22023",
            format!("Cannot use \"{name}\": No such hash algorithm"),
        )),
    }
}

fn hmac(algorithm: &Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > algorithm.block_bytes {
        (algorithm.digest)(key)
    } else {
        key.to_vec()
    };
    block.resize(algorithm.block_bytes, 0);
    let padded = |pad: u8| block.iter().map(move |byte| byte ^ pad);
    let inner: Vec<u8> = padded(0x36).chain(message.iter().copied()).collect();
    let outer: Vec<u8> = padded(0x5c).chain((algorithm.digest)(&inner)).collect();
    (algorithm.digest)(&outer)
}

/// A message with a one bit, zeros and its length behind it, in blocks of 64 bytes.
fn padded_blocks(message: &[u8], length: [u8; 8]) -> Vec<u8> {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&length);
    padded
}

fn bits(message: &[u8]) -> u64 {
    (message.len() as u64).wrapping_mul(8)
}

/// RFC 1321.
fn md5(message: &[u8]) -> Vec<u8> {
    const SHIFTS: [[u32; 4]; 4] = [
        [7, 12, 17, 22],
        [5, 9, 14, 20],
        [4, 11, 16, 23],
        [6, 10, 15, 21],
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the table is defined like this"
    )]
    let constants: Vec<u32> = (1..=64u32)
        .map(|i| (f64::from(i).sin().abs() * 4_294_967_296.0) as u32)
        .collect();
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded_blocks(message, bits(message).to_le_bytes()).chunks_exact(64) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mixed, word) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), 7 * i % 16),
            };
            let sum = a
                .wrapping_add(mixed)
                .wrapping_add(constants[i])
                .wrapping_add(words[word]);
            (a, d, c, b) = (
                d,
                c,
                b,
                b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4])),
            );
        }
        for (kept, new) in state.iter_mut().zip([a, b, c, d]) {
            *kept = kept.wrapping_add(new);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// RFC 3174.
fn sha1(message: &[u8]) -> Vec<u8> {
    let mut state = [
        0x6745_2301_u32,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded_blocks(message, bits(message).to_be_bytes()).chunks_exact(64) {
        let mut words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        for i in 16..80 {
            words
                .push((words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut last] = state;
        for (i, word) in words.iter().enumerate() {
            let (mixed, constant) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999_u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(last)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (a, b, c, d, last) = (sum, a, b.rotate_left(30), c, d);
        }
        for (kept, new) in state.iter_mut().zip([a, b, c, d, last]) {
            *kept = kept.wrapping_add(new);
        }
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn unknown_encoding(name: &str) -> SqlError {
    SqlError::new("22023", format!("unrecognized encoding: \"{name}\""))
}

/// `encode(bytea, 'hex' | 'base64' | 'escape')`.
fn encode(args: &Args<'_>) -> Result<Out, SqlError> {
    let (bytes, encoding) = (args.bytes(0)?, args.text(1)?);
    bounded(bytes.len().saturating_mul(4))?;
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => Ok(bytea::hex(bytes).into()),
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
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 8);
    for (place, chunk) in bytes.chunks(3).enumerate() {
        if place > 0 && place * 4 % LINE == 0 {
            out.push('\n');
        }
        let group = (0..3).fold(0usize, |group, i| {
            group << 8 | usize::from(chunk.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            out.push(if i > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[group >> (18 - 6 * i) & 63])
            });
        }
    }
    out
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
