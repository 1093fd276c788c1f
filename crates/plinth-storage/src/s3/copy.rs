//! Sources of copies: `x-amz-copy-source: /bucket/key`.

use axum::http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::auth::Principal;
use super::error::not_implemented;
use super::ops::conditions::{Conditions, Outcome};
use crate::Storage;
use crate::model::{Object, object};

const HEADER: &str = "x-amz-copy-source";
/// What the library reads in place of the header, whose value must be there for it to know a copy. It takes only the names of
/// buckets that Amazon would.
const STAND_IN: HeaderValue = HeaderValue::from_static("source/key");

/// What is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopySource {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// Under what conditions.
#[expect(clippy::struct_field_names, reason = "as the headers are called")]
pub(super) struct SourceConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl CopySource {
    /// Reads the header and puts a stand-in into its place.
    pub(super) fn take(headers: &mut HeaderMap) -> S3Result<Option<CopySource>> {
        let mut values = headers.get_all(HEADER).iter();
        let source = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => CopySource::parse(value)?,
            (Some(_), Some(_)) => return Err(invalid()),
        };
        headers.insert(HEADER, STAND_IN);
        Ok(Some(source))
    }

    fn parse(value: &HeaderValue) -> S3Result<CopySource> {
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid())?;
        let text = match text.split_once("?versionId=") {
            None | Some((_, "null")) => text.split('?').next().unwrap_or_default(),
            Some(_) => {
                return Err(not_implemented(
                    "Copying another version than the present one",
                ));
            }
        };
        let decoded = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| invalid())?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(CopySource {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }),
            _ => Err(invalid()),
        }
    }

    /// The source of a request, if its key may have it.
    pub(super) fn of<T>(request: &S3Request<T>) -> S3Result<CopySource> {
        let source = request.extensions.get::<CopySource>().cloned();
        let source = source.ok_or_else(invalid)?;
        Principal::of(request, &source.bucket)?;
        Ok(source)
    }

    /// The object, if the policies show it and the conditions hold.
    pub(super) async fn find(
        &self,
        storage: &Storage,
        principal: &Principal,
        conditions: SourceConditions,
    ) -> S3Result<Object> {
        let found = object::find(storage, &principal.who, &self.bucket, &self.key).await?;
        let conditions = Conditions {
            if_match: conditions.if_match,
            if_none_match: conditions.if_none_match,
            if_modified_since: conditions.if_modified_since,
            if_unmodified_since: conditions.if_unmodified_since,
        };
        match conditions.judge(&found) {
            Outcome::Holds => Ok(found),
            // A copy has no "not modified": what does not hold fails.
            Outcome::Failed | Outcome::NotModified => Err(s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            )),
        }
    }
}

fn invalid() -> S3Error {
    s3_error!(
        InvalidArgument,
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(value: &'static str) -> Result<Option<(String, String)>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static(value));
        let taken = CopySource::take(&mut headers);
        let taken = taken.map_err(|error| error.code().as_str().to_owned())?;
        assert_eq!(headers[HEADER], STAND_IN);
        Ok(taken.map(|source| (source.bucket, source.key)))
    }

    #[test]
    fn a_source_is_a_bucket_and_a_key() {
        let place = |bucket: &str, key: &str| Ok(Some((bucket.to_owned(), key.to_owned())));
        assert_eq!(take("/b/a/k.txt"), place("b", "a/k.txt"));
        assert_eq!(
            take("My_Bucket/a%20k+1?versionId=null"),
            place("My_Bucket", "a k+1")
        );
        for bad in ["", "/", "b", "b/", "/b/", "b/%ff"] {
            assert_eq!(take(bad), Err("InvalidArgument".to_owned()), "{bad}");
        }
        assert_eq!(take("b/k?versionId=7"), Err("NotImplemented".to_owned()));
        assert_eq!(CopySource::take(&mut HeaderMap::new()).unwrap(), None);
    }
}
