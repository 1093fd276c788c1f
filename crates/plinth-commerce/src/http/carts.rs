//! Carts: what somebody may be about to order. They hold no prices and reserve nothing.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use plinth_http::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::invalid;
use super::guest::{self, Opens};
use super::items::{self, AskedLine};
use super::once::{Answer, Failure, Stored, Write, once};
use super::who::Who;
use super::{Id, not_found, render};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model::carts::{self, Cart, CartChange, CartLine, CartState};
use crate::model::idempotency::Held;
use crate::model::offers::{self, Market};
use crate::money::Currency;

/// What `POST /carts` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    currency: String,
    region: Option<String>,
    codes: Option<Vec<String>>,
    #[serde(default)]
    lines: Vec<AskedLine>,
}

/// A new cart, read.
struct Wanted {
    currency: Currency,
    region: String,
    codes: Vec<String>,
    lines: Vec<(Uuid, i64)>,
}

/// `POST /carts`.
pub(crate) async fn create(
    State(commerce): State<Commerce>,
    write: Write,
) -> Result<Response, ApiError> {
    let asked: New = write.json()?;
    let wanted = Wanted {
        currency: items::read_currency(&asked.currency)?,
        region: items::read_region(asked.region)?,
        codes: items::read_codes(asked.codes)?,
        lines: items::read_lines(&asked.lines)?,
    };
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        create_once(&commerce, &who, &held, wanted).await
    };
    once(commerce, write, Some(Opens::Cart), work).await
}

async fn create_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    wanted: Wanted,
) -> Result<Answer, Failure> {
    let lines = cart_lines(commerce, &wanted.lines, wanted.currency, &wanted.region).await?;
    let id = Uuid::now_v7();
    let now = commerce.app.db.clock().now();
    let secret = || guest::digest(&commerce.guest_key.secret(Opens::Cart, id));
    let cart = Cart {
        id,
        user_id: who.user,
        secret_digest: who.user.is_none().then(secret),
        currency: wanted.currency,
        region: wanted.region,
        codes: wanted.codes,
        state: CartState::Open,
        created_at: now,
        updated_at: now,
        expires_at: expiry(commerce),
        lines,
    };
    let kept = Stored::Cart(id).kept(held, StatusCode::CREATED);
    carts::create(commerce, &cart, &kept).await?;
    Ok(Answer::created(shown(commerce, &cart).await?))
}

/// `GET /carts/{id}`.
pub(crate) async fn show(
    State(commerce): State<Commerce>,
    who: Who,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let cart = owned(&commerce, &who, id).await?;
    let value = shown(&commerce, &cart).await?;
    Ok(axum::Json(value).into_response())
}

/// What `PATCH /carts/{id}` reads: what is not named stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    region: Option<String>,
    codes: Option<Vec<String>>,
}

/// `PATCH /carts/{id}`.
pub(crate) async fn change(
    State(commerce): State<Commerce>,
    Id(id): Id,
    write: Write,
) -> Result<Response, ApiError> {
    let asked: Change = write.json()?;
    if asked.region.is_none() && asked.codes.is_none() {
        return Err(invalid("the body needs a region or codes"));
    }
    let change = CartChange {
        region: match asked.region {
            None => None,
            region => Some(items::read_region(region)?),
        },
        codes: match asked.codes {
            None => None,
            codes => Some(items::read_codes(codes)?),
        },
        lines: None,
        expires_at: Some(expiry(&commerce)),
    };
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        owned(&commerce, &who, id).await?;
        changed(&commerce, &held, id, &change).await
    };
    once(commerce, write, None, work).await
}

/// What `PUT /carts/{id}/lines` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    lines: Vec<AskedLine>,
}

/// `PUT /carts/{id}/lines`: these, and no others.
pub(crate) async fn set_lines(
    State(commerce): State<Commerce>,
    Id(id): Id,
    write: Write,
) -> Result<Response, ApiError> {
    let asked: Lines = write.json()?;
    let wanted = items::read_lines(&asked.lines)?;
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        let cart = owned(&commerce, &who, id).await?;
        let lines = cart_lines(&commerce, &wanted, cart.currency, &cart.region).await?;
        let change = CartChange {
            lines: Some(lines),
            expires_at: Some(expiry(&commerce)),
            ..CartChange::default()
        };
        changed(&commerce, &held, id, &change).await
    };
    once(commerce, write, None, work).await
}

