//! Bodies of uploads: what was said about them, and whether it is true.
//!
//! A client says how long its body is, and may say its MD5 and a checksum of another kind, in a header or behind the body. All
//! of that is proved while the bytes go by, before they become anything.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, StdError, s3_error};

use super::error::custom;
use super::signature::Trailers;
use crate::error::StorageError;

/// Checksums by their header.
const ALGORITHMS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// What a client says about a body.
pub(super) struct Announced {
    /// Bytes.
    pub(super) length: u64,
    md5: Option<[u8; 16]>,
    /// Headers of checksums and their values.
    checksums: Vec<(&'static str, String)>,
    /// Headers of checksums that follow the body.
    behind: Vec<&'static str>,
    trailers: Trailers,
}

/// A body, and what was seen of it.
pub(super) struct Upload(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Why it ended, where S3 has a word for it.
    failure: Option<S3Error>,
    /// The checksums that were proved, once it has ended well.
    proved: Checksum,
}

/// A body on its way past.
struct Watched {
    body: StreamingBlob,
    announced: Announced,
    bytes: u64,
    hasher: ChecksumHasher,
    md5: Option<s3s::crypto::Md5>,
}

impl Announced {
    /// What a request says of its body, also behind it.
    pub(super) fn of<T>(req: &S3Request<T>) -> S3Result<Announced> {
        let trailers = req.extensions.get::<Trailers>().cloned();
        Announced::read(&req.headers, trailers.unwrap_or_default())
    }

    /// Reads what the headers say. Without a length nothing is received: nobody could tell a whole body from half of one.
    fn read(headers: &HeaderMap, trailers: Trailers) -> S3Result<Announced> {
        let length = one(headers, "content-length")?.ok_or_else(|| {
            s3_error!(
                MissingContentLength,
                "You must provide the Content-Length HTTP header."
            )
        })?;
        let length = length
            .parse()
            .map_err(|_| s3_error!(InvalidArgument, "The header Content-Length is no number"))?;
        let md5 = one(headers, "content-md5")?.map(md5).transpose()?;
        let mut checksums = Vec::new();
        for name in ALGORITHMS {
            if let Some(value) = one(headers, name)? {
                checksums.push((name, value.to_owned()));
            }
        }
        Ok(Announced {
            length,
            md5,
            checksums,
            behind: behind(headers)?,
            trailers,
        })
    }

    /// A form's file, of which only the length is known.
    pub(super) fn form(length: u64) -> Announced {
        Announced {
            length,
            md5: None,
            checksums: Vec::new(),
            behind: Vec::new(),
            trailers: Trailers::None,
        }
    }

    /// The body as a store takes it, and what becomes known of it. A body that is not what was announced ends with an
    /// error, so that nothing is made of it.
    pub(super) fn begin(
        self,
        body: Option<StreamingBlob>,
    ) -> (BoxStream<'static, Result<Bytes, StorageError>>, Upload) {
        let mut hasher = ChecksumHasher::default();
        for name in self
            .checksums
            .iter()
            .map(|(name, _)| name)
            .chain(&self.behind)
        {
            enable(&mut hasher, name);
        }
        let watched = Watched {
            body: body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty())),
            md5: self.md5.as_ref().map(|_| s3s::crypto::Md5::new()),
            announced: self,
            bytes: 0,
            hasher,
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let state = Some((watched, Arc::clone(&seen)));
        let stream = stream::unfold(state, |state| async move {
            let (mut watched, seen) = state?;
            let failed = match watched.next().await {
                Some(Ok(bytes)) => return Some((Ok(bytes), Some((watched, seen)))),
                Some(Err(failure)) => failure,
                None => match watched.prove() {
                    Ok(proved) => {
                        seen.lock().proved = proved;
                        return None;
                    }
                    Err(failure) => failure,
                },
            };
            seen.lock().failure = Some(failed);
            Some((Err(StorageError::Incomplete), None))
        });
        (stream.boxed(), Upload(seen))
    }
}

impl Upload {
    /// Why the store stopped: what was wrong with the body, else what was wrong with the store.
    pub(super) fn failed(&self, error: StorageError) -> S3Error {
        let failure = self.0.lock().failure.take();
        failure.unwrap_or_else(|| error.into())
    }

    /// The checksums that were asked for and are right.
    pub(super) fn proved(&self) -> Checksum {
        std::mem::take(&mut self.0.lock().proved)
    }
}

impl Watched {
    async fn next(&mut self) -> Option<S3Result<Bytes>> {
        let bytes = match self.body.next().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(failure(&error))),
        };
        self.bytes += bytes.len() as u64;
        self.hasher.update(&bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(&bytes);
        }
        Some(Ok(bytes))
    }

    /// Compares what came with what was said, and gives back the checksums.
    fn prove(self) -> S3Result<Checksum> {
        let announced = self.announced;
        if self.bytes != announced.length {
            return Err(s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header"
            ));
        }
        if self.md5.map(s3s::crypto::Checksum::finalize) != announced.md5 {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let found = self.hasher.finalize();
        for (name, wanted) in announced.checksums {
            same(name, &wanted, &found)?;
        }
        for name in announced.behind {
            let wanted = announced.trailers.get(name).ok_or_else(|| {
                custom(
                    "MalformedTrailerError",
                    StatusCode::BAD_REQUEST,
                    "The request contained trailing data that was not well-formed or did not conform to our published schema.",
                )
            })?;
            same(name, &wanted, &found)?;
        }
        Ok(found)
    }
}

