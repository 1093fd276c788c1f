//! `POST /invite` and `POST /admin/generate_link`: letters and links on an administrator's word.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use plinth_db::{Session, Transaction};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::Admin;
use super::redirect;
use super::signup::{by_email, nobody};
use crate::AuthApp;
use crate::error::AuthError;
use crate::letters::{Draft, Written, verification_type};
use crate::mail::Letter;
use crate::model::user::{self, NewUser, User};
use crate::validate;

#[derive(Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "type")]
    kind: Option<String>,
    email: Option<String>,
    new_email: Option<String>,
    password: Option<String>,
    data: Option<Map<String, Value>>,
    redirect_to: Option<String>,
}

/// Makes an account without a password and sends its owner a link.
pub(crate) async fn invite(
    State(auth): State<AuthApp>,
    _: Admin,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    if !auth.config.mailer.is_on() {
        return Err(AuthError::MailDisabled);
    }
    let email = validate::email(request.email.as_deref().unwrap_or_default())?;
    let redirect_to = redirect::choose(&auth.config, &parameters, &headers);
    let draft = Draft::new(Letter::Invitation, &redirect_to, None)?;
    let new = invited(&auth, &email, request.data)?;
    let (shared, now) = (auth.clone(), new.at);
    let work = move |tx: &mut Transaction<'_>| -> Result<User, AuthError> {
        let user = find_or_make(tx, &email, &new)?;
        if user.is_email_confirmed() {
            return Err(AuthError::EmailExists);
        }
        draft.send(tx, &shared, &user, &email, now)?;
        user::by_id(tx, user.id)?.ok_or(AuthError::UserNotFound)
    };
    let user = auth.app.db.transaction(&Session::system(), work).await?;
    auth.wake_mail();
    Ok(Json(user.to_json()))
}

/// Gives an administrator the link that a letter would carry.
pub(crate) async fn generate(
    State(auth): State<AuthApp>,
    _: Admin,
    parameters: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let email = validate::email(request.email.as_deref().unwrap_or_default())?;
    let asked = request
        .redirect_to
        .as_deref()
        .or_else(|| parameters.get("redirect_to"));
    let redirect_to = redirect::choose(&auth.config, &Parameters::redirect_to(asked), &headers);
    let kind = request.kind.as_deref().unwrap_or_default();
    let letter = match kind {
        "signup" => Letter::Confirmation,
        "invite" => Letter::Invitation,
        "magiclink" => Letter::MagicLink,
        "recovery" => Letter::Recovery,
        "email_change_current" | "email_change_new" => Letter::EmailChange,
        _ => {
            return Err(AuthError::validation(
                "Invalid email action link type requested: use signup, invite, magiclink, recovery, email_change_current or email_change_new",
            ));
        }
    };
    let new_email = match (letter, request.new_email.as_deref()) {
        (Letter::EmailChange, text) => Some(validate::email(text.unwrap_or_default())?),
        _ => None,
    };
    let mut new = invited(&auth, &email, request.data)?;
    if letter == Letter::Confirmation {
        let password = request.password.filter(|text| !text.is_empty());
        let password =
            password.ok_or_else(|| AuthError::validation("Signup requires a valid password"))?;
        validate::new_password(&password, &auth.config)?;
        new.password = Some(auth.passwords.hash(&password).await?);
    }
    let draft = Draft::new(letter, &redirect_to, None)?;
    let sign_up = Draft::new(Letter::Confirmation, &redirect_to, None)?;
    let to_current = draft.to_current_address()?;
    let is_current = kind == "email_change_current";
    let (shared, now) = (auth.clone(), new.at);
    let work = move |tx: &mut Transaction<'_>| -> Result<(User, Written, Letter), AuthError> {
        let known = user::by_email(tx, &email)?;
        let (mut user, draft, letter) = match (letter, known) {
            (Letter::Confirmation | Letter::Invitation, Some(user))
                if user.is_email_confirmed() =>
            {
                return Err(AuthError::EmailExists);
            }
            (Letter::Confirmation | Letter::Invitation, _) => {
                (find_or_make(tx, &email, &new)?, &draft, letter)
            }
            (Letter::MagicLink, None) => (
                find_or_make(tx, &email, &new)?,
                &sign_up,
                Letter::Confirmation,
            ),
            (_, Some(user)) => (user, &draft, letter),
            (_, None) => return Err(AuthError::UserNotFound),
        };
        let mut to = email.as_str();
        if let Some(new_email) = &new_email {
            if user::email_is_taken(tx, new_email, Some(user.id))? {
                return Err(AuthError::EmailExists);
            }
            user::await_email(tx, user.id, new_email, now)?;
            user = user::by_id(tx, user.id)?.ok_or(AuthError::UserNotFound)?;
            to = if is_current { to } else { new_email };
        }
        let draft = if is_current { &to_current } else { draft };
        let written = draft.store(tx, &shared, &user, to, now)?;
        let user = user::by_id(tx, user.id)?.ok_or(AuthError::UserNotFound)?;
        Ok((user, written, letter))
    };
    let (user, written, letter) = auth.app.db.transaction(&Session::system(), work).await?;
    let mut answer = user.to_json();
    answer["action_link"] = json!(written.link);
    answer["email_otp"] = json!(written.code);
    answer["hashed_token"] = json!(written.token);
    answer["verification_type"] = json!(match letter {
        Letter::EmailChange if is_current => "email_change_current",
        Letter::EmailChange => "email_change_new",
        other => verification_type(other),
    });
    answer["redirect_to"] = json!(redirect_to);
    Ok(Json(answer))
}

fn invited(
    auth: &AuthApp,
    email: &str,
    data: Option<Map<String, Value>>,
) -> Result<NewUser, AuthError> {
    let mut user_metadata = Map::new();
    validate::merge_metadata(&mut user_metadata, data.unwrap_or_default())?;
    let now = auth.app.db.clock().now();
    Ok(NewUser {
        email: Some(email.to_owned()),
        app_metadata: by_email(),
        ..nobody(user_metadata, now)
    })
}

fn find_or_make(tx: &mut Transaction<'_>, email: &str, new: &NewUser) -> Result<User, AuthError> {
    if let Some(user) = user::by_email(tx, email)? {
        return Ok(user);
    }
    user::insert(tx, new)?;
    let id: Uuid = new.id;
    user::by_id(tx, id)?.ok_or(AuthError::UserNotFound)
}
