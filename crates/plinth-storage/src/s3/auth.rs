//! Who signed a request: an access key of `plinth s3-keys`, or a session.
//!
//! A session signs with any access key (the project's reference, by custom), the project's public key as the secret, and the
//! user's token as the session token. What opens doors there is the token; the signature binds the request to it.
//!
//! Here a request's claims are read and the secret is found. Whether the signature is right is `signature`'s question.

use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use plinth_db::keys::Secret;
use plinth_db::{Claims, Session};
use plinth_http::{Caller, GateError, TokenError, request_settings};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use crate::error::StorageError;
use crate::model::Who;
use crate::{PREFIX, Storage};

/// Longest life of a presigned URL: a week, as in S3.
const MAX_EXPIRES_SECONDS: u64 = 7 * 24 * 3600;
/// Headers of S3's own that change nothing about a request, so they need not be signed. The first is part of the signature in
/// another way, where it counts.
const NEED_NO_SIGNATURE: [&str; 3] = ["x-amz-content-sha256", "x-amz-user-agent", "x-amz-cf-id"];
/// Query parameters of a presigned URL, in lower case, that are about the signature.
const PRESIGNED: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];
const SECURITY_TOKEN: &str = "x-amz-security-token";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whom a request acts as, and in which buckets.
#[derive(Clone)]
pub(super) struct Principal {
    pub(super) who: Who,
    /// The only ones; none for all that policies open.
    buckets: Option<Arc<[String]>>,
}

impl Principal {
    /// Refuses buckets that the key does not name.
    pub(super) fn check_bucket(&self, bucket: &str) -> S3Result {
        match &self.buckets {
            Some(named) if !named.iter().any(|name| name == bucket) => Err(s3_error!(
                AccessDenied,
                "This access key is for other buckets"
            )),
            _ => Ok(()),
        }
    }

    /// Whom a request to this bucket acts as, which the endpoint has proved.
    pub(super) fn of<T>(request: &S3Request<T>, bucket: &str) -> S3Result<Principal> {
        let principal = Principal::anywhere(request)?;
        principal.check_bucket(bucket)?;
        Ok(principal)
    }

    /// The same for a request to no bucket.
    pub(super) fn anywhere<T>(request: &S3Request<T>) -> S3Result<Principal> {
        let proved = request.extensions.get::<Principal>().cloned();
        proved.ok_or_else(|| s3_error!(AccessDenied, "Signature is required"))
    }
}

/// What a request claims to be signed with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) access_key: String,
    token: Option<Secret>,
    /// By its URL rather than by a header.
    pub(super) presigned: bool,
}

/// A secret that would prove a claim, and whom it would prove.
pub(super) struct Candidate {
    pub(super) secrets: Vec<Secret>,
    pub(super) principal: Principal,
    /// A key of `plinth s3-keys`.
    pub(super) is_key: bool,
}

impl Claimed {
    /// Reads the claim, and refuses what no proof would make good: another signature than version 4, two claims at once, a
    /// URL that holds too long, and headers that mean something and are not signed.
    pub(super) fn read(parts: &Parts) -> S3Result<Claimed> {
        let query = Query::of(parts);
        if query.has("Signature") || query.has("AWSAccessKeyId") {
            return Err(unsupported());
        }
        let in_header = parts.headers.contains_key(AUTHORIZATION);
        match (in_header, query.has("X-Amz-Signature")) {
            (true, true) => Err(s3_error!(
                InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified"
            )),
            (true, false) => Claimed::in_header(&parts.headers),
            (false, true) => Claimed::in_query(&query, &parts.headers),
            (false, false) => Err(s3_error!(AccessDenied, "Signature is required")),
        }
    }

    fn in_header(headers: &HeaderMap) -> S3Result<Claimed> {
        let malformed = || {
            s3_error!(
                AuthorizationHeaderMalformed,
                "The authorization header is malformed"
            )
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(malformed());
        };
        let value = value.to_str().map_err(|_| malformed())?;
        let Some(fields) = value.strip_prefix("AWS4-HMAC-SHA256") else {
            return Err(unsupported());
        };
        let fields: Vec<(&str, &str)> = fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .collect();
        let field = |wanted: &str| {
            let mut found = fields.iter().filter(|(name, _)| *name == wanted);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(*value),
                _ => Err(malformed()),
            }
        };
        let access_key = access_key(field("Credential")?).ok_or_else(malformed)?;
        check_signed(headers, field("SignedHeaders")?)?;
        let token = headers.get(SECURITY_TOKEN).map(|token| token.to_str());
        let token = token.transpose().map_err(|_| invalid_token())?;
        Ok(Claimed {
            access_key: access_key.to_owned(),
            token: token.map(Secret::new),
            presigned: false,
        })
    }

    fn in_query(query: &Query, headers: &HeaderMap) -> S3Result<Claimed> {
        let malformed = |what: &str| {
            S3Error::with_message(
                S3ErrorCode::AuthorizationQueryParametersError,
                format!("The query parameter {what} is missing, repeated or malformed"),
            )
        };
        let one = |name: &str| query.one(name).ok_or_else(|| malformed(name));
        let access_key = access_key(one("X-Amz-Credential")?);
        let access_key = access_key.ok_or_else(|| malformed("X-Amz-Credential"))?;
        let expires: u64 = one("X-Amz-Expires")?
            .parse()
            .map_err(|_| malformed("X-Amz-Expires"))?;
        if expires > MAX_EXPIRES_SECONDS {
            return Err(s3_error!(
                AuthorizationQueryParametersError,
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
            ));
        }
        check_signed(headers, one("X-Amz-SignedHeaders")?)?;
        let token = match query.has("X-Amz-Security-Token") {
            true => Some(Secret::new(one("X-Amz-Security-Token")?)),
            false => None,
        };
        Ok(Claimed {
            access_key: access_key.to_owned(),
            token,
            presigned: true,
        })
    }

    /// Finds what would prove the claim.
    pub(super) async fn candidate(&self, storage: &Storage, parts: &Parts) -> S3Result<Candidate> {
        match &self.token {
            Some(token) => session(storage, parts, token.expose()),
            None => key(storage, parts, &self.access_key).await,
        }
    }
}