/// `DELETE /carts/{id}`.
pub(crate) async fn remove(
    State(commerce): State<Commerce>,
    Id(id): Id,
    write: Write,
) -> Result<Response, ApiError> {
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        owned(&commerce, &who, id).await?;
        let kept = Stored::Body(None).kept(&held, StatusCode::NO_CONTENT);
        match carts::remove(&commerce, id, &kept).await? {
            true => Ok(Answer::nothing().as_kept()),
            false => Err(Failure::from(CommerceError::CartGone)),
        }
    };
    once(commerce, write, None, work).await
}

/// A cart that is the caller's own, or anybody's for staff.
pub(super) async fn owned(commerce: &Commerce, who: &Who, id: Uuid) -> Result<Cart, Failure> {
    let found = carts::find(commerce, id).await?;
    let is_theirs =
        |cart: &Cart| who.is_staff || who.owns(cart.user_id, cart.secret_digest.as_deref());
    found.filter(is_theirs).ok_or_else(|| not_found().into())
}

/// As the catalogue takes them.
pub(super) fn lines(cart: &Cart) -> Vec<(Uuid, i64)> {
    let lines = cart.lines.iter();
    lines.map(|line| (line.price_id, line.quantity)).collect()
}

/// Lines by their prices; all of them must be for sale.
async fn cart_lines(
    commerce: &Commerce,
    wanted: &[(Uuid, i64)],
    currency: Currency,
    region: &str,
) -> Result<Vec<CartLine>, Failure> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    // Where they go may be said later: a rate that is missing is the quote's to tell.
    let market = Market { currency, region };
    let offers = offers::read(commerce, &items::wanted(wanted), market).await?;
    let prices: BTreeSet<Uuid> = offers.iter().map(|offer| offer.price_id).collect();
    if prices.len() < offers.len() {
        return Err(invalid("lines names a product both by itself and by its price").into());
    }
    let lines = wanted.iter().zip(&offers);
    let lines = lines.map(|((_, quantity), offer)| CartLine {
        price_id: offer.price_id,
        quantity: *quantity,
    });
    Ok(lines.collect())
}

async fn changed(
    commerce: &Commerce,
    held: &Held,
    id: Uuid,
    change: &CartChange,
) -> Result<Answer, Failure> {
    let kept = Stored::Cart(id).kept(held, StatusCode::OK);
    if !carts::change(commerce, id, change, &kept).await? {
        return Err(CommerceError::CartGone.into());
    }
    let cart = carts::find(commerce, id).await?;
    let cart = cart.ok_or(CommerceError::CartGone)?;
    Ok(Answer::ok(shown(commerce, &cart).await?))
}

/// A cart as it is now, for whoever made or changed it.
pub(super) async fn stored(commerce: &Commerce, id: Uuid) -> Result<Value, Failure> {
    let found = carts::find(commerce, id).await?;
    let cart = found.ok_or_else(not_found)?;
    Ok(shown(commerce, &cart).await?)
}

/// A cart is kept so long after its last change.
fn expiry(commerce: &Commerce) -> Timestamp {
    let now = commerce.app.db.clock().now();
    let life = SignedDuration::try_from(commerce.config.cart_life).unwrap_or_default();
    now.checked_add(life).unwrap_or(now)
}

/// A cart with what it would cost now, or why it cannot be ordered.
async fn shown(commerce: &Commerce, cart: &Cart) -> Result<Value, CommerceError> {
    let lines = lines(cart);
    let quoted = match lines.is_empty() {
        true => None,
        false => {
            let market = Market {
                currency: cart.currency,
                region: &cart.region,
            };
            Some(items::quote(commerce, &lines, market, &cart.codes).await)
        }
    };
    let (quote, problem) = match quoted {
        None => (None, None),
        Some(Ok(quote)) => (Some(render::quote(&quote)), None),
        Some(Err(error)) if error.may_pass() => return Err(error),
        Some(Err(error)) => (None, Some(render::error(&ApiError::from(error)))),
    };
    Ok(json!({
        "id": cart.id,
        "user_id": cart.user_id,
        "currency": cart.currency.code(),
        "region": cart.region,
        "codes": cart.codes,
        "state": cart.state,
        "lines": cart.lines,
        "quote": quote,
        "problem": problem,
        "created_at": cart.created_at.to_string(),
        "updated_at": cart.updated_at.to_string(),
        "expires_at": cart.expires_at.to_string(),
    }))
}
