//! What can go wrong, without status codes: those are chosen in `http::error`.

use std::sync::Arc;

/// An error of the auth service.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("Could not parse request body as JSON: {0}")]
    BadJson(String),
    #[error("Request body too large")]
    TooLarge,
    #[error("The request body did not arrive in time")]
    SlowBody,
    #[error("{0}")]
    Validation(String),
    /// Also for unknown users and users without a password: nobody learns who has an account.
    #[error("Invalid login credentials")]
    InvalidCredentials,
    #[error("unsupported_grant_type")]
    UnsupportedGrant,
    #[error("Email not confirmed")]
    EmailNotConfirmed,
    /// Signing in or refreshing.
    #[error("User is banned")]
    Banned,
    /// With a bearer token.
    #[error("User is banned")]
    BearerBanned,
    #[error("{message}")]
    WeakPassword {
        message: String,
        reasons: Vec<&'static str>,
    },
    #[error("Signups not allowed for this instance")]
    SignupDisabled,
    #[error("Anonymous sign-ins are disabled")]
    AnonymousDisabled,
    #[error("Sending mail is not available on this server yet")]
    MailDisabled,
    #[error("Phone sign-ins are disabled")]
    PhoneDisabled,
    #[error("User already registered")]
    AlreadyRegistered,
    #[error("A user with this email address has already been registered")]
    EmailExists,
    #[error("A user with this phone number has already been registered")]
    PhoneExists,
    #[error("A user with this id has already been registered")]
    IdExists,
    #[error("Rows of other tables refer to this user")]
    StillReferenced,
    #[error("New password should be different from the old password.")]
    SamePassword,
    #[error("Current password is invalid")]
    CurrentPasswordInvalid,
    #[error("User not allowed")]
    NotAdmin,
    #[error("This endpoint requires a valid Bearer token")]
    NoAuthorization,
    #[error("invalid JWT: {0}")]
    BadJwt(String),
    /// The bearer's account is gone.
    #[error("User from sub claim in JWT does not exist")]
    BearerGone,
    /// The bearer's session is gone.
    #[error("Session from session_id claim in JWT does not exist")]
    BearerSessionGone,
    /// An administrator asked for an account that does not exist.
    #[error("User not found")]
    UserNotFound,
    #[error("user_id must be an UUID")]
    NotAUserId,
    #[error("Invalid Refresh Token: Session Not Found")]
    RefreshSessionGone,
    #[error("Invalid Refresh Token: Session Expired")]
    SessionExpired,
    #[error("Invalid Refresh Token: Refresh Token Not Found")]
    RefreshTokenNotFound,
    #[error("Invalid Refresh Token: Already Used")]
    RefreshTokenAlreadyUsed,
    #[error("Request rate limit reached")]
    TooManyFailures { retry_after_seconds: u64 },
    #[error(
        "For security purposes, you can only request this after {retry_after_seconds} seconds."
    )]
    MailTooSoon { retry_after_seconds: u64 },
    #[error("email rate limit exceeded")]
    TooMuchMail { retry_after_seconds: u64 },
    /// A code or link that is wrong, used, or too old.
    #[error("{0}")]
    OtpExpired(&'static str),
    /// Signing in by mail with an address that has no account, when none is to be made.
    #[error("Signups not allowed for otp")]
    OtpDisabled,
    #[error("invalid flow state, no valid flow state found")]
    FlowStateNotFound,
    #[error("invalid flow state, flow state has expired")]
    FlowStateExpired,
    #[error("code challenge does not match previously saved code verifier")]
    BadCodeVerifier,
    #[error("Password update requires reauthentication")]
    ReauthenticationNeeded,
    #[error("Nonce has expired or is invalid")]
    ReauthenticationNotValid,
    #[error("The server is busy; try again in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u64 },
    /// A route that clients know and that this release does not serve.
    #[error("{message}")]
    Unavailable {
        code: &'static str,
        status: u16,
        message: &'static str,
    },
    #[error(transparent)]
    Database(Arc<plinth_db::Error>),
    #[error("{0}")]
    Internal(String),
}

impl AuthError {
    /// `validation_failed` with this message.
    pub(crate) fn validation(message: impl Into<String>) -> AuthError {
        AuthError::Validation(message.into())
    }
}

impl From<plinth_db::Error> for AuthError {
    fn from(error: plinth_db::Error) -> AuthError {
        use plinth_db::Error;
        match error {
            Error::Busy {
                retry_after_seconds,
            } => AuthError::Busy {
                retry_after_seconds,
            },
            Error::Sql(sql) if sql.code == "23505" => match sql.constraint.as_deref() {
                Some("users_email_partial_key") => AuthError::EmailExists,
                Some("users_phone_key") => AuthError::PhoneExists,
                Some("users_pkey") => AuthError::IdExists,
                _ => AuthError::Database(Arc::new(Error::Sql(sql))),
            },
            Error::Sql(_)
            | Error::Timeout
            | Error::Closed
            | Error::DiskFull
            | Error::Disk(_)
            | Error::Unavailable(_)
            | Error::Setup(_)
            | Error::Internal(_) => AuthError::Database(Arc::new(error)),
        }
    }
}