/// An access key of `plinth s3-keys`.
pub(super) async fn key(storage: &Storage, parts: &Parts, access_key: &str) -> S3Result<Candidate> {
    let db = &storage.app.db;
    let known = storage.s3.keys.find(db, access_key).await;
    let Some(known) = known.map_err(StorageError::from)? else {
        return Err(s3_error!(
            InvalidAccessKeyId,
            "The access key ID that you gave does not exist, or it has been revoked"
        ));
    };
    let session = Session {
        claims: Some(Claims::new(r#"{"role":"service_role"}"#)),
        settings: request_settings(Arc::new(parts.clone()), PREFIX),
        timeout: storage.app.limits.statement_timeout,
        ..Session::role("service_role")
    };
    let who = Who {
        session,
        owner: None,
    };
    Ok(Candidate {
        secrets: vec![known.secret],
        principal: Principal {
            who,
            buckets: known.buckets,
        },
        is_key: true,
    })
}

/// A user's token, by the same rules as on every other route.
fn session(storage: &Storage, parts: &Parts, token: &str) -> S3Result<Candidate> {
    let bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| invalid_token())?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, bearer);
    // By these the gate knows a browser, where service keys have no place.
    for name in [ORIGIN, USER_AGENT, SEC_FETCH_SITE] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let caller = Caller::of(&storage.app, &headers).map_err(|error| match error {
        GateError::Token(TokenError::Expired) => {
            s3_error!(ExpiredToken, "The provided token has expired.")
        }
        GateError::Token(_) | GateError::NoKey | GateError::UnknownKey => invalid_token(),
        GateError::ExposedServiceKey | GateError::UnknownRole(_) | GateError::RoleNotGranted(_) => {
            S3Error::with_message(S3ErrorCode::AccessDenied, error.to_string())
        }
    })?;
    let settings = request_settings(Arc::new(parts.clone()), PREFIX);
    Ok(Candidate {
        // What is public proves nothing; the token does.
        secrets: storage.app.gate.public_keys(),
        principal: Principal {
            who: Who::caller(storage, &caller, settings),
            buckets: None,
        },
        is_key: false,
    })
}

/// The access key of `KEY/20260102/us-east-1/s3/aws4_request`. Any region will do; there is one.
fn access_key(credential: &str) -> Option<&str> {
    let parts: Vec<&str> = credential.split('/').collect();
    match parts[..] {
        [key, _, _, "s3", "aws4_request"] if !key.is_empty() => Some(key),
        _ => None,
    }
}

/// Whoever finds a presigned URL must not be able to make it mean something else with a header of his own, such as
/// `x-amz-copy-source`.
fn check_signed(headers: &HeaderMap, signed: &str) -> S3Result {
    let is_signed = |name: &str| signed.split(';').any(|signed| signed == name);
    let unsigned = headers.keys().map(HeaderName::as_str).find(|name| {
        name.starts_with("x-amz-") && !NEED_NO_SIGNATURE.contains(name) && !is_signed(name)
    });
    if let Some(name) = unsigned {
        return Err(S3Error::with_message(
            S3ErrorCode::AccessDenied,
            format!("There were headers present in the request which were not signed: {name}"),
        ));
    }
    if !is_signed("host") {
        return Err(s3_error!(AccessDenied, "The header host must be signed"));
    }
    Ok(())
}

/// The parameters of a URL. Those of a presigned one count only when they are given once.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(parts: &Parts) -> Query {
        let text = parts.uri.query().unwrap_or_default();
        Query(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn one(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Headers that a signer has moved into the URL, in lower case.
    ///
    /// Checksums are left out: some signers put there that of the empty body which they have when they sign.
    pub(super) fn moved_headers(&self) -> impl Iterator<Item = (String, &str)> {
        let lower = self
            .0
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()));
        lower.filter(|(name, _)| {
            name.starts_with("x-amz-")
                && !PRESIGNED.contains(&name.as_str())
                && !name.starts_with("x-amz-checksum-")
                && name != "x-amz-sdk-checksum-algorithm"
        })
    }

    /// The query without what is about the signature, and without headers.
    pub(super) fn plain(parts: &Parts) -> String {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let kept = pairs.filter(|pair| {
            let mut read = form_urlencoded::parse(pair.as_bytes());
            !read.next().is_some_and(|(name, _)| {
                name.get(..6)
                    .is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
            })
        });
        kept.filter(|pair| !pair.is_empty())
            .collect::<Vec<_>>()
            .join("&")
    }
}

