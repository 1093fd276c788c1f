//! A query string as pairs of decoded text.

use percent_encoding::percent_decode;

use super::MAX_PARAMETERS;
use crate::error::Error;

/// The parameters in order; those without `=` have an empty value and none is left out.
pub(crate) fn decode(query: &str) -> Result<Vec<(String, Option<String>)>, Error> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        if pairs.len() == MAX_PARAMETERS {
            return Err(Error::TooMany {
                what: "query parameters",
                limit: MAX_PARAMETERS,
            });
        }
        pairs.push(match part.split_once('=') {
            Some((key, value)) => (text(key)?, Some(text(value)?)),
            None => (text(part)?, None),
        });
    }
    Ok(pairs)
}

/// One name or value as it was before it was encoded.
pub(crate) fn text(encoded: &str) -> Result<String, Error> {
    // Most are plain.
    if !encoded.bytes().any(|byte| matches!(byte, b'+' | b'%' | 0)) {
        return Ok(encoded.to_owned());
    }
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map_err(|_| Error::NotUtf8)?;
    if decoded.contains('\0') {
        return Err(Error::NulCharacter);
    }
    Ok(decoded.into_owned())
}
