//! What requests ask for by header and what is not kept here. It is refused by its name rather than ignored: whoever encrypts,
//! tags or compresses an object counts on it.

use axum::http::{HeaderMap, Method};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::error::not_implemented;

/// Headers that say something only if they say other than this.
const HARMLESS: [(&str, &[&str]); 6] = [
    // There is one owner, and only policies open anything to others.
    (
        "x-amz-acl",
        &["private", "bucket-owner-full-control", "bucket-owner-read"],
    ),
    ("x-amz-storage-class", &["STANDARD"]),
    ("x-amz-tagging-directive", &["COPY"]),
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-object-ownership", &["BucketOwnerEnforced"]),
    ("x-amz-tagging", &[""]),
];

/// Beginnings of headers that ask for what there is not.
const UNKNOWN: [&str; 10] = [
    "x-amz-grant-",
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-mfa",
    "x-amz-if-match-",
];

/// Headers of an upload that clients expect to get back with the object, and that would not come back.
const LOST: [&str; 3] = ["content-disposition", "content-language", "expires"];

/// Refuses requests that ask for what is not kept.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> S3Result {
    for name in headers.keys() {
        let name = name.as_str();
        if UNKNOWN.iter().any(|start| name.starts_with(start)) {
            return Err(not_implemented(&format!("The header {name}")));
        }
        let known = HARMLESS.iter().find(|(known, _)| *known == name);
        if let Some((_, harmless)) = known {
            let says = |value: &axum::http::HeaderValue| {
                harmless
                    .iter()
                    .any(|text| value.as_bytes() == text.as_bytes())
            };
            if !headers.get_all(name).iter().all(says) {
                return Err(refused(name));
            }
        }
    }
    let is_upload = matches!(*method, Method::PUT | Method::POST);
    if is_upload && let Some(name) = LOST.iter().find(|name| headers.contains_key(**name)) {
        return Err(not_implemented(&format!("The header {name} of an upload")));
    }
    if is_upload {
        check_encoding(headers)?;
    }
    Ok(())
}

/// `aws-chunked` is about the way; anything else would be about the object.
fn check_encoding(headers: &HeaderMap) -> S3Result {
    for value in headers.get_all("content-encoding") {
        let value = value.to_str().unwrap_or("?");
        let mut encodings = value.split(',').map(str::trim);
        if !encodings.all(|one| matches!(one, "" | "identity" | "aws-chunked")) {
            return Err(not_implemented("The header content-encoding of an upload"));
        }
    }
    Ok(())
}

fn refused(name: &str) -> S3Error {
    match name {
        "x-amz-acl" | "x-amz-object-ownership" => s3_error!(
            AccessControlListNotSupported,
            "Buckets and objects have no access lists here; policies say who may do what"
        ),
        "x-amz-storage-class" => S3Error::with_message(
            S3ErrorCode::InvalidStorageClass,
            "There is only the storage class STANDARD",
        ),
        name => not_implemented(&format!("The header {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(method: &Method, name: &'static str, value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let error = check(method, &headers).err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn what_is_not_kept_is_refused_by_name() {
        for (name, value, refused) in [
            ("x-amz-acl", "private", None),
            (
                "x-amz-acl",
                "public-read",
                Some("AccessControlListNotSupported"),
            ),
            ("x-amz-grant-read", "id=1", Some("NotImplemented")),
            ("x-amz-storage-class", "STANDARD", None),
            (
                "x-amz-storage-class",
                "GLACIER",
                Some("InvalidStorageClass"),
            ),
            (
                "x-amz-server-side-encryption",
                "AES256",
                Some("NotImplemented"),
            ),
            ("x-amz-tagging", "a=b", Some("NotImplemented")),
            ("content-encoding", "aws-chunked", None),
            (
                "content-encoding",
                "gzip,aws-chunked",
                Some("NotImplemented"),
            ),
            ("content-disposition", "attachment", Some("NotImplemented")),
            ("x-amz-meta-mtime", "1", None),
            ("x-amz-checksum-crc32", "AAAAAA==", None),
        ] {
            assert_eq!(
                code(&Method::PUT, name, value).as_deref(),
                refused,
                "{name}: {value}"
            );
        }
        assert_eq!(code(&Method::GET, "content-encoding", "gzip"), None);
    }
}
