//! Copies that the store makes by itself: no byte comes here.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer};
use reqwest::header::CONTENT_LENGTH;
use uuid::Uuid;

use super::{Claim, LARGE, S3, SMALL, answered, bounded};
use crate::error::StorageError;
use crate::store::Stored;

/// Up to this size an object is copied by one request, which takes as long as the store takes to copy its bytes.
const WHOLE: u64 = 256 * 1024 * 1024;
/// Parts an object may have.
const PARTS: u64 = 10_000;
/// How long the signature of a request of our own is good.
const SIGNED: Duration = Duration::from_mins(10);
/// The answer to a part's copy is some hundred bytes.
const ANSWER: usize = 64 * 1024;

static SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
static SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");

/// See [`Store::copy`](crate::store::Store::copy).
pub(in crate::store) async fn copy(
    s3: &Arc<S3>,
    version: Uuid,
    copy: Uuid,
    etag: &str,
) -> Result<Stored, StorageError> {
    let (from, to) = (s3.key(version), s3.key(copy));
    let size = bounded("looking", SMALL, s3.objects.head(&from))
        .await?
        .size;
    if size <= WHOLE || s3.signing.is_none() {
        bounded("copying", LARGE, s3.objects.copy(&from, &to)).await?;
    } else {
        let upload = s3.begin_multipart(&to).await?;
        let copied = s3.copy_parts(&from, size, &to, &upload).await;
        if let Err(error) = copied {
            if let Err(error) = s3.abort_multipart(&to, &upload).await {
                tracing::warn!(%error, "the parts of a broken copy could not be removed");
            }
            return Err(error);
        }
    }
    Ok(Stored {
        version: copy,
        size,
        etag: etag.to_owned(),
        claim: crate::store::Claim::S3(Claim::new(s3, copy, false)),
    })
}

impl S3 {
    /// Copies an object piece by piece: each request stays short.
    async fn copy_parts(
        &self,
        from: &Path,
        size: u64,
        to: &Path,
        upload: &str,
    ) -> Result<(), StorageError> {
        let piece = WHOLE.max(size.div_ceil(PARTS));
        let mut parts = Vec::new();
        let (mut at, mut number) = (0, 1);
        while at < size {
            let range = at..size.min(at + piece);
            at = range.end;
            parts.push(
                self.copy_part(from, Some(range), to, upload, number)
                    .await?,
            );
            number += 1;
        }
        self.complete(to, upload, &parts).await
    }

    /// Makes an object, or a range of it, a part of a multipart upload; gives what the store calls the part, unquoted.
    pub(super) async fn copy_part(
        &self,
        from: &Path,
        range: Option<Range<u64>>,
        to: &Path,
        upload: &str,
        number: u16,
    ) -> Result<String, StorageError> {
        let away = |cause: &dyn std::fmt::Display| {
            StorageError::StoreAway(format!("copying a part: {cause}"))
        };
        let signing = self
            .signing
            .as_ref()
            .ok_or_else(|| away(&"this store cannot do it"))?;
        // Keys and names of buckets have no signs that would need escaping.
        let mut headers = vec![(SOURCE.clone(), format!("{}/{from}", signing.bucket))];
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            headers.push((
                SOURCE_RANGE.clone(),
                format!("bytes={}-{last}", range.start),
            ));
        }
        let mut options = SignedUrlOptions::new().with_query([
            ("partNumber", number.to_string()),
            ("uploadId", upload.to_owned()),
        ]);
        for (name, value) in &headers {
            let value = HeaderValue::try_from(value).map_err(|error| away(&error))?;
            options = options.with_signed_header(name.clone(), value);
        }
        let signed = signing
            .store
            .signed_url_opts(Method::PUT, to, SIGNED, &options);
        let url = bounded("signing", SMALL, signed).await?;
        let mut request = signing.client.put(url.as_str()).header(CONTENT_LENGTH, 0);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (status, text) = answered(request, away).await?;
        let text = String::from_utf8_lossy(&text[..text.len().min(ANSWER)]);
        if !status.is_success() {
            return Err(away(&format!("{status}: {text}")));
        }
        // A copy that fails after it has begun says so in an answer of success.
        etag(&text).ok_or_else(|| away(&text))
    }
}

/// What is between `<ETag>` and `</ETag>`, without quotes.
fn etag(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("<ETag>")?;
    let (etag, _) = rest.split_once("</ETag>")?;
    let etag = etag.replace("&quot;", "\"").replace("&#34;", "\"");
    let etag = etag.trim().trim_matches('"').to_owned();
    (!etag.is_empty()).then_some(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_of_a_copied_part_is_read() {
        let answer = "<?xml version=\"1.0\"?><CopyPartResult><LastModified>2026-01-01T00:00:00Z</LastModified>\
            <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag></CopyPartResult>";
        assert_eq!(
            etag(answer).as_deref(),
            Some("9b2cf535f27731c974343645a3985328")
        );
        assert_eq!(etag("<ETag>&#34;a&#34;</ETag>").as_deref(), Some("a"));
        assert_eq!(etag("<Error><Code>InternalError</Code></Error>"), None);
        assert_eq!(etag("<ETag></ETag>"), None);
    }
}
