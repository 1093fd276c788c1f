//! `POST /signup`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Response};
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::caller::Key;
use super::{body, session};
use crate::AuthApp;
use crate::error::AuthError;
use crate::model::session::{Session, open};
use crate::model::user::{self, NewUser, User};
use crate::validate;

#[derive(Deserialize)]
struct Request {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    data: Option<Map<String, Value>>,
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
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    if auth.config.disable_signup {
        return Err(AuthError::SignupDisabled);
    }
    let (email, password) = credentials(&auth, &request)?;
    let mut user_metadata = Map::new();
    validate::merge_metadata(&mut user_metadata, request.data.unwrap_or_default())?;
    let autoconfirm = auth.config.autoconfirm;
    user_metadata.insert("email_verified".to_owned(), Value::Bool(autoconfirm));

    // Before it is known whether the address is taken, so that the answer takes as long either way.
    let hash = auth.passwords.hash(&password).await?;
    let now = auth.app.db.clock().now();
    let new = NewUser {
        id: Uuid::new_v4(),
        identity_ids: [Uuid::now_v7(), Uuid::now_v7()],
        aud: "authenticated".to_owned(),
        role: "authenticated".to_owned(),
        email: Some(email),
        email_confirmed: autoconfirm,
        phone: None,
        phone_confirmed: false,
        password: Some(hash),
        app_metadata: by_email(),
        user_metadata,
        banned_until: None,
        at: now,
    };
    let pretended = User::pretended(&new);
    let session_id = Uuid::now_v7();
    let agent = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let key = auth.refresh_key.clone();
    let work = move |tx: &mut Transaction<'_>| -> Result<Outcome, AuthError> {
        if user::email_is_taken(tx, new.email.as_deref().unwrap_or_default(), None)? {
            return Ok(Outcome::Known);
        }
        user::insert(tx, &new)?;
        let gone = || {
            AuthError::Internal(
                "a new account is gone at once: does a trigger delete it?".to_owned(),
            )
        };
        let user = user::by_id(tx, new.id)?.ok_or_else(gone)?;
        if !autoconfirm {
            return Ok(Outcome::Waiting(Box::new(user)));
        }
        let session = open(tx, &key, session_id, new.id, agent.as_deref(), now)?;
        user::signed_in(tx, &user, None, now)?;
        let user = user::by_id(tx, new.id)?.ok_or_else(gone)?;
        Ok(Outcome::SignedIn(Box::new((user, session))))
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
    match outcome {
        Outcome::SignedIn(made) => Ok(session::answer(&auth, &made.0, &made.1, now)),
        Outcome::Waiting(user) => Ok(Json(user.to_json()).into_response()),
        Outcome::Known if autoconfirm => Err(AuthError::AlreadyRegistered),
        Outcome::Known => Ok(Json(pretended.to_json()).into_response()),
    }
}

/// How an account that signs in with an address and a password is marked.
pub(crate) fn by_email() -> Map<String, Value> {
    Map::from_iter([
        ("provider".to_owned(), json!("email")),
        ("providers".to_owned(), json!(["email"])),
    ])
}

fn credentials(auth: &AuthApp, request: &Request) -> Result<(String, String), AuthError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = match (given(&request.email), given(&request.phone)) {
        (None, None) => return Err(AuthError::AnonymousDisabled),
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
    Ok((email, password))
}
