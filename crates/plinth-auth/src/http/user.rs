//! `GET /user` and `PUT /user`: one's own account.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::Bearer;
use super::signup::by_email;
use super::{mail, redirect};
use crate::AuthApp;
use crate::attempts;
use crate::error::AuthError;
use crate::letters::Draft;
use crate::mail::Letter;
use crate::model::flow_state::Challenge;
use crate::model::one_time_token::{self, Purpose};
use crate::model::session::{self, Scope};
use crate::model::user::{self, Change, User};
use crate::passwords::Proof;
use crate::validate;

/// In a session younger than this a password changes without another proof.
const FRESH_SESSION: SignedDuration = SignedDuration::from_hours(24);

#[derive(Deserialize)]
struct Request {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    current_password: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    data: Option<Map<String, Value>>,
    app_metadata: Option<Value>,
}

pub(crate) async fn show(bearer: Bearer) -> Response {
    Json(bearer.user.to_json()).into_response()
}

pub(crate) async fn update(
    State(auth): State<AuthApp>,
    bearer: Bearer,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let Bearer { user, session_id } = bearer;
    if request.app_metadata.is_some() {
        return Err(AuthError::NotAdmin);
    }
    if request
        .phone
        .as_deref()
        .is_some_and(|phone| !phone.is_empty())
    {
        return Err(AuthError::PhoneDisabled);
    }
    let email = new_email(&user, request.email.as_deref())?;
    let proof_of_presence = Presence::of(&auth, &user, request.nonce);
    let guesses = proof_of_presence
        .token
        .is_some()
        .then(|| format!("code for {}", user.id));
    if let Some(guesses) = &guesses {
        attempts::begin(&auth.app.db, guesses).await?;
    }
    let letters = match &email {
        Some(email) if !auth.config.autoconfirm => {
            let challenge = validate::challenge(
                request.code_challenge.as_deref(),
                request.code_challenge_method.as_deref(),
            )?;
            Some(change_letters(&auth, email, challenge, &parameters, &headers).await?)
        }
        _ => None,
    };
    let password = new_password(&auth, &user, request.password, request.current_password).await?;

    let (data, now) = (request.data, auth.app.db.clock().now());
    let identity_ids = [Uuid::now_v7(), Uuid::now_v7()];
    let shared = auth.clone();
    let work = move |tx: &mut Transaction<'_>| -> Result<User, AuthError> {
        let user = user::by_id(tx, user.id)?.ok_or(AuthError::BearerGone)?;
        if password.is_some() {
            proof_of_presence.check(tx, &shared, user.id, session_id, now)?;
        }
        if let Some(email) = &email
            && user::email_is_taken(tx, email, Some(user.id))?
        {
            return Err(AuthError::EmailExists);
        }
        let mut user_metadata = None;
        if let Some(data) = &data {
            let mut merged = user.user_metadata.clone();
            validate::merge_metadata(&mut merged, data.clone())?;
            user_metadata = Some(merged);
        }
        let at_once = email.clone().filter(|_| letters.is_none());
        let change = Change {
            email_confirmed: at_once.is_some(),
            app_metadata: (at_once.is_some() && !user.app_metadata.contains_key("provider")).then(
                || {
                    let mut metadata = user.app_metadata.clone();
                    metadata.extend(by_email());
                    metadata
                },
            ),
            email: at_once,
            password: password.clone(),
            user_metadata,
            identity_ids,
            ..Change::default()
        };
        user::update(tx, &user, &change, now)?;
        if password.is_some() {
            session::end(tx, user.id, session_id.map_or(Scope::Global, Scope::Others))?;
        }
        if let (Some(email), Some((to_new, to_current))) = (&email, &letters) {
            user::await_email(tx, user.id, email, now)?;
            let user = user::by_id(tx, user.id)?.ok_or(AuthError::BearerGone)?;
            mail::send_change(tx, &shared, &user, (to_new, to_current), now)?;
        }
        user::by_id(tx, user.id)?.ok_or(AuthError::BearerGone)
    };
    let result = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await;
    if let Some(guesses) = &guesses
        && !matches!(result, Err(AuthError::ReauthenticationNotValid))
    {
        attempts::succeeded(&auth.app.db, guesses).await;
    }
    let user = result?;
    auth.wake_mail();
    Ok(Json(user.to_json()).into_response())
}