fn unsupported() -> S3Error {
    s3_error!(
        InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
    )
}

fn invalid_token() -> S3Error {
    s3_error!(
        InvalidToken,
        "The provided token is malformed or otherwise invalid."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read(target: &str, headers: &[(&str, &str)]) -> Result<Claimed, String> {
        Claimed::read(&parts(target, headers)).map_err(|error| error.code().as_str().to_owned())
    }

    const SCOPE: &str = "20260102/us-east-1/s3/aws4_request";

    fn header(credential: &str, signed: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature=00")
    }

    #[test]
    fn a_header_claims_a_key() {
        let value = header(&format!("PLNTA/{SCOPE}"), "host;x-amz-date");
        let claimed = read("/b/k", &[("authorization", &value), ("x-amz-date", "x")]).unwrap();
        assert_eq!(claimed.access_key, "PLNTA");
        assert_eq!((claimed.token, claimed.presigned), (None, false));
        let value = header(&format!("ref/{SCOPE}"), "host;x-amz-security-token");
        let claimed = read(
            "/",
            &[("authorization", &value), ("x-amz-security-token", "t")],
        );
        assert_eq!(claimed.unwrap().token, Some(Secret::new("t")));
    }

    #[test]
    fn headers_that_mean_something_must_be_signed() {
        let value = header(&format!("a/{SCOPE}"), "host");
        for (name, refused) in [
            ("x-amz-copy-source", true),
            ("x-amz-security-token", true),
            ("x-amz-content-sha256", false),
            ("accept", false),
        ] {
            let claimed = read("/b/k", &[("authorization", &value), (name, "v")]);
            assert_eq!(claimed.is_err(), refused, "{name}");
        }
        let without_host = header(&format!("a/{SCOPE}"), "x-amz-date");
        assert!(read("/b/k", &[("authorization", &without_host)]).is_err());
        let url = format!(
            "/b/k?X-Amz-Signature=0&X-Amz-Credential=a/{SCOPE}&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
        );
        assert!(read(&url, &[]).unwrap().presigned);
        assert_eq!(
            read(&url, &[("x-amz-copy-source", "/secret/k")]),
            Err("AccessDenied".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_proved_is_refused_by_name() {
        let code = |target: &str, headers: &[(&str, &str)]| read(target, headers).unwrap_err();
        assert_eq!(code("/b", &[]), "AccessDenied");
        assert_eq!(
            code("/b", &[("authorization", "AWS a:b")]),
            "InvalidRequest"
        );
        assert_eq!(
            code("/b", &[("authorization", "Bearer t")]),
            "InvalidRequest"
        );
        assert_eq!(
            code("/b?AWSAccessKeyId=a&Signature=b&Expires=1", &[]),
            "InvalidRequest"
        );
        for credential in [
            "a",
            "a/b/c/s3/other",
            "a/d/r/sts/aws4_request",
            "/d/r/s3/aws4_request",
        ] {
            let value = header(credential, "host");
            assert_eq!(
                code("/b", &[("authorization", &value)]),
                "AuthorizationHeaderMalformed",
                "{credential}"
            );
        }
        let twice = format!(
            "{}, SignedHeaders=host;x-amz-acl",
            header(&format!("a/{SCOPE}"), "host")
        );
        assert_eq!(
            code("/b", &[("authorization", &twice)]),
            "AuthorizationHeaderMalformed"
        );
        let url = |expires: &str| {
            format!(
                "/b?X-Amz-Signature=0&X-Amz-Credential=a/{SCOPE}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
            )
        };
        assert!(read(&url("604800"), &[]).is_ok());
        assert_eq!(
            code(&url("604801"), &[]),
            "AuthorizationQueryParametersError"
        );
        assert_eq!(code(&url("-1"), &[]), "AuthorizationQueryParametersError");
        let both = header(&format!("a/{SCOPE}"), "host");
        assert_eq!(
            code(&url("60"), &[("authorization", &both)]),
            "InvalidArgument"
        );
    }

    #[test]
    fn a_presigned_query_comes_apart() {
        let parts = parts(
            "/b/k?X-Amz-Signature=0&x-id=PutObject&x-amz-meta-colour=red%20ish&x-amz-checksum-crc32=AAAAAA%3D%3D&a=%26&&X-Amz-Date=d",
            &[],
        );
        assert_eq!(Query::plain(&parts), "x-id=PutObject&a=%26");
        let query = Query::of(&parts);
        let moved: Vec<_> = query.moved_headers().collect();
        assert_eq!(moved, [("x-amz-meta-colour".to_owned(), "red ish")]);
    }
}
