//! The S3 protocol under `/storage/v1/s3`, for the tools that speak it.
//!
//! The way of a request: what it claims to be signed with is read and its secret found (`auth`); the signature is proved over
//! the path that the client signed (`signature`); what is not kept here is refused by name (`features`); then the
//! operation runs (`ops`), by the same models and under the same policies, limits and checks as on every other route. Signatures
//! and XML are the library's (`s3s`); nothing reaches an operation that did not pass all of that.

mod auth;
mod chunked;
mod copy;
mod error;
mod features;
mod forms;
pub mod keys;
mod multipart;
mod ops;
mod signature;
mod upload;

pub(crate) use multipart::{abort_all, end_claims, sweep};

use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{Request, State as Extracted};
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use plinth_db::keys::Keys;
use plinth_http::request_id;
use s3s::config::{S3Config, S3ConfigProvider, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{HttpResponse, S3Error, S3Result, s3_error};
use tokio::sync::Semaphore;

use crate::Storage;
use crate::names::BucketName;
use auth::{Candidate, Claimed, Principal, Query};
use copy::CopySource;
use keys::KnownKeys;
use ops::Operations;
use signature::{Proof, Proved};

/// Largest XML body: 10,000 parts with their checksums, or 1,000 names.
const XML_BYTES: usize = 4 << 20;
/// Largest file of a form. The library holds it in memory to know its length.
const FORM_FILE_BYTES: u64 = 8 << 20;
/// Fields of a form beside its file, together.
const FORM_FIELDS_BYTES: usize = 64 << 10;
const FORM_FIELDS: usize = 100;
/// Forms that are read at once.
const FORMS: usize = 4;
/// How far a client's clock may be off: 15 minutes, as in S3.
const SKEW_SECONDS: u32 = 15 * 60;
/// Objects come from strangers, and a client may ask for one as any type: none of them runs as the application.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// What all requests share.
#[derive(Clone)]
pub(crate) struct State {
    keys: KnownKeys,
    forms: Arc<Semaphore>,
}

impl State {
    /// For a project with these keys.
    pub(crate) fn new(keys: &Keys) -> State {
        State {
            keys: KnownKeys::new(keys.sealer.clone()),
            forms: Arc::new(Semaphore::new(FORMS)),
        }
    }
}

/// Answers every method and path below the one it is mounted at.
pub(crate) fn router(storage: Storage) -> Router {
    let config: Arc<dyn S3ConfigProvider> = Arc::new(StaticConfigProvider::new(Arc::new(config())));
    let mut operations = S3ServiceBuilder::new(Operations::new(storage.clone()));
    operations.set_config(Arc::clone(&config));
    operations.set_validation(BucketNames);
    let endpoint = Endpoint {
        storage,
        config,
        operations: operations.build(),
    };
    Router::new().fallback(answer).with_state(endpoint)
}

fn config() -> S3Config {
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_BYTES;
    config.post_object_max_file_size = FORM_FILE_BYTES;
    config.form_max_field_size = FORM_FIELDS_BYTES;
    config.form_max_fields_size = FORM_FIELDS_BYTES;
    config.form_max_parts = FORM_FIELDS;
    config.presigned_url_max_skew_time_secs = SKEW_SECONDS;
    config
}

#[derive(Clone)]
struct Endpoint {
    storage: Storage,
    config: Arc<dyn S3ConfigProvider>,
    /// Routes what has been proved.
    operations: S3Service,
}

/// Names as this service has them, which are more than S3's.
struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        BucketName::parse(name).is_ok()
    }
}

