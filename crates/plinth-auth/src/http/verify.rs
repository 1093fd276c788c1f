//! `/verify`: codes that people type and links that they follow.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::Key;
use super::signup::by_email;
use super::{redirect, session};
use crate::AuthApp;
use crate::attempts;
use crate::error::AuthError;
use crate::letters::PKCE_PREFIX;
use crate::model::flow_state;
use crate::model::one_time_token::{self, OneTimeToken, Purpose};
use crate::model::session::{Session, open};
use crate::model::user::{self, Change, User};
use crate::validate;

const TYPED: AuthError = AuthError::OtpExpired("Token has expired or is invalid");
const LINKED: AuthError = AuthError::OtpExpired("Email link is invalid or has expired");
const HALF_DONE: &str =
    "Confirmation link accepted. Please proceed to confirm link sent to the other email";

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: Option<String>,
    token: Option<String>,
    token_hash: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// What a token led to.
enum Outcome {
    SignedIn(Box<(User, Session)>),
    /// A code to exchange, for the client that began with a code challenge.
    Code(String),
    /// The first of two confirmations.
    Half,
}

/// A token, and how it came.
#[derive(Clone)]
struct Presented {
    purposes: &'static [Purpose],
    /// Without the mark of a code challenge.
    token: String,
    agent: Option<String>,
    /// A link ends in a code where its flow asks for one; a typed code always in a session.
    by_link: bool,
}

/// `POST`: a typed code with its address, or the token of a link.
pub(crate) async fn by_code(
    State(auth): State<AuthApp>,
    _: Key,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let purposes = purposes(given(request.kind).as_deref())?;
    if given(request.phone).is_some() {
        return Err(AuthError::PhoneDisabled);
    }
    let agent = agent(&headers);
    let (token, address) = match (
        given(request.token_hash),
        given(request.token),
        given(request.email),
    ) {
        (Some(hash), None, None) => (bare(&hash), None),
        (None, Some(code), Some(email)) => {
            let email = validate::email(&email)?;
            (auth.mail_key.link_token(&email, code.trim()), Some(email))
        }
        (Some(_), _, _) => {
            return Err(AuthError::validation(
                "Only the token_hash and type should be provided",
            ));
        }
        (None, _, _) => {
            return Err(AuthError::validation(
                "Only an email address or phone number should be provided on verify",
            ));
        }
    };
    // Six digits are guessed in a million tries: each address has ten in ten minutes, whichever kind of code it is.
    let account = address.map(|address| format!("code for {address}"));
    if let Some(account) = &account {
        attempts::begin(&auth.app.db, account).await?;
    }
    let presented = Presented {
        purposes,
        token,
        agent,
        by_link: false,
    };
    let result = present(&auth, presented).await;
    if let Some(account) = &account
        && !matches!(result, Err(AuthError::OtpExpired(_)))
    {
        attempts::succeeded(&auth.app.db, account).await;
    }
    let now = auth.app.db.clock().now();
    match result? {
        Outcome::SignedIn(made) => Ok(session::answer(&auth, &made.0, &made.1, now)),
        Outcome::Half => Ok(Json(json!({ "msg": HALF_DONE, "code": "200" })).into_response()),
        Outcome::Code(code) => Ok(Json(json!({ "code": code })).into_response()),
    }
}

