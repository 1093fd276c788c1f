//! Ending a multipart upload whose part numbers have gaps. S3 takes numbers as they are, and so do other stores;
//! `object_store` gives them itself, from 1 on, so this request is our own.

use std::fmt::Write as _;
use std::time::Duration;

use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};

use super::{S3, SMALL, answered, bounded};
use crate::error::StorageError;
use crate::store::Part;

/// How long the signature of the request is good.
const SIGNED: Duration = Duration::from_mins(10);
/// What of an answer is repeated in a message.
const SHOWN_CHARACTERS: usize = 1000;

impl S3 {
    /// Makes parts an object by the numbers under which they were put, which ascend.
    pub(super) async fn complete_with_gaps(
        &self,
        key: &Path,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), StorageError> {
        let away = |cause: &dyn std::fmt::Display| {
            StorageError::StoreAway(format!("joining parts: {cause}"))
        };
        let Some(signing) = &self.signing else {
            return Err(StorageError::InvalidRequest(
                "this server's store of files wants the parts to be numbered 1, 2, 3 and so on without a gap"
                    .to_owned(),
            ));
        };
        let options = SignedUrlOptions::new().with_query([("uploadId", upload)]);
        let signed = signing
            .store
            .signed_url_opts(Method::POST, key, SIGNED, &options);
        let url = bounded("signing", SMALL, signed).await?;
        let request = signing.client.post(url.as_str()).body(naming(parts));
        let (status, text) = answered(request, away).await?;
        let text = String::from_utf8_lossy(&text);
        // A store that joins for a while says that all is well before it is, and in the body how it ended.
        if status.is_success() && text.contains("<CompleteMultipartUploadResult") {
            return Ok(());
        }
        let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
        Err(away(&format!("{status}: {shown}")))
    }
}

/// The body of the request.
fn naming(parts: &[Part]) -> String {
    let mut xml =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for Part { number, etag, .. } in parts {
        let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
        let _infallible = write!(
            xml,
            "<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>"
        );
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_numbers() {
        let part = |number, etag: &str| Part {
            number,
            size: 1,
            etag: etag.to_owned(),
        };
        let xml = naming(&[part(1, "ab"), part(7, "c<&")]);
        let second = "<Part><PartNumber>7</PartNumber><ETag>\"c&lt;&amp;\"</ETag></Part>";
        assert!(
            xml.contains("<PartNumber>1</PartNumber><ETag>\"ab\"</ETag>"),
            "{xml}"
        );
        assert!(
            xml.ends_with(&format!("{second}</CompleteMultipartUpload>")),
            "{xml}"
        );
    }
}