/// What was wrong with a body. The library that proves signatures has no public types for it, but says it in fixed words.
fn failure(error: &StdError) -> S3Error {
    let text = error.to_string();
    let says = |word: &str| text.contains(word);
    if says("SignatureMismatch") {
        return s3_error!(
            SignatureDoesNotMatch,
            "The signature of a chunk does not match what we calculated"
        );
    }
    if says("Sha256Mismatch") {
        return custom(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
    }
    if says("FormatError") || says("sequence of chunks") || says("signed chunk") {
        return s3_error!(
            InvalidRequest,
            "The body is not encoded as aws-chunked should be"
        );
    }
    if says("server is busy") {
        return S3Error::from(StorageError::Busy {
            retry_after_seconds: 2,
        });
    }
    if says("timed out") {
        return S3Error::from(StorageError::TooSlow);
    }
    s3_error!(
        IncompleteBody,
        "The request body ended before it was complete"
    )
}

fn enable(hasher: &mut ChecksumHasher, name: &str) {
    match name {
        "x-amz-checksum-crc32" => hasher.crc32 = Some(s3s::crypto::Crc32::new()),
        "x-amz-checksum-crc32c" => hasher.crc32c = Some(s3s::crypto::Crc32c::new()),
        "x-amz-checksum-crc64nvme" => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::new()),
        "x-amz-checksum-sha1" => hasher.sha1 = Some(s3s::crypto::Sha1::new()),
        _ => hasher.sha256 = Some(s3s::crypto::Sha256::new()),
    }
}

fn same(name: &str, wanted: &str, found: &Checksum) -> S3Result {
    let found = match name {
        "x-amz-checksum-crc32" => &found.checksum_crc32,
        "x-amz-checksum-crc32c" => &found.checksum_crc32c,
        "x-amz-checksum-crc64nvme" => &found.checksum_crc64nvme,
        "x-amz-checksum-sha1" => &found.checksum_sha1,
        _ => &found.checksum_sha256,
    };
    if found.as_deref() == Some(wanted.trim()) {
        return Ok(());
    }
    Err(S3Error::with_message(
        S3ErrorCode::BadDigest,
        format!("The {name} you specified did not match what we received."),
    ))
}

/// The checksums that are announced to follow.
fn behind(headers: &HeaderMap) -> S3Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for value in headers.get_all("x-amz-trailer") {
        let value = value.to_str().unwrap_or("?");
        for name in value.split(',').map(str::trim) {
            let known = ALGORITHMS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name));
            match known {
                Some(known) => names.push(*known),
                None if name.starts_with("x-amz-checksum-") => {
                    return Err(super::error::not_implemented(&format!(
                        "The checksum {name}"
                    )));
                }
                None => {}
            }
        }
    }
    Ok(names)
}

/// `Content-MD5`.
fn md5(base64: &str) -> S3Result<[u8; 16]> {
    let bytes = STANDARD.decode(base64.trim()).ok();
    let bytes: Option<[u8; 16]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))
}

/// A header that may be given once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let invalid = || {
        S3Error::with_message(
            S3ErrorCode::InvalidArgument,
            format!("The header {name} is repeated or no text"),
        )
    };
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| invalid()),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    /// Sends `hello` with these headers.
    async fn send(lines: &[(&'static str, &str)]) -> Result<Checksum, String> {
        let code = |error: S3Error| error.code().as_str().to_owned();
        let announced = Announced::read(&headers(lines), Trailers::None).map_err(code)?;
        let body = StreamingBlob::from(s3s::Body::from("hello".to_owned()));
        let (mut stream, upload) = announced.begin(Some(body));
        while let Some(piece) = stream.next().await {
            piece.map_err(|error| code(upload.failed(error)))?;
        }
        Ok(upload.proved())
    }

    #[tokio::test]
    async fn what_is_said_is_proved() {
        let good = [
            ("content-length", "5"),
            ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            (
                "x-amz-checksum-sha256",
                "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
            ),
        ];
        let proved = send(&good).await.unwrap();
        assert_eq!(proved.checksum_crc32.as_deref(), Some("NhCmhg=="));
        assert!(proved.checksum_sha1.is_none());
        for (name, value, code) in [
            ("content-length", "6", "IncompleteBody"),
            ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
            ("content-md5", "AAAA", "InvalidDigest"),
            ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
            ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
            // Announced, and never sent.
            (
                "x-amz-trailer",
                "x-amz-checksum-crc32",
                "MalformedTrailerError",
            ),
            ("x-amz-trailer", "x-amz-checksum-new", "NotImplemented"),
        ] {
            let mut lines = vec![("content-length", "5")];
            lines.retain(|(known, _)| *known != name);
            lines.push((name, value));
            assert_eq!(send(&lines).await.unwrap_err(), code, "{name}: {value}");
        }
        assert_eq!(send(&[]).await.unwrap_err(), "MissingContentLength");
    }
}
