//! `Upload-Metadata`: what a client says of the file, as `key base64,key base64`.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use serde_json::Value;

use super::error::TusError;
use super::headers::{self, UPLOAD_METADATA};
use crate::error::StorageError;
use crate::http::upload::holds_nul;
use crate::model::NewObject;
use crate::model::object::OCTETS;
use crate::names::{BucketName, ObjectName};

/// Longest header. It is kept with the upload and sent back; object metadata that is larger than all headers of a request
/// may be has to come with an upload of another kind.
const MAX_BYTES: usize = 32 << 10;
/// Longest media type, as in RFC 6838 with room for parameters.
const MAX_TYPE_BYTES: usize = 255;
/// Where a client says nothing, or nothing that is a number of seconds.
const NO_CACHE: &str = "no-cache";

/// The header of a request. Without one nothing is said.
pub(crate) fn text(headers: &HeaderMap) -> Result<&str, TusError> {
    let text = headers::text(headers, UPLOAD_METADATA)?.unwrap_or_default();
    if text.len() > MAX_BYTES {
        return Err(TusError::header(UPLOAD_METADATA, "it is too long"));
    }
    Ok(text)
}

/// The object that the header describes. `upsert` and the length are said elsewhere.
pub(crate) fn object(text: &str, upsert: bool, length: Option<u64>) -> Result<NewObject, TusError> {
    let pairs = Pairs::parse(text)?;
    let bucket = pairs
        .get("bucketName")?
        .ok_or(StorageError::MissingParameter("bucketName"))?;
    let name = pairs
        .get("objectName")?
        .ok_or(StorageError::MissingParameter("objectName"))?;
    Ok(NewObject {
        bucket: BucketName::parse(&bucket)?.as_str().to_owned(),
        name: ObjectName::parse(&name)?,
        upsert: upsert.into(),
        content_type: content_type(pairs.get("contentType")?)?,
        cache_control: cache_control(pairs.get("cacheControl")?.as_deref()),
        user_metadata: user_metadata(pairs.get("metadata")?.as_deref())?,
        declared_length: length,
    })
}

/// Keys and what was encoded. Clients add keys of their own; those may hold any bytes.
struct Pairs(Vec<(String, Vec<u8>)>);

impl Pairs {
    fn parse(text: &str) -> Result<Pairs, TusError> {
        let bad = |problem| TusError::header(UPLOAD_METADATA, problem);
        let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Pairs(pairs));
        }
        for pair in text.split(',') {
            let pair = pair.trim();
            // A key may stand alone.
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() {
                return Err(bad("a key is missing"));
            }
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(bad("a key is repeated"));
            }
            let value = STANDARD_PAD_INDIFFERENT
                .decode(value.trim())
                .map_err(|_| bad("a value is not base64"))?;
            pairs.push((key.to_owned(), value));
        }
        Ok(Pairs(pairs))
    }

    /// A value as text; an empty one says nothing.
    fn get(&self, key: &str) -> Result<Option<String>, TusError> {
        let found = self.0.iter().find(|(known, _)| known == key);
        let Some((_, bytes)) = found.filter(|(_, bytes)| !bytes.is_empty()) else {
            return Ok(None);
        };
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(TusError::header(UPLOAD_METADATA, "a value is not UTF-8")),
        }
    }
}

/// It is sent to whoever reads the object, so it must be what a header can hold.
fn content_type(said: Option<String>) -> Result<String, TusError> {
    let Some(text) = said else {
        return Ok(OCTETS.to_owned());
    };
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let slashed = text
        .split_once('/')
        .is_some_and(|(family, kind)| !family.is_empty() && !kind.is_empty());
    if printable && slashed && text.len() <= MAX_TYPE_BYTES {
        Ok(text)
    } else {
        Err(TusError::header(
            UPLOAD_METADATA,
            "contentType is not a media type",
        ))
    }
}

fn cache_control(said: Option<&str>) -> String {
    let seconds = said.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match seconds.and_then(|text| text.parse::<u32>().ok()) {
        Some(seconds) => format!("max-age={seconds}"),
        None => NO_CACHE.to_owned(),
    }
}

