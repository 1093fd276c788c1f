//! `GET /user` and `PUT /user`: one's own account.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body;
use super::caller::Bearer;
use crate::AuthApp;
use crate::error::AuthError;
use crate::model::session::{self, Scope};
use crate::model::user::{self, Change, User};
use crate::passwords::Proof;
use crate::validate;

#[derive(Deserialize)]
struct Request {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    current_password: Option<String>,
    data: Option<Map<String, Value>>,
    app_metadata: Option<Value>,
}

pub(crate) async fn show(bearer: Bearer) -> Response {
    Json(bearer.user.to_json()).into_response()
}

pub(crate) async fn update(
    State(auth): State<AuthApp>,
    bearer: Bearer,
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
    let email = new_email(&auth, &user, request.email.as_deref())?;
    let password = new_password(&auth, &user, request.password, request.current_password).await?;

    let (data, now) = (request.data, auth.app.db.clock().now());
    let identity_ids = [Uuid::now_v7(), Uuid::now_v7()];
    let work = move |tx: &mut Transaction<'_>| -> Result<User, AuthError> {
        let user = user::by_id(tx, user.id)?.ok_or(AuthError::BearerGone)?;
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
        let change = Change {
            email: email.clone(),
            email_confirmed: email.is_some(),
            password: password.clone(),
            user_metadata,
            identity_ids,
            ..Change::default()
        };
        user::update(tx, &user, &change, now)?;
        if password.is_some() {
            session::end(tx, user.id, session_id.map_or(Scope::Global, Scope::Others))?;
        }
        user::by_id(tx, user.id)?.ok_or(AuthError::BearerGone)
    };
    let user = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    Ok(Json(user.to_json()).into_response())
}

/// The address to change to. It counts at once, so only where addresses need no proof.
fn new_email(auth: &AuthApp, user: &User, text: Option<&str>) -> Result<Option<String>, AuthError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let email = validate::email(text)?;
    if user.email.as_deref() == Some(email.as_str()) {
        return Ok(None);
    }
    if auth.config.autoconfirm {
        Ok(Some(email))
    } else {
        Err(AuthError::MailDisabled)
    }
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
        auth.attempts.begin(&account, auth.app.db.clock().now())?;
        let proof = match validate::password_fits(&current) {
            Ok(()) => auth.passwords.prove(&current, stored).await,
            Err(_) => Ok(Proof::Wrong),
        };
        if matches!(proof, Ok(Proof::Wrong)) {
            return Err(AuthError::CurrentPasswordInvalid);
        }
        auth.attempts.succeeded(&account);
        proof?;
    }
    if stored.is_some() && auth.passwords.prove(&password, stored).await? != Proof::Wrong {
        return Err(AuthError::SamePassword);
    }
    auth.passwords.hash(&password).await.map(Some)
}
