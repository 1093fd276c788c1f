//! Errors as clients of this API read them: the status, the code, and one of two shapes.
//!
//! Clients that send `X-Supabase-Api-Version: 2024-01-01` or later get `{code, message}`; older ones
//! `{code: <status>, error_code, msg}`. A handler does not know which: it hands over the error inside an empty response,
//! and [`shape`] writes the body on the way out.

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plinth_http::request_id;
use serde_json::{Map, Value, json};

use crate::error::AuthError;

const API_VERSION: HeaderName = HeaderName::from_static("x-supabase-api-version");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-sb-error-code");
/// The version that brought the new shape.
const NEW_SHAPE: &str = "2024-01-01";
/// When to come back where the database is away or too busy.
const AWAY_SECONDS: u64 = 2;
/// The whole of what a client hears of a fault of ours, apart from the request's id.
const UNEXPECTED: &str = "Unexpected failure, please check server logs for more information";

/// Middleware: writes the bodies of errors.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let new_shape = wants_new_shape(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<AuthError>() {
        Some(error) => render(&error, new_shape),
        None => response,
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let mut response = parts(&self).0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The status and the code of each error. Every variant decides for itself: a new one does not compile until it has.
fn parts(error: &AuthError) -> (StatusCode, &'static str) {
    use plinth_db::Error;
    match error {
        AuthError::BadJson(_) => (StatusCode::BAD_REQUEST, "bad_json"),
        AuthError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_entity_too_large"),
        AuthError::SlowBody => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
        AuthError::Validation(_) => (StatusCode::BAD_REQUEST, "validation_failed"),
        AuthError::InvalidCredentials | AuthError::UnsupportedGrant => {
            (StatusCode::BAD_REQUEST, "invalid_credentials")
        }
        AuthError::EmailNotConfirmed => (StatusCode::BAD_REQUEST, "email_not_confirmed"),
        AuthError::Banned => (StatusCode::BAD_REQUEST, "user_banned"),
        AuthError::BearerBanned => (StatusCode::FORBIDDEN, "user_banned"),
        AuthError::WeakPassword { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "weak_password"),
        AuthError::SignupDisabled => (StatusCode::UNPROCESSABLE_ENTITY, "signup_disabled"),
        AuthError::AnonymousDisabled => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "anonymous_provider_disabled",
        ),
        AuthError::MailDisabled => (StatusCode::UNPROCESSABLE_ENTITY, "email_provider_disabled"),
        AuthError::PhoneDisabled => (StatusCode::UNPROCESSABLE_ENTITY, "phone_provider_disabled"),
        AuthError::AlreadyRegistered => (StatusCode::UNPROCESSABLE_ENTITY, "user_already_exists"),
        AuthError::EmailExists => (StatusCode::UNPROCESSABLE_ENTITY, "email_exists"),
        AuthError::PhoneExists => (StatusCode::UNPROCESSABLE_ENTITY, "phone_exists"),
        AuthError::IdExists | AuthError::StillReferenced => (StatusCode::CONFLICT, "conflict"),
        AuthError::SamePassword => (StatusCode::UNPROCESSABLE_ENTITY, "same_password"),
        AuthError::CurrentPasswordInvalid => (StatusCode::BAD_REQUEST, "current_password_invalid"),
        AuthError::NotAdmin => (StatusCode::FORBIDDEN, "not_admin"),
        AuthError::NoAuthorization => (StatusCode::UNAUTHORIZED, "no_authorization"),
        AuthError::BadJwt(_) => (StatusCode::FORBIDDEN, "bad_jwt"),
        AuthError::BearerGone => (StatusCode::FORBIDDEN, "user_not_found"),
        AuthError::BearerSessionGone => (StatusCode::FORBIDDEN, "session_not_found"),
        AuthError::UserNotFound => (StatusCode::NOT_FOUND, "user_not_found"),
        AuthError::NotAUserId => (StatusCode::NOT_FOUND, "validation_failed"),
        AuthError::RefreshSessionGone => (StatusCode::BAD_REQUEST, "session_not_found"),
        AuthError::SessionExpired => (StatusCode::BAD_REQUEST, "session_expired"),
        AuthError::RefreshTokenNotFound => (StatusCode::BAD_REQUEST, "refresh_token_not_found"),
        AuthError::RefreshTokenAlreadyUsed => {
            (StatusCode::BAD_REQUEST, "refresh_token_already_used")
        }
        AuthError::TooManyFailures { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "over_request_rate_limit")
        }
        AuthError::MailTooSoon { .. } | AuthError::TooMuchMail { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "over_email_send_rate_limit")
        }
        AuthError::OtpExpired(_) => (StatusCode::FORBIDDEN, "otp_expired"),
        AuthError::OtpDisabled => (StatusCode::UNPROCESSABLE_ENTITY, "otp_disabled"),
        AuthError::FlowStateNotFound => (StatusCode::NOT_FOUND, "flow_state_not_found"),
        AuthError::FlowStateExpired => (StatusCode::UNPROCESSABLE_ENTITY, "flow_state_expired"),
        AuthError::BadCodeVerifier => (StatusCode::BAD_REQUEST, "bad_code_verifier"),
        AuthError::ReauthenticationNeeded => (StatusCode::BAD_REQUEST, "reauthentication_needed"),
        AuthError::ReauthenticationNotValid => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "reauthentication_not_valid",
        ),
        // A 503 is what clients keep their session for and try again.
        AuthError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "over_request_rate_limit"),
        AuthError::Unavailable { code, status, .. } => (
            StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND),
            code,
        ),
        AuthError::Database(cause) => match &**cause {
            Error::Timeout => (StatusCode::GATEWAY_TIMEOUT, "request_timeout"),
            Error::Busy { .. }
            | Error::Closed
            | Error::DiskFull
            | Error::Disk(_)
            | Error::Unavailable(_)
            | Error::Setup(_) => (StatusCode::SERVICE_UNAVAILABLE, "unexpected_failure"),
            Error::Sql(_) | Error::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure")
            }
        },
        AuthError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure"),
    }
}