async fn answer(Extracted(endpoint): Extracted<Endpoint>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = if parts.headers.contains_key("service-worker") {
        // As on the routes beside this one: a script that a page registers stays.
        Err(s3_error!(AccessDenied, "Objects cannot be service workers"))
    } else if is_form(&parts) {
        forms::post(&endpoint, parts, body).await
    } else {
        endpoint.operate(parts, body).await
    };
    let response = answered.or_else(S3Error::to_http_response);
    let mut response = response.map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |response| response.map(AxumBody::new),
    );
    if response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = AxumBody::empty();
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    // An uploader may have said `public` of what only a signature opens.
    headers.append(VARY, HeaderValue::from(AUTHORIZATION));
    if let Ok(id) = HeaderValue::try_from(request_id::current().to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

impl Endpoint {
    /// What a request claims, and what would prove it.
    async fn claimed(&self, parts: &Parts) -> S3Result<(Claimed, Candidate)> {
        let claimed = Claimed::read(parts)?;
        let candidate = claimed.candidate(&self.storage, parts).await?;
        Ok((claimed, candidate))
    }

    async fn operate(&self, parts: Parts, body: AxumBody) -> S3Result<HttpResponse> {
        let storage = &self.storage;
        let (claimed, candidate) = match self.claimed(&parts).await {
            Ok(claimed) => claimed,
            Err(refusal) => {
                signature::refuse(&parts, body);
                return Err(refusal);
            }
        };
        let access_key = claimed.access_key.as_str();
        let proof = Proof {
            public_url: &storage.app.public_url,
            config: &self.config,
            access_key,
            secrets: &candidate.secrets,
        };
        let proved = match proof.of(&parts, body).await? {
            Ok(proved) => proved,
            Err(refusal) => {
                tracing::warn!(
                    s3.access_key = %shown(access_key), status = refusal.status().as_u16(),
                    "the signature of an S3 request does not prove what it claims"
                );
                return Ok(refusal);
            }
        };
        if candidate.is_key {
            storage.s3.keys.note_use(&storage.app.db, access_key);
        }
        let request = routed(&parts, claimed.presigned, proved, candidate.principal)?;
        let answered = self.operations.call(request).await;
        answered.map_err(|_| s3_error!(InternalError))
    }
}

/// A proved request as the operations read it: without its signature, and with whom it acts as.
fn routed(
    parts: &Parts,
    presigned: bool,
    proved: Proved,
    principal: Principal,
) -> S3Result<s3s::HttpRequest> {
    let Proved {
        mut headers,
        body,
        trailers,
    } = proved;
    if presigned {
        move_headers(&Query::of(parts), &mut headers);
    }
    features::check(&parts.method, &headers)?;
    if let Some(bucket) = bucket_of(&parts.uri)? {
        principal.check_bucket(&bucket)?;
    }
    let copied = CopySource::take(&mut headers)?;

    let query = Query::plain(parts);
    let path = parts.uri.path();
    let target = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    };
    let uri: Uri = target.parse().map_err(|_| s3_error!(InvalidURI))?;
    let mut request = s3s::HttpRequest::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let extensions = request.extensions_mut();
    extensions.insert(principal);
    extensions.insert(trailers);
    if let Some(copied) = copied {
        extensions.insert(copied);
    }
    Ok(request)
}

/// Puts headers that a signer has moved into the URL back where they came from. What was sent as a header stays.
fn move_headers(query: &Query, headers: &mut HeaderMap) {
    for (name, value) in query.moved_headers() {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value)
            && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    }
}

/// The bucket that a path names, read as the library reads it: the whole path is decoded, then cut.
fn bucket_of(uri: &Uri) -> S3Result<Option<String>> {
    let path = percent_decode_str(uri.path()).decode_utf8();
    let path = path.map_err(|_| s3_error!(InvalidURI))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let bucket = path.split('/').next().filter(|bucket| !bucket.is_empty());
    Ok(bucket.map(str::to_owned))
}

/// A form that a browser sends, with its signature among the fields.
fn is_form(parts: &Parts) -> bool {
    let value = parts.headers.get(CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    parts.method == Method::POST && essence.eq_ignore_ascii_case("multipart/form-data")
}

/// A name that a stranger sent, as a log may hold it.
fn shown(name: &str) -> String {
    const CHARACTERS: usize = 64;
    let clean = name.chars().take(CHARACTERS);
    clean
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(path: &str) -> Option<String> {
        bucket_of(&path.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_path_names_a_bucket_however_it_is_written() {
        assert_eq!(bucket("/"), None);
        assert_eq!(bucket("/a").as_deref(), Some("a"));
        assert_eq!(bucket("/a/b/c").as_deref(), Some("a"));
        assert_eq!(bucket("/a%2Fb/c").as_deref(), Some("a"));
        assert_eq!(bucket("/My%20bucket/c").as_deref(), Some("My bucket"));
        assert!(bucket_of(&"/%ff".parse().unwrap()).is_err());
    }

    #[test]
    fn forms_are_told_by_their_type() {
        let is = |method: &str, content_type: &str| {
            let request = axum::http::Request::builder()
                .method(method)
                .header(CONTENT_TYPE, content_type);
            is_form(&request.body(()).unwrap().into_parts().0)
        };
        assert!(is("POST", "multipart/form-data; boundary=x"));
        assert!(is("POST", "Multipart/Form-Data"));
        assert!(!is("PUT", "multipart/form-data; boundary=x"));
        assert!(!is("POST", "application/xml"));
    }

    #[test]
    fn a_strangers_name_is_harmless_in_a_log() {
        assert_eq!(shown("AK\n\u{1b}[31m"), "AK??[31m");
        assert_eq!(shown(&"x".repeat(1000)).len(), 64);
    }
}