/// What shows that the owner is there, where a new password asks for it.
struct Presence {
    asked_for: bool,
    /// The link token that the code stands for.
    token: Option<String>,
}

impl Presence {
    fn of(auth: &AuthApp, user: &User, nonce: Option<String>) -> Presence {
        let address = user.email.as_deref().unwrap_or_default();
        let nonce = nonce.filter(|nonce| !nonce.is_empty());
        Presence {
            asked_for: auth.config.reauthenticate_to_change_password,
            token: nonce.map(|nonce| auth.mail_key.link_token(address, nonce.trim())),
        }
    }

    fn check(
        &self,
        tx: &mut Transaction<'_>,
        auth: &AuthApp,
        user_id: Uuid,
        session_id: Option<Uuid>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        if let Some(token) = &self.token {
            let found = one_time_token::find(tx, token)?.filter(|found| {
                found.user_id == user_id
                    && found.purpose == Purpose::Reauthentication
                    && now.duration_since(found.created_at).as_secs() <= auth.config.otp_seconds
            });
            found.ok_or(AuthError::ReauthenticationNotValid)?;
            return Ok(one_time_token::remove(
                tx,
                user_id,
                &[Purpose::Reauthentication],
            )?);
        }
        if !self.asked_for {
            return Ok(());
        }
        let opened = match session_id {
            Some(id) => session::opened_at(tx, id)?,
            None => None,
        };
        match opened {
            Some(opened) if now.duration_since(opened) < FRESH_SESSION => Ok(()),
            _ => Err(AuthError::ReauthenticationNeeded),
        }
    }
}

/// Letters to the address that is to come and to the one that goes.
async fn change_letters(
    auth: &AuthApp,
    email: &str,
    challenge: Option<Challenge>,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<(Draft, Draft), AuthError> {
    if !auth.config.mailer.is_on() {
        return Err(AuthError::MailDisabled);
    }
    let redirect_to = redirect::choose(&auth.config, parameters, headers);
    let to_new = Draft::new(Letter::EmailChange, &redirect_to, challenge)?;
    let to_current = to_new.to_current_address()?;
    mail::pace(auth, email).await?;
    Ok((to_new, to_current))
}

/// The address to change to.
fn new_email(user: &User, text: Option<&str>) -> Result<Option<String>, AuthError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let email = validate::email(text)?;
    Ok(Some(email).filter(|email| user.email.as_ref() != Some(email)))
}

/// The hash to store. The current password is asked for only when it is sent.
async fn new_password(
    auth: &AuthApp,
    user: &User,
    password: Option<String>,
    current: Option<String>,
) -> Result<Option<String>, AuthError> {
    let Some(password) = password else {
        return Ok(None);
    };
    validate::new_password(&password, &auth.config)?;
    let stored = user.password.as_deref();
    if let Some(current) = current.filter(|current| !current.is_empty()) {
        let account = user.email.clone().unwrap_or_else(|| user.id.to_string());
        attempts::begin(&auth.app.db, &account).await?;
        let proof = match validate::password_fits(&current) {
            Ok(()) => auth.passwords.prove(&current, stored).await,
            Err(_) => Ok(Proof::Wrong),
        };
        if matches!(proof, Ok(Proof::Wrong)) {
            return Err(AuthError::CurrentPasswordInvalid);
        }
        attempts::succeeded(&auth.app.db, &account).await;
        proof?;
    }
    if stored.is_some() && auth.passwords.prove(&password, stored).await? != Proof::Wrong {
        return Err(AuthError::SamePassword);
    }
    auth.passwords.hash(&password).await.map(Some)
}
