//! `/admin/users`: accounts as a trusted server sees them.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::LINK;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use plinth_db::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Parameters};
use super::caller::Admin;
use super::signup;
use crate::AuthApp;
use crate::error::AuthError;
use crate::model::session::{self, Scope};
use crate::model::user::{self, Ban, Change, NewUser, User};
use crate::passwords::is_importable;
use crate::validate;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// Accounts on a page when nothing is said, and at most.
const PAGE_DEFAULT: i64 = 50;
const PAGE_MAX: i64 = 1000;

/// The segment of the path that names the account; an error when it is no text.
type UserId = Result<Path<String>, PathRejection>;

/// Creating and changing take the same fields.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    id: Option<Uuid>,
    aud: Option<String>,
    role: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    email_confirm: bool,
    phone_confirm: bool,
    user_metadata: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    ban_duration: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Deletion {
    should_soft_delete: bool,
}

/// The fields of a request, checked.
struct Fields {
    email: Option<String>,
    phone: Option<String>,
    role: Option<String>,
    password: Option<String>,
    ban: Ban,
}

pub(crate) async fn list(
    State(auth): State<AuthApp>,
    _: Admin,
    parameters: Parameters,
) -> Result<Response, AuthError> {
    let page = number(&parameters, "page")?.unwrap_or(1).max(1);
    let per_page = number(&parameters, "per_page")?
        .unwrap_or(PAGE_DEFAULT)
        .clamp(1, PAGE_MAX);
    let found = user::page(&auth.app.db, page, per_page, parameters.get("filter")).await?;
    let users: Vec<Value> = found.users.iter().map(User::to_json).collect();
    let base = format!("{}/auth/v1/admin/users", auth.app.public_url);
    let mut response = Json(json!({ "users": users, "aud": "authenticated" })).into_response();
    let headers = response.headers_mut();
    headers.insert(TOTAL_COUNT, HeaderValue::from(found.total));
    if let Ok(links) = HeaderValue::try_from(links(&base, page, per_page, found.total)) {
        headers.insert(LINK, links);
    }
    Ok(response)
}

pub(crate) async fn show(
    State(auth): State<AuthApp>,
    _: Admin,
    id: UserId,
) -> Result<Response, AuthError> {
    let user = user::find(&auth.app.db, user_id(id)?)
        .await?
        .ok_or(AuthError::UserNotFound)?;
    Ok(Json(user.to_json()).into_response())
}

pub(crate) async fn create(
    State(auth): State<AuthApp>,
    _: Admin,
    body: Body,
) -> Result<Response, AuthError> {
    let request: Request = body::json(&auth, body).await?;
    let now = auth.app.db.clock().now();
    let fields = check(&auth, &request, now, false).await?;
    if fields.email.is_none() && fields.phone.is_none() {
        return Err(AuthError::validation(
            "Cannot create a user without either an email or phone",
        ));
    }
    let mut app_metadata = if fields.email.is_some() {
        signup::by_email()
    } else {
        by_phone()
    };
    validate::merge_metadata(&mut app_metadata, request.app_metadata.unwrap_or_default())?;
    let mut user_metadata = Map::new();
    validate::merge_metadata(
        &mut user_metadata,
        request.user_metadata.unwrap_or_default(),
    )?;
    if request.email_confirm && fields.email.is_some() {
        user_metadata.insert("email_verified".to_owned(), Value::Bool(true));
    }
    let authenticated = || "authenticated".to_owned();
    let new = NewUser {
        id: request.id.unwrap_or_else(Uuid::new_v4),
        identity_ids: [Uuid::now_v7(), Uuid::now_v7()],
        aud: request
            .aud
            .filter(|aud| !aud.is_empty())
            .unwrap_or_else(authenticated),
        role: fields.role.unwrap_or_else(authenticated),
        email: fields.email,
        email_confirmed: request.email_confirm,
        phone: fields.phone,
        phone_confirmed: request.phone_confirm,
        password: fields.password,
        app_metadata,
        user_metadata,
        banned_until: match fields.ban {
            Ban::Until(end) => Some(end),
            Ban::Keep | Ban::Lift => None,
        },
        is_anonymous: false,
        at: now,
    };
    let work = move |tx: &mut Transaction<'_>| -> Result<User, AuthError> {
        refuse_taken(tx, new.email.as_deref(), new.phone.as_deref(), None)?;
        user::insert(tx, &new)?;
        user::by_id(tx, new.id)?.ok_or(AuthError::UserNotFound)
    };
    let user = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    Ok(Json(user.to_json()).into_response())
}

pub(crate) async fn update(
    State(auth): State<AuthApp>,
    _: Admin,
    id: UserId,
    body: Body,
) -> Result<Response, AuthError> {
    let id = user_id(id)?;
    let request: Request = body::json(&auth, body).await?;
    let now = auth.app.db.clock().now();
    let fields = check(&auth, &request, now, true).await?;
    let identity_ids = [Uuid::now_v7(), Uuid::now_v7()];
    let work = move |tx: &mut Transaction<'_>| -> Result<User, AuthError> {
        let user = user::by_id(tx, id)?.ok_or(AuthError::UserNotFound)?;
        refuse_taken(
            tx,
            fields.email.as_deref(),
            fields.phone.as_deref(),
            Some(id),
        )?;
        let merged = |current: &Map<String, Value>, change: &Option<Map<String, Value>>| {
            let Some(change) = change else {
                return Ok(None);
            };
            let mut merged = current.clone();
            validate::merge_metadata(&mut merged, change.clone())?;
            Ok::<_, AuthError>(Some(merged))
        };
        let change = Change {
            email: fields.email.clone(),
            email_confirmed: request.email_confirm,
            phone: fields.phone.clone(),
            phone_confirmed: request.phone_confirm,
            password: fields.password.clone(),
            app_metadata: merged(&user.app_metadata, &request.app_metadata)?,
            user_metadata: merged(&user.user_metadata, &request.user_metadata)?,
            role: fields.role.clone(),
            ban: fields.ban,
            identity_ids,
        };
        user::update(tx, &user, &change, now)?;
        if change.password.is_some() {
            session::end(tx, id, Scope::Global)?;
        }
        user::by_id(tx, id)?.ok_or(AuthError::UserNotFound)
    };
    let user = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    Ok(Json(user.to_json()).into_response())
}

