//! Requests for a letter: `POST /otp`, `/magiclink`, `/recover`, `/resend`, `GET /reauthenticate`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use jiff::Timestamp;
use plinth_db::{Session, Transaction};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::{Bearer, Key};
use super::redirect;
use super::signup::{by_email, nobody};
use crate::AuthApp;
use crate::error::AuthError;
use crate::letters::Draft;
use crate::mail::{Letter, count_letter};
use crate::model::mail_queue;
use crate::model::user::{self, NewUser, User};
use crate::validate;

#[derive(Deserialize)]
pub(crate) struct Request {
    email: Option<String>,
    phone: Option<String>,
    create_user: Option<bool>,
    data: Option<Map<String, Value>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// Signing in by a link or a code; makes the account unless told not to.
pub(crate) async fn otp(
    State(auth): State<AuthApp>,
    _: Key,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let (email, redirect_to) = begin(&auth, &request, &parameters, &headers)?;
    let challenge = challenge(&request)?;
    let create = request.create_user.unwrap_or(true) && !auth.config.disable_signup;
    let mut user_metadata = Map::new();
    validate::merge_metadata(&mut user_metadata, request.data.unwrap_or_default())?;
    let now = pace(&auth, &email).await?;
    let autoconfirm = auth.config.autoconfirm;
    user_metadata.insert("email_verified".to_owned(), Value::Bool(autoconfirm));
    let new = NewUser {
        email: Some(email.clone()),
        email_confirmed: autoconfirm,
        app_metadata: by_email(),
        ..nobody(user_metadata, now)
    };
    let known = Draft::new(Letter::MagicLink, &redirect_to, challenge.clone())?;
    let fresh = Draft::new(Letter::Confirmation, &redirect_to, challenge)?;
    send(&auth, move |tx, auth| {
        let user = match user::by_email(tx, &email)? {
            Some(user) => user,
            None if !create => return Err(AuthError::OtpDisabled),
            None => {
                user::insert(tx, &new)?;
                user::by_id(tx, new.id)?.ok_or(AuthError::UserNotFound)?
            }
        };
        let draft = if user.is_email_confirmed() {
            &known
        } else {
            &fresh
        };
        draft.begin_flow(tx, now)?;
        draft.send(tx, auth, &user, &email, now).map(|_| ())
    })
    .await
}

/// A forgotten password. Says the same of every address, and takes as long.
pub(crate) async fn recover(
    State(auth): State<AuthApp>,
    _: Key,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let (email, redirect_to) = begin(&auth, &request, &parameters, &headers)?;
    let draft = Draft::new(Letter::Recovery, &redirect_to, challenge(&request)?)?;
    let now = pace(&auth, &email).await?;
    send(&auth, move |tx, auth| {
        match user::by_email(tx, &email)? {
            Some(user) => {
                draft.begin_flow(tx, now)?;
                draft.send(tx, auth, &user, &email, now)?;
            }
            None => mail_queue::pretend(tx, Uuid::nil(), now)?,
        }
        Ok(())
    })
    .await
}

/// The letter of a sign-up or of a change of address once more.
pub(crate) async fn resend(
    State(auth): State<AuthApp>,
    _: Key,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let letter = match request.kind.as_deref() {
        Some("signup") => Letter::Confirmation,
        Some("email_change") => Letter::EmailChange,
        Some("sms" | "phone_change") => return Err(AuthError::PhoneDisabled),
        _ => {
            return Err(AuthError::validation(
                "Missing one of these types: signup, email_change, sms, phone_change",
            ));
        }
    };
    let (email, redirect_to) = begin(&auth, &request, &parameters, &headers)?;
    let draft = Draft::new(letter, &redirect_to, challenge(&request)?)?;
    let twin = draft.to_current_address()?;
    let now = pace(&auth, &email).await?;
    send(&auth, move |tx, auth| {
        let user = user::by_email(tx, &email)?;
        match user {
            Some(user) if letter == Letter::Confirmation && !user.is_email_confirmed() => {
                draft.begin_flow(tx, now)?;
                draft.send(tx, auth, &user, &email, now)?;
            }
            Some(user) if letter == Letter::EmailChange && user.new_email.is_some() => {
                send_change(tx, auth, &user, (&draft, &twin), now)?;
            }
            _ => mail_queue::pretend(tx, Uuid::nil(), now)?,
        }
        Ok(())
    })
    .await
}

/// A code that proves the owner's presence.
pub(crate) async fn reauthenticate(
    State(auth): State<AuthApp>,
    bearer: Bearer,
) -> Result<Json<Value>, AuthError> {
    if !auth.config.mailer.is_on() {
        return Err(AuthError::MailDisabled);
    }
    let Some(email) = bearer
        .user
        .email
        .clone()
        .filter(|_| bearer.user.is_email_confirmed())
    else {
        return Err(AuthError::validation(
            "Reauthentication requires the user to have an email or a phone number",
        ));
    };
    let draft = Draft::new(Letter::Reauthentication, &auth.config.site_url, None)?;
    let now = pace(&auth, &email).await?;
    let user = bearer.user;
    send(&auth, move |tx, auth| {
        draft.send(tx, auth, &user, &email, now).map(|_| ())
    })
    .await
}

/// Letters of a change of address: to the new one, and to the one that it replaces.
pub(crate) fn send_change(
    tx: &mut Transaction<'_>,
    auth: &AuthApp,
    user: &User,
    (to_new, to_current): (&Draft, &Draft),
    now: Timestamp,
) -> Result<(), AuthError> {
    let Some(new) = user.new_email.as_deref() else {
        return Ok(());
    };
    to_new.begin_flow(tx, now)?;
    to_new.send(tx, auth, user, new, now)?;
    if let Some(current) = user
        .email
        .as_deref()
        .filter(|_| auth.config.double_confirm_changes)
    {
        to_current.send(tx, auth, user, current, now)?;
    }
    Ok(())
}

/// Counts a letter to this address and says what time it is.
pub(crate) async fn pace(auth: &AuthApp, email: &str) -> Result<Timestamp, AuthError> {
    let (db, config) = (&auth.app.db, &auth.config);
    count_letter(
        db,
        email,
        config.mail_interval_seconds,
        config.mails_per_hour,
    )
    .await?;
    Ok(db.clock().now())
}

/// What every request for a letter has: an address and a place to return to.
fn begin(
    auth: &AuthApp,
    request: &Request,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<(String, String), AuthError> {
    if !auth.config.mailer.is_on() {
        return Err(AuthError::MailDisabled);
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = match (given(&request.email), given(&request.phone)) {
        (Some(email), None) => validate::email(&email)?,
        (None, Some(_)) => return Err(AuthError::PhoneDisabled),
        (Some(_), Some(_)) => {
            return Err(AuthError::validation(
                "Only an email address or phone number should be provided",
            ));
        }
        (None, None) => {
            return Err(AuthError::validation("One of email or phone must be set"));
        }
    };
    Ok((email, redirect::choose(&auth.config, parameters, headers)))
}

fn challenge(request: &Request) -> Result<Option<crate::model::flow_state::Challenge>, AuthError> {
    validate::challenge(
        request.code_challenge.as_deref(),
        request.code_challenge_method.as_deref(),
    )
}

/// Runs the cause of a letter in a transaction and lets the letter go.
async fn send(
    auth: &AuthApp,
    work: impl Fn(&mut Transaction<'_>, &AuthApp) -> Result<(), AuthError> + Send + Sync + 'static,
) -> Result<Json<Value>, AuthError> {
    let shared = auth.clone();
    auth.app
        .db
        .transaction(&Session::system(), move |tx| work(tx, &shared))
        .await?;
    auth.wake_mail();
    Ok(Json(json!({})))
}