/// An error as a link tells it.
pub(crate) struct InRedirect {
    /// OAuth's word for it.
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

/// For the answer to a link that a browser followed.
pub(crate) fn in_redirect(error: &AuthError) -> InRedirect {
    let (status, code) = parts(error);
    let ours = status.is_server_error();
    if ours {
        tell(error);
    }
    InRedirect {
        kind: match status {
            _ if code == "user_banned" || code == "signup_disabled" => "access_denied",
            StatusCode::UNAUTHORIZED => "unauthorized_client",
            StatusCode::FORBIDDEN => "access_denied",
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            _ if ours => "server_error",
            _ => "invalid_request",
        },
        code,
        description: if ours {
            UNEXPECTED.to_owned()
        } else {
            error.to_string()
        },
    }
}

/// The log has what the client does not hear. That the database is away its engine tells, once for all requests.
fn tell(error: &AuthError) {
    let id = request_id::current();
    let is_away = matches!(error, AuthError::Database(cause) if cause.is_away());
    if is_away {
        tracing::debug!(request.id = %id, error = %error, "an auth request found no database");
    } else {
        tracing::error!(request.id = %id, error = %error, "an auth request failed for a reason of ours");
    }
}

fn render(error: &AuthError, new_shape: bool) -> Response {
    let (status, code) = parts(error);
    let is_ours = matches!(error, AuthError::Database(_) | AuthError::Internal(_));
    let message = if is_ours {
        UNEXPECTED.to_owned()
    } else {
        error.to_string()
    };
    let mut body = if new_shape {
        Map::from_iter([
            ("code".to_owned(), json!(code)),
            ("message".to_owned(), json!(message)),
        ])
    } else {
        Map::from_iter([
            ("code".to_owned(), json!(status.as_u16())),
            ("error_code".to_owned(), json!(code)),
            ("msg".to_owned(), json!(message)),
        ])
    };
    if let AuthError::WeakPassword { reasons, .. } = error {
        body.insert("weak_password".to_owned(), json!({ "reasons": reasons }));
    }
    if is_ours {
        tell(error);
        body.insert("error_id".to_owned(), json!(request_id::current()));
    }

    let mut response = (status, Value::Object(body).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ERROR_CODE, HeaderValue::from_static(code));
    if new_shape {
        headers.insert(API_VERSION, HeaderValue::from_static(NEW_SHAPE));
    }
    if let AuthError::TooManyFailures {
        retry_after_seconds,
    }
    | AuthError::MailTooSoon {
        retry_after_seconds,
    }
    | AuthError::TooMuchMail {
        retry_after_seconds,
    }
    | AuthError::Busy {
        retry_after_seconds,
    } = error
    {
        headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    } else if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from(AWAY_SECONDS));
    }
    response
}

/// A date not before the one that brought the new shape; what is no date means the old one.
fn wants_new_shape(headers: &HeaderMap) -> bool {
    headers
        .get(API_VERSION)
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.parse::<jiff::civil::Date>().is_ok())
        .is_some_and(|text| text >= NEW_SHAPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(error: &AuthError, new_shape: bool) -> (HeaderMap, Value) {
        let (parts, body) = render(error, new_shape).into_parts();
        let bytes = plinth_http::read_body(body, 10_000).await.unwrap();
        (parts.headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn the_version_chooses_the_shape() {
        let (headers, new) = body(&AuthError::InvalidCredentials, true).await;
        assert_eq!(
            new,
            json!({"code": "invalid_credentials", "message": "Invalid login credentials"})
        );
        assert_eq!(headers["x-sb-error-code"], "invalid_credentials");
        assert_eq!(headers["x-supabase-api-version"], "2024-01-01");
        let (headers, old) = body(&AuthError::InvalidCredentials, false).await;
        assert_eq!(
            old,
            json!({"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"})
        );
        assert_eq!(headers["x-sb-error-code"], "invalid_credentials");
    }

    #[tokio::test]
    async fn a_weak_password_says_why() {
        let error = AuthError::WeakPassword {
            message: "too short".to_owned(),
            reasons: vec!["length"],
        };
        let (_, new) = body(&error, true).await;
        assert_eq!(
            new,
            json!({"code": "weak_password", "message": "too short", "weak_password": {"reasons": ["length"]}})
        );
    }

    #[tokio::test]
    async fn faults_of_ours_tell_nothing() {
        let (_, told) = body(&AuthError::Internal("the secret reason".to_owned()), true).await;
        assert!(!told.to_string().contains("secret"), "{told}");
        assert_eq!(told["code"], "unexpected_failure");
    }

    #[tokio::test]
    async fn a_limit_says_when_to_come_back() {
        let (headers, _) = body(
            &AuthError::TooManyFailures {
                retry_after_seconds: 7,
            },
            true,
        )
        .await;
        assert_eq!(headers["retry-after"], "7");
    }

    #[test]
    fn versions_are_dates() {
        let wants = |version: &str| {
            wants_new_shape(&HeaderMap::from_iter([(
                API_VERSION,
                version.parse().unwrap(),
            )]))
        };
        assert!(wants("2024-01-01"));
        assert!(wants("2025-06-30"));
        assert!(!wants("2023-12-31"));
        assert!(!wants("latest"));
        assert!(!wants("9999"));
        assert!(!wants_new_shape(&HeaderMap::new()));
    }
}
