//! Values of ours as S3 has them.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{ETag, EncodingType, Metadata, Timestamp};
use s3s::{S3Result, s3_error};
use serde_json::Value;

use super::super::error::not_implemented;
use crate::model::Object;

/// What stays as it is in names that are sent encoded.
const NAME_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b'/');

/// How the names of a list are written, and what they are cut at.
pub(in crate::s3) struct Naming {
    /// Slashes part folders.
    pub(in crate::s3) delimiter: Option<String>,
    /// As in URLs.
    pub(in crate::s3) encoding: Option<EncodingType>,
}

impl Naming {
    /// What a client asks for; an empty parameter is none.
    pub(in crate::s3) fn read(
        delimiter: Option<String>,
        encoding: Option<EncodingType>,
    ) -> S3Result<Naming> {
        let delimiter = delimiter.filter(|text| !text.is_empty());
        if delimiter.as_deref().is_some_and(|text| text != "/") {
            return Err(not_implemented("A delimiter other than /"));
        }
        let encoding = encoding.filter(|encoding| !encoding.as_str().is_empty());
        if encoding
            .as_ref()
            .is_some_and(|encoding| encoding.as_str() != EncodingType::URL)
        {
            return Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            ));
        }
        Ok(Naming {
            delimiter,
            encoding,
        })
    }

    /// A name as the client wants it.
    pub(in crate::s3) fn encoded(&self, text: &str) -> String {
        match self.encoding {
            Some(_) => utf8_percent_encode(text, NAME_CHARACTERS).to_string(),
            None => text.to_owned(),
        }
    }
}

/// A time.
pub(in crate::s3) fn time(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from(SystemTime::from(at))
}

/// A time without its fraction, as headers have it.
pub(in crate::s3) fn seconds(at: jiff::Timestamp) -> Timestamp {
    time(jiff::Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// A tag that may be in quotes.
pub(in crate::s3) fn etag(text: &str) -> ETag {
    ETag::Strong(text.trim_matches('"').to_owned())
}

/// A number of bytes.
pub(in crate::s3) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A count that S3 bounds by itself.
pub(in crate::s3) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many entries of a list are wanted: the number asked for, and never more than this.
pub(in crate::s3) fn limit(asked: Option<i32>, most: usize, name: &str) -> S3Result<usize> {
    match asked.map(usize::try_from) {
        None => Ok(most),
        Some(Ok(asked)) => Ok(asked.min(most)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "{name} must not be negative")),
    }
}

/// What an uploader said about an object, and how much of it no header can say.
pub(in crate::s3) fn metadata(object: &Object) -> (Option<Metadata>, Option<i32>) {
    let Some(Value::Object(map)) = &object.user_metadata else {
        return (None, None);
    };
    let mut said = Metadata::new();
    let mut missing = 0;
    for (name, value) in map {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if is_name && !text.chars().any(char::is_control) {
            said.insert(name.to_ascii_lowercase(), text);
        } else {
            missing += 1;
        }
    }
    let said = Some(said).filter(|said| !said.is_empty());
    (said, Some(missing).filter(|missing| *missing > 0))
}

/// The same as the row keeps it.
pub(in crate::s3) fn user_metadata(metadata: Option<Metadata>) -> Option<Value> {
    let metadata = metadata.filter(|metadata| !metadata.is_empty())?;
    let map = metadata
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    Some(Value::Object(map))
}
