//! Routes that clients know and that this release does not serve: each says so with the code its clients understand,
//! rather than with a 404 that looks like a wrong address.

use axum::Router;
use axum::routing::{MethodRouter, any};

use super::caller::Key;
use crate::AuthApp;
use crate::error::AuthError;

/// Adds them all. As elsewhere, links that browsers follow need no key.
pub(crate) fn add(router: Router<AuthApp>) -> Router<AuthApp> {
    router
        .route("/authorize", open(PROVIDER))
        .route("/callback", open(PROVIDER))
        .route("/sso", keyed(SAML))
        .route("/sso/{*rest}", open(SAML))
        .route("/admin/sso/{*rest}", keyed(SAML))
        .route("/factors", keyed(ENROLL))
        .route("/factors/{*rest}", keyed(FACTOR))
        .route("/user/identities/{*rest}", keyed(LINKING))
        .route("/passkeys", keyed(PASSKEYS))
        .route("/passkeys/{*rest}", keyed(PASSKEYS))
        .route("/oauth/{*rest}", keyed(FEATURE))
        .route("/user/oauth/{*rest}", keyed(FEATURE))
        .route("/admin/audit", keyed(FEATURE))
        .route("/admin/oauth/{*rest}", keyed(FEATURE))
        .route("/admin/custom-providers", keyed(FEATURE))
        .route("/admin/users/{id}/factors", keyed(FEATURE))
        .route("/admin/users/{id}/passkeys", keyed(PASSKEYS))
        .route("/.well-known/openid-configuration", open(FEATURE))
        .route("/.well-known/oauth-authorization-server", open(FEATURE))
}

/// The service's 404.
pub(crate) async fn not_found() -> AuthError {
    Off {
        code: "not_found",
        status: 404,
        message: "There is nothing at this path",
    }
    .into()
}

/// The service's 405.
pub(crate) async fn method_not_allowed() -> AuthError {
    Off {
        code: "method_not_allowed",
        status: 405,
        message: "This path has no such method",
    }
    .into()
}

#[derive(Clone, Copy)]
struct Off {
    code: &'static str,
    status: u16,
    message: &'static str,
}

const PROVIDER: Off = Off {
    code: "validation_failed",
    status: 400,
    message: "Unsupported provider: provider is not enabled",
};
const SAML: Off = Off {
    code: "saml_provider_disabled",
    status: 404,
    message: "SAML 2.0 is disabled",
};
const ENROLL: Off = Off {
    code: "mfa_totp_enroll_not_enabled",
    status: 422,
    message: "MFA enroll is disabled for TOTP",
};
const FACTOR: Off = Off {
    code: "mfa_totp_verify_not_enabled",
    status: 422,
    message: "MFA verification is disabled for TOTP",
};
const LINKING: Off = Off {
    code: "manual_linking_disabled",
    status: 404,
    message: "Manual linking is disabled",
};
const PASSKEYS: Off = Off {
    code: "passkey_disabled",
    status: 404,
    message: "Passkeys are disabled",
};
const FEATURE: Off = Off {
    code: "feature_disabled",
    status: 404,
    message: "This feature is not available on this server yet",
};

fn keyed(off: Off) -> MethodRouter<AuthApp> {
    any(move |_: Key| async move { AuthError::from(off) })
}

fn open(off: Off) -> MethodRouter<AuthApp> {
    any(move || async move { AuthError::from(off) })
}

impl From<Off> for AuthError {
    fn from(
        Off {
            code,
            status,
            message,
        }: Off,
    ) -> AuthError {
        AuthError::Unavailable {
            code,
            status,
            message,
        }
    }
}
