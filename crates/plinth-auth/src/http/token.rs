//! `POST /token`: signing in with a password or the code of a link, and refreshing.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use plinth_db::Transaction;
use serde::Deserialize;
use uuid::Uuid;

use super::body::Parameters;
use super::caller::Key;
use super::{body, session};
use crate::AuthApp;
use crate::attempts;
use crate::error::AuthError;
use crate::model::flow_state;
use crate::model::refresh::{self, Exchange};
use crate::model::session::{Session, open};
use crate::model::user::{self, User};
use crate::passwords::Proof;
use crate::validate;

/// Shorter texts are not even looked at; both kinds of token that clients know are longer.
const SHORTEST_REFRESH_TOKEN: usize = 12;
/// A password may change between its proof and the transaction; then it is proved once more.
const MAX_PROOFS: usize = 2;

#[derive(Deserialize)]
struct PasswordRequest {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct RefreshRequest {
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct CodeRequest {
    auth_code: Option<String>,
    code_verifier: Option<String>,
}

pub(crate) async fn token(
    State(auth): State<AuthApp>,
    _: Key,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AuthError> {
    match parameters.get("grant_type").unwrap_or_default() {
        "password" => {
            let request = body::json(&auth, body).await?;
            let agent = headers
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok());
            by_password(&auth, request, agent).await
        }
        "refresh_token" => by_refresh_token(&auth, body::json(&auth, body).await?).await,
        "pkce" => {
            let agent = headers
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok());
            by_code(&auth, body::json(&auth, body).await?, agent).await
        }
        "id_token" => Err(AuthError::Unavailable {
            code: "provider_disabled",
            status: 400,
            message: "Signing in with other providers is not available on this server yet",
        }),
        "web3" => Err(AuthError::Unavailable {
            code: "web3_provider_disabled",
            status: 422,
            message: "Web3 provider is disabled",
        }),
        _ => Err(AuthError::UnsupportedGrant),
    }
}

async fn by_password(
    auth: &AuthApp,
    request: PasswordRequest,
    agent: Option<&str>,
) -> Result<Response, AuthError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let email = match (given(request.email), given(request.phone)) {
        (Some(email), None) => email,
        (None, Some(_)) => return Err(AuthError::PhoneDisabled),
        (Some(_), Some(_)) => {
            return Err(AuthError::validation(
                "Only an email address or phone number should be provided on login.",
            ));
        }
        (None, None) => return Err(AuthError::validation("missing email or phone")),
    };
    // No account has an address that is none, so nothing is told.
    let email = validate::email(&email).map_err(|_| AuthError::InvalidCredentials)?;
    let password = request.password.unwrap_or_default();
    for _ in 0..MAX_PROOFS {
        let (user, upgrade) = prove(auth, &email, &password).await?;
        let now = auth.app.db.clock().now();
        if user.is_banned(now) {
            return Err(AuthError::Banned);
        }
        if user.confirmed_at.is_none() {
            return Err(AuthError::EmailNotConfirmed);
        }
        if let Some((user, opened)) = sign_in(auth, user, upgrade, agent, now).await? {
            return Ok(session::answer(auth, &user, &opened, now));
        }
    }
    Err(AuthError::InvalidCredentials)
}

/// The account whose address and password these are, and a better hash to store.
async fn prove(
    auth: &AuthApp,
    email: &str,
    password: &str,
) -> Result<(User, Option<String>), AuthError> {
    attempts::begin(&auth.app.db, email).await?;
    let checked = async {
        validate::password_fits(password).map_err(|_| AuthError::InvalidCredentials)?;
        let user = user::find_by_email(&auth.app.db, email).await?;
        let stored = user.as_ref().and_then(|user| user.password.as_deref());
        let proof = auth.passwords.prove(password, stored).await?;
        match (user, proof) {
            (Some(user), Proof::Right { upgrade }) => Ok((user, upgrade)),
            (None, _) | (_, Proof::Wrong) => Err(AuthError::InvalidCredentials),
        }
    }
    .await;
    if !matches!(checked, Err(AuthError::InvalidCredentials)) {
        attempts::succeeded(&auth.app.db, email).await;
    }
    checked
}

/// Opens a session; none when the password is no longer what was proved: it was changed, or another sign-in stored
/// a better hash of it.
async fn sign_in(
    auth: &AuthApp,
    user: User,
    upgrade: Option<String>,
    agent: Option<&str>,
    now: Timestamp,
) -> Result<Option<(User, Session)>, AuthError> {
    let (session_id, key, agent) = (
        Uuid::now_v7(),
        auth.refresh_key.clone(),
        agent.map(str::to_owned),
    );
    let work = move |tx: &mut Transaction<'_>| -> Result<Option<(User, Session)>, AuthError> {
        let current = user::by_id(tx, user.id)?.ok_or(AuthError::InvalidCredentials)?;
        if current.password != user.password {
            return Ok(None);
        }
        let opened = open(
            tx,
            &key,
            session_id,
            user.id,
            agent.as_deref(),
            "password",
            now,
        )?;
        user::signed_in(tx, &user, upgrade.as_deref(), now)?;
        let user = user::by_id(tx, user.id)?.ok_or(AuthError::InvalidCredentials)?;
        Ok(Some((user, opened)))
    };
    auth.app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await
}

/// The end of a flow with a code challenge.
async fn by_code(
    auth: &AuthApp,
    request: CodeRequest,
    agent: Option<&str>,
) -> Result<Response, AuthError> {
    let (Some(code), Some(verifier)) = (
        request.auth_code.filter(|text| !text.is_empty()),
        request.code_verifier.filter(|text| !text.is_empty()),
    ) else {
        return Err(AuthError::validation(
            "invalid request: both auth code and code verifier should be non-empty",
        ));
    };
    let (session_id, key, agent) = (
        Uuid::now_v7(),
        auth.refresh_key.clone(),
        agent.map(str::to_owned),
    );
    let now = auth.app.db.clock().now();
    let work = move |tx: &mut Transaction<'_>| -> Result<(User, Session), AuthError> {
        let flow = flow_state::exchange(tx, &code, &verifier, now)?;
        let user = user::by_id(tx, flow.user_id)?.ok_or(AuthError::FlowStateNotFound)?;
        if user.is_banned(now) {
            return Err(AuthError::Banned);
        }
        let agent = agent.as_deref();
        let opened = open(tx, &key, session_id, user.id, agent, &flow.method, now)?;
        user::signed_in(tx, &user, None, now)?;
        let user = user::by_id(tx, user.id)?.ok_or(AuthError::FlowStateNotFound)?;
        Ok((user, opened))
    };
    let (user, opened) = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    Ok(session::answer(auth, &user, &opened, now))
}

async fn by_refresh_token(auth: &AuthApp, request: RefreshRequest) -> Result<Response, AuthError> {
    let text = request.refresh_token.unwrap_or_default();
    if text.len() < SHORTEST_REFRESH_TOKEN {
        return Err(AuthError::validation("Refresh token is not valid"));
    }
    let token = auth
        .refresh_key
        .read(&text)
        .ok_or(AuthError::RefreshTokenNotFound)?;
    let (key, now) = (auth.refresh_key.clone(), auth.app.db.clock().now());
    let reuse = SignedDuration::from_secs(auth.config.refresh_reuse_seconds);
    let work = move |tx: &mut Transaction<'_>| -> Result<Exchange, AuthError> {
        Ok(refresh::exchange(tx, &key, token, &text, reuse, now)?)
    };
    match auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?
    {
        Exchange::Done(done) => Ok(session::answer(auth, &done.1, &done.0, now)),
        Exchange::Refused(error) => Err(error),
    }
}