fn user_metadata(said: Option<&str>) -> Result<Option<Value>, TusError> {
    let Some(text) = said else { return Ok(None) };
    let value = serde_json::from_str::<Value>(text).ok();
    match value.filter(|value| value.is_object() && !holds_nul(value)) {
        Some(value) => Ok(Some(value)),
        None => Err(TusError::header(
            UPLOAD_METADATA,
            "metadata is not a JSON object that can be stored",
        )),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::model::object::Upsert;

    fn header(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
        pairs.collect::<Vec<_>>().join(",")
    }

    fn read(pairs: &[(&str, &str)]) -> Result<NewObject, TusError> {
        let named = [("bucketName", "b"), ("objectName", "a/b.txt")];
        object(&header(&[&named[..], pairs].concat()), false, Some(3))
    }

    #[test]
    fn an_object_is_described() {
        let full = read(&[
            ("contentType", "text/plain; charset=utf-8"),
            ("cacheControl", "3600"),
            ("metadata", r#"{"by":"me"}"#),
            ("filename", "x"),
        ])
        .unwrap();
        assert_eq!(full.bucket, "b");
        assert_eq!(full.name.as_str(), "a/b.txt");
        assert_eq!(full.content_type, "text/plain; charset=utf-8");
        assert_eq!(full.cache_control, "max-age=3600");
        assert_eq!(full.user_metadata, Some(json!({"by": "me"})));
        assert_eq!(full.declared_length, Some(3));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let plain = read(&[("contentType", ""), ("cacheControl", "public")]).unwrap();
        assert_eq!(plain.content_type, "application/octet-stream");
        assert_eq!(plain.cache_control, "no-cache");
        assert_eq!(plain.user_metadata, None);
        assert_eq!(
            read(&[("cacheControl", "99999999999999999999")])
                .unwrap()
                .cache_control,
            "no-cache"
        );
    }

    #[test]
    fn keys_may_stand_alone_and_padding_may_be_missing() {
        let text = "bucketName Yg, objectName YQ==,is_confidential";
        let described = object(text, true, None).unwrap();
        assert_eq!(described.bucket, "b");
        assert_eq!(described.name.as_str(), "a");
        assert_eq!(described.upsert, Upsert::Anything);
    }

    #[test]
    fn names_are_required_and_checked() {
        for missing in [
            "",
            " ",
            "filename YQ==",
            "bucketName YQ==",
            "objectName YQ==",
            "bucketName ,objectName YQ==",
        ] {
            assert!(
                matches!(
                    object(missing, false, None),
                    Err(TusError::Storage(StorageError::MissingParameter(_)))
                ),
                "{missing:?}"
            );
        }
        let named = |name: &str| {
            let pairs = header(&[("bucketName", "b"), ("objectName", name)]);
            object(&pairs, false, None)
        };
        for bad in ["../a", "a/../b", "/a", "a//b", "a\0b", "a\n", "caf\u{e9}"] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in [
            "bucketName !!!",
            ",",
            "bucketName Yg==,,objectName YQ==",
            "bucketName Yg==,bucketName Yw==,objectName YQ==",
            "bucketName Yg== Yg==",
            "bucketName /w==,objectName YQ==",
        ] {
            assert!(
                matches!(object(bad, false, None), Err(TusError::Header { .. })),
                "{bad:?}"
            );
        }
        for bad in [
            ("contentType", "text"),
            ("contentType", "text/"),
            ("contentType", "text/plain\r\nx: y"),
            ("contentType", "text/pl\u{e9}n"),
            ("metadata", "{"),
            ("metadata", "[]"),
            ("metadata", "1"),
            ("metadata", r#"{"a":["\u0000"]}"#),
            ("metadata", r#"{"\u0000":1}"#),
        ] {
            assert!(
                matches!(read(&[bad]), Err(TusError::Header { .. })),
                "{bad:?}"
            );
        }
    }
}
