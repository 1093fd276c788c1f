//! `POST /signup`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::Key;
use super::{mail, redirect, session};
use crate::AuthApp;
use crate::error::AuthError;
use crate::letters::Draft;
use crate::mail::Letter;
use crate::model::mail_queue;
use crate::model::session::{Session, open};
use crate::model::user::{self, Change, NewUser, User};
use crate::validate;

#[derive(Deserialize)]
struct Request {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    data: Option<Map<String, Value>>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// What came of it.
enum Outcome {
    SignedIn(Box<(User, Session)>),
    /// The account waits for its address to be confirmed.
    Waiting(Box<User>),
    Known,
}

pub(crate) async fn signup(
    State(auth): State<AuthApp>,
    _: Key,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    if auth.config.disable_signup {
        return Err(AuthError::SignupDisabled);
    }
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut user_metadata = Map::new();
    validate::merge_metadata(&mut user_metadata, request.data.clone().unwrap_or_default())?;
    let Some((email, password)) = credentials(&auth, &request)? else {
        return anonymous(&auth, user_metadata, agent).await;
    };
    let challenge = validate::challenge(
        request.code_challenge.as_deref(),
        request.code_challenge_method.as_deref(),
    )?;
    let autoconfirm = auth.config.autoconfirm;
    user_metadata.insert("email_verified".to_owned(), Value::Bool(autoconfirm));

    // Before it is known whether the address is taken, so that the answer takes as long either way.
    let hash = auth.passwords.hash(&password).await?;
    let sends = !autoconfirm && auth.config.mailer.is_on();
    let now = if sends {
        mail::pace(&auth, &email).await?
    } else {
        auth.app.db.clock().now()
    };
    let new = NewUser {
        email: Some(email.clone()),
        email_confirmed: autoconfirm,
        password: Some(hash),
        app_metadata: by_email(),
        ..nobody(user_metadata, now)
    };
    let pretended = User::pretended(&new);
    let redirect_to = redirect::choose(&auth.config, &parameters, &headers);
    let letter = if sends {
        Some(Draft::new(Letter::Confirmation, &redirect_to, challenge)?)
    } else {
        None
    };
    let (session_id, shared) = (Uuid::now_v7(), auth.clone());
    let work = move |tx: &mut Transaction<'_>| -> Result<Outcome, AuthError> {
        let waiting = match user::by_email(tx, &email)? {
            Some(user) if letter.is_some() && !user.is_email_confirmed() => {
                // Nobody proved this address yet, so nobody's account is taken: the newest sign-up is the one that
                // its letter confirms, with the password chosen in it.
                let change = Change {
                    password: new.password.clone(),
                    user_metadata: Some(new.user_metadata.clone()),
                    ..Change::default()
                };
                user::update(tx, &user, &change, now)?;
                user.id
            }
            Some(_) => {
                if letter.is_some() {
                    mail_queue::pretend(tx, Uuid::nil(), now)?;
                }
                return Ok(Outcome::Known);
            }
            None => {
                user::insert(tx, &new)?;
                new.id
            }
        };
        let user = user::by_id(tx, waiting)?.ok_or_else(gone)?;
        if autoconfirm {
            return sign_in(
                tx,
                &shared,
                &user,
                session_id,
                agent.as_deref(),
                "password",
                now,
            );
        }
        if let Some(letter) = &letter {
            letter.begin_flow(tx, now)?;
            letter.send(tx, &shared, &user, &email, now)?;
        }
        let user = user::by_id(tx, waiting)?.ok_or_else(gone)?;
        Ok(Outcome::Waiting(Box::new(user)))
    };
    let outcome = match auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await
    {
        // Two sign-ups with one address at the same moment.
        Err(AuthError::EmailExists) => Outcome::Known,
        other => other?,
    };
    auth.wake_mail();
    match outcome {
        Outcome::SignedIn(made) => Ok(session::answer(&auth, &made.0, &made.1, now)),
        Outcome::Waiting(user) => Ok(Json(user.to_json()).into_response()),
        Outcome::Known if autoconfirm => Err(AuthError::AlreadyRegistered),
        Outcome::Known => Ok(Json(pretended.to_json()).into_response()),
    }
}

/// An account without an address: a session that can become somebody's later.
async fn anonymous(
    auth: &AuthApp,
    user_metadata: Map<String, Value>,
    agent: Option<String>,
) -> Result<Response, AuthError> {
    if !auth.config.anonymous_sign_ins {
        return Err(AuthError::AnonymousDisabled);
    }
    let now = auth.app.db.clock().now();
    let new = NewUser {
        is_anonymous: true,
        ..nobody(user_metadata, now)
    };
    let (session_id, shared) = (Uuid::now_v7(), auth.clone());
    let work = move |tx: &mut Transaction<'_>| -> Result<Outcome, AuthError> {
        user::insert(tx, &new)?;
        let user = user::by_id(tx, new.id)?.ok_or_else(gone)?;
        sign_in(
            tx,
            &shared,
            &user,
            session_id,
            agent.as_deref(),
            "anonymous",
            now,
        )
    };
    let outcome = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    match outcome {
        Outcome::SignedIn(made) => Ok(session::answer(auth, &made.0, &made.1, now)),
        Outcome::Waiting(_) | Outcome::Known => Err(gone()),
    }
}

fn sign_in(
    tx: &mut Transaction<'_>,
    auth: &AuthApp,
    user: &User,
    session_id: Uuid,
    agent: Option<&str>,
    method: &str,
    now: Timestamp,
) -> Result<Outcome, AuthError> {
    let session = open(
        tx,
        &auth.refresh_key,
        session_id,
        user.id,
        agent,
        method,
        now,
    )?;
    user::signed_in(tx, user, None, now)?;
    let user = user::by_id(tx, user.id)?.ok_or_else(gone)?;
    Ok(Outcome::SignedIn(Box::new((user, session))))
}

/// A new account with no way to sign in.
pub(crate) fn nobody(user_metadata: Map<String, Value>, now: Timestamp) -> NewUser {
    NewUser {
        id: Uuid::new_v4(),
        identity_ids: [Uuid::now_v7(), Uuid::now_v7()],
        aud: "authenticated".to_owned(),
        role: "authenticated".to_owned(),
        email: None,
        email_confirmed: false,
        phone: None,
        phone_confirmed: false,
        password: None,
        app_metadata: Map::new(),
        user_metadata,
        banned_until: None,
        is_anonymous: false,
        at: now,
    }
}

fn gone() -> AuthError {
    AuthError::Internal("a new account is gone at once: does a trigger delete it?".to_owned())
}

/// How an account that signs in with an address and a password is marked.
pub(crate) fn by_email() -> Map<String, Value> {
    Map::from_iter([
        ("provider".to_owned(), json!("email")),
        ("providers".to_owned(), json!(["email"])),
    ])
}

/// Address and password; none for an anonymous sign-in.
fn credentials(auth: &AuthApp, request: &Request) -> Result<Option<(String, String)>, AuthError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = match (given(&request.email), given(&request.phone)) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(AuthError::PhoneDisabled),
        (Some(_), Some(_)) => {
            return Err(AuthError::validation(
                "Only an email address or phone number should be provided on signup.",
            ));
        }
        (Some(email), None) => validate::email(&email)?,
    };
    let password = given(&request.password)
        .ok_or_else(|| AuthError::validation("Signup requires a valid password"))?;
    validate::new_password(&password, &auth.config)?;
    Ok(Some((email, password)))
}