/// `GET`: a link. Answers by leading back to the application, with a session, a code, or an error.
pub(crate) async fn by_link(
    State(auth): State<AuthApp>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Response {
    let target = redirect::choose(&auth.config, &parameters, &headers);
    let sent = parameters.get("token").unwrap_or_default();
    let has_challenge = sent.starts_with(PKCE_PREFIX);
    let result = match purposes(parameters.get("type")) {
        Ok(purposes) if !sent.is_empty() => {
            let presented = Presented {
                purposes,
                token: bare(sent),
                agent: agent(&headers),
                by_link: true,
            };
            present(&auth, presented).await
        }
        Ok(_) => Err(AuthError::validation(
            "Verify requires a token or a token hash",
        )),
        Err(error) => Err(error),
    };
    let kind = parameters.get("type").unwrap_or_default();
    let url = match result {
        Ok(Outcome::SignedIn(made)) => {
            let fields = session::fields(&auth, &made.0, &made.1, auth.app.db.clock().now());
            let text = |name: &str| match &fields[name] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let names = [
                "access_token",
                "expires_at",
                "expires_in",
                "refresh_token",
                "token_type",
            ];
            let values = names.map(|name| (name, text(name)));
            let mut pairs: Vec<(&str, &str)> = values
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            pairs.push(("type", kind));
            redirect::with_fragment(&target, &pairs)
        }
        Ok(Outcome::Code(code)) => redirect::with_query(&target, &[("code", &code)]),
        Ok(Outcome::Half) => redirect::with_fragment(&target, &[("message", HALF_DONE)]),
        Err(error) => {
            let error = match error {
                AuthError::OtpExpired(_) => LINKED,
                other => other,
            };
            let told = super::error::in_redirect(&error);
            let pairs = [
                ("error", told.kind),
                ("error_code", told.code),
                ("error_description", told.description.as_str()),
            ];
            let url = redirect::with_fragment(&target, &pairs);
            if has_challenge {
                redirect::with_query(&url, &pairs)
            } else {
                url
            }
        }
    };
    Redirect::to(&url).into_response()
}

async fn present(auth: &AuthApp, presented: Presented) -> Result<Outcome, AuthError> {
    let (shared, now) = (auth.clone(), auth.app.db.clock().now());
    let (session_id, code) = (Uuid::now_v7(), Uuid::new_v4().to_string());
    let identity_ids = [Uuid::now_v7(), Uuid::now_v7()];
    let work = move |tx: &mut Transaction<'_>| -> Result<Outcome, AuthError> {
        let auth = &shared;
        let token = one_time_token::find(tx, &presented.token)?.ok_or(TYPED)?;
        let lifetime = SignedDuration::from_secs(auth.config.otp_seconds);
        if !presented.purposes.contains(&token.purpose)
            || now.duration_since(token.created_at) > lifetime
        {
            return Err(TYPED);
        }
        let user = user::by_id(tx, token.user_id)?.ok_or(TYPED)?;
        if user.is_banned(now) {
            return Err(AuthError::BearerBanned);
        }
        one_time_token::remove(tx, user.id, &[token.purpose])?;
        if !prove(tx, auth, &user, &token, identity_ids, now)? {
            return Ok(Outcome::Half);
        }
        if let (true, Some(flow)) = (presented.by_link, token.flow_state_id) {
            if !flow_state::issue(tx, flow, user.id, &code, now)? {
                return Err(AuthError::FlowStateNotFound);
            }
            return Ok(Outcome::Code(code.clone()));
        }
        let agent = presented.agent.as_deref();
        let opened = open(
            tx,
            &auth.refresh_key,
            session_id,
            user.id,
            agent,
            "otp",
            now,
        )?;
        user::signed_in(tx, &user, None, now)?;
        let user = user::by_id(tx, user.id)?.ok_or(TYPED)?;
        Ok(Outcome::SignedIn(Box::new((user, opened))))
    };
    auth.app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await
}

/// Carries out what a token proves; false while another proof is awaited.
fn prove(
    tx: &mut Transaction<'_>,
    auth: &AuthApp,
    user: &User,
    token: &OneTimeToken,
    identity_ids: [Uuid; 2],
    now: Timestamp,
) -> Result<bool, AuthError> {
    let address = match token.purpose {
        Purpose::Confirmation | Purpose::Recovery if user.is_email_confirmed() => return Ok(true),
        Purpose::Confirmation | Purpose::Recovery => user.email.clone(),
        Purpose::NewEmail | Purpose::CurrentEmail => {
            let other = match token.purpose {
                Purpose::NewEmail => Purpose::CurrentEmail,
                _ => Purpose::NewEmail,
            };
            if auth.config.double_confirm_changes && one_time_token::waits(tx, user.id, other)? {
                return Ok(false);
            }
            one_time_token::remove(tx, user.id, &[other])?;
            user.new_email.clone()
        }
        Purpose::Reauthentication => return Err(TYPED),
    };
    let Some(address) = address else {
        return Err(TYPED);
    };
    if user::email_is_taken(tx, &address, Some(user.id))? {
        return Err(AuthError::EmailExists);
    }
    let mut user_metadata = user.user_metadata.clone();
    user_metadata.insert("email_verified".to_owned(), Value::Bool(true));
    let change = Change {
        email: Some(address),
        email_confirmed: true,
        user_metadata: Some(user_metadata),
        app_metadata: (!user.app_metadata.contains_key("provider")).then(|| {
            let mut metadata = user.app_metadata.clone();
            metadata.extend(by_email());
            metadata
        }),
        identity_ids,
        ..Change::default()
    };
    user::update(tx, user, &change, now)?;
    Ok(true)
}

fn purposes(kind: Option<&str>) -> Result<&'static [Purpose], AuthError> {
    match kind {
        Some("signup" | "invite") => Ok(&[Purpose::Confirmation]),
        Some("magiclink" | "recovery") => Ok(&[Purpose::Recovery]),
        Some("email") => Ok(&[Purpose::Confirmation, Purpose::Recovery]),
        Some("email_change") => Ok(&[Purpose::NewEmail, Purpose::CurrentEmail]),
        Some("sms" | "phone_change") => Err(AuthError::PhoneDisabled),
        Some(_) => Err(AuthError::validation("Unsupported verification type")),
        None => Err(AuthError::validation("Verify requires a verification type")),
    }
}

fn bare(token: &str) -> String {
    token.strip_prefix(PKCE_PREFIX).unwrap_or(token).to_owned()
}

fn agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(agent.to_owned())
}