pub(crate) async fn delete(
    State(auth): State<AuthApp>,
    _: Admin,
    id: UserId,
    body: Body,
) -> Result<Response, AuthError> {
    let id = user_id(id)?;
    let Deletion { should_soft_delete } = body::optional_json(&auth, body).await?;
    let (marker, now) = (
        format!("deleted-{}", Uuid::new_v4().simple()),
        auth.app.db.clock().now(),
    );
    let work = move |tx: &mut Transaction<'_>| -> Result<bool, AuthError> {
        if should_soft_delete {
            session::end(tx, id, Scope::Global)?;
            return Ok(user::soft_delete(tx, id, &marker, now)?);
        }
        match user::delete(tx, id) {
            Err(plinth_db::Error::Sql(error)) if error.code == "23503" => {
                Err(AuthError::StillReferenced)
            }
            other => Ok(other?),
        }
    };
    let found = auth
        .app
        .db
        .transaction(&plinth_db::Session::system(), work)
        .await?;
    if found {
        Ok(Json(json!({})).into_response())
    } else {
        Err(AuthError::UserNotFound)
    }
}

/// Checks the fields of a request and hashes its password. Servers may set short passwords on accounts they make.
async fn check(
    auth: &AuthApp,
    request: &Request,
    now: Timestamp,
    change: bool,
) -> Result<Fields, AuthError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if request
        .aud
        .as_deref()
        .is_some_and(|aud| aud.len() > 255 || aud.contains('\0'))
    {
        return Err(AuthError::validation("invalid aud"));
    }
    let email = given(&request.email)
        .map(|email| validate::email(&email))
        .transpose()?;
    let phone = given(&request.phone)
        .map(|phone| validate::phone(&phone))
        .transpose()?;
    let role = given(&request.role)
        .map(|role| validate::role(&role))
        .transpose()?;
    let ban = match given(&request.ban_duration) {
        None => Ban::Keep,
        Some(text) => validate::ban_duration(&text)?.map_or(Ban::Lift, |duration| {
            Ban::Until(now.checked_add(duration).unwrap_or(Timestamp::MAX))
        }),
    };
    let password = match (given(&request.password), given(&request.password_hash)) {
        (Some(_), Some(_)) => {
            return Err(AuthError::validation(
                "Only a password or a password hash should be provided",
            ));
        }
        (Some(password), None) => {
            if change {
                validate::new_password(&password, &auth.config)?;
            } else {
                validate::password_fits(&password)?;
            }
            Some(auth.passwords.hash(&password).await?)
        }
        (None, Some(hash)) if is_importable(&hash) && hash.len() <= 255 => Some(hash),
        (None, Some(_)) => {
            return Err(AuthError::validation(
                "The password hash must be bcrypt or Argon2, of a bearable cost",
            ));
        }
        (None, None) => None,
    };
    Ok(Fields {
        email,
        phone,
        role,
        password,
        ban,
    })
}

fn refuse_taken(
    tx: &mut Transaction<'_>,
    email: Option<&str>,
    phone: Option<&str>,
    except: Option<Uuid>,
) -> Result<(), AuthError> {
    if let Some(email) = email
        && user::email_is_taken(tx, email, except)?
    {
        return Err(AuthError::EmailExists);
    }
    if let Some(phone) = phone
        && user::phone_is_taken(tx, phone, except)?
    {
        return Err(AuthError::PhoneExists);
    }
    Ok(())
}

/// `page` comes first: clients read the digit after the first `=`.
fn links(base: &str, page: i64, per_page: i64, total: u64) -> String {
    let last = i64::try_from(total)
        .unwrap_or(i64::MAX)
        .saturating_add(per_page - 1)
        / per_page;
    let last = last.max(1);
    let link =
        |page: i64, rel: &str| format!("<{base}?page={page}&per_page={per_page}>; rel=\"{rel}\"");
    if page < last {
        format!("{}, {}", link(page + 1, "next"), link(last, "last"))
    } else {
        link(last, "last")
    }
}

fn number(parameters: &Parameters, name: &str) -> Result<Option<i64>, AuthError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| AuthError::validation(format!("{name} must be a number")))
    };
    parameters.get(name).map(parse).transpose()
}

fn user_id(segment: UserId) -> Result<Uuid, AuthError> {
    let Path(text) = segment.map_err(|_| AuthError::NotAUserId)?;
    text.parse().map_err(|_| AuthError::NotAUserId)
}

fn by_phone() -> Map<String, Value> {
    Map::from_iter([
        ("provider".to_owned(), json!("phone")),
        ("providers".to_owned(), json!(["phone"])),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_next_and_the_last_page() {
        assert_eq!(
            links("http://x/users", 1, 50, 120),
            "<http://x/users?page=2&per_page=50>; rel=\"next\", <http://x/users?page=3&per_page=50>; rel=\"last\""
        );
        assert_eq!(
            links("http://x/users", 3, 50, 120),
            "<http://x/users?page=3&per_page=50>; rel=\"last\""
        );
        assert_eq!(
            links("http://x/users", 1, 50, 0),
            "<http://x/users?page=1&per_page=50>; rel=\"last\""
        );
    }
}
