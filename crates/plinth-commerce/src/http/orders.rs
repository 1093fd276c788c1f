//! Orders: placed, listed, shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
use super::once::{Answer, Attempt, Failure, Stored, Write, once_at_once};
use super::who::Who;
use super::{Id, Parameters, carts, not_found, render};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::State as OrderState;
use crate::model::idempotency::{self, Begun, Claim, Held};
use crate::model::offers::{self, Market, Offer};
use crate::model::orders::{self, AtOnce, Filter, Order, OrderLine, Placement};
use crate::model::payments::{self, Payment, PaymentState};
use crate::money::{Currency, Money};
use crate::price::{Line, Quote};
use crate::providers::Payments;
use crate::work;

/// Longest that a request waits for a provider. What takes longer goes on without it.
pub(super) const PROVIDER_WAIT: Duration = Duration::from_secs(10);
/// When a payment is taken up by the worker, should the request that began it die.
const TAKEN_UP_AFTER: SignedDuration = SignedDuration::from_secs(20);
/// By whom an order is paid that costs nothing: nobody has to be asked.
const FREE: &str = "manual";
/// Longest address of mail: RFC 3696, erratum 1690, and some more.
const EMAIL_CHARS: usize = 320;
/// Notes of the shop on an order, as many and as long as Stripe lets its metadata be.
const METADATA_ENTRIES: usize = 50;
const METADATA_NAME_CHARS: usize = 40;
const METADATA_CHARS: usize = 500;
/// Orders in a list, unless it says otherwise.
const PAGE: i64 = 20;
/// Most orders in a list.
const LONGEST_PAGE: i64 = 100;

/// What `POST /orders` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    cart_id: Option<Uuid>,
    lines: Option<Vec<AskedLine>>,
    currency: Option<String>,
    region: Option<String>,
    codes: Option<Vec<String>>,
    email: Option<String>,
    provider: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// What is ordered.
struct Goods {
    cart: Option<Uuid>,
    lines: Vec<(Uuid, i64)>,
    currency: Currency,
    region: String,
    codes: Vec<String>,
}

/// `POST /orders`.
pub(crate) async fn place(
    State(commerce): State<Commerce>,
    write: Write,
) -> Result<Response, ApiError> {
    let asked: New = write.json()?;
    check_email(asked.email.as_deref())?;
    check_metadata(&asked.metadata)?;
    if asked.provider.is_some() {
        write.who.must_be_staff()?;
    }
    let asked = Arc::new(asked);
    let same = Arc::clone(&asked);
    let attempt = move |commerce: Commerce, who: Who, claim: Claim| async move {
        place_at_once(&commerce, &who, &claim, &same).await
    };
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        place_once(&commerce, &who, &held, &asked).await
    };
    once_at_once(commerce, write, Some(Opens::Order), attempt, work).await
}

/// In one turn with taking the key, reckoned with what is remembered of the catalog.
async fn place_at_once(commerce: &Commerce, who: &Who, claim: &Claim, asked: &New) -> Attempt {
    let Ok(reckoned) = reckon(commerce, who, asked, Prices::Remembered).await else {
        // What is refused is refused under the key.
        return Attempt::Untried;
    };
    let wanted = items::wanted(&reckoned.goods.lines);
    let offers = offers::document(&wanted, &reckoned.offers);
    let (placement, told) = reckoned.placement(who, &claim.held);
    let market = Market {
        currency: placement.order.currency,
        region: &placement.order.region.clone(),
    };
    let payment = placement.payment.id;
    match orders::place_at_once(commerce, claim, offers, placement).await {
        Ok(AtOnce::Begun(begun)) => {
            if matches!(begun, Begun::Fresh(_)) {
                commerce.offers.forget(&wanted, market);
            }
            Attempt::Begun(begun)
        }
        Ok(AtOnce::Placed(Ok(order))) => {
            Attempt::Done(answer(commerce, &order, payment, told).await)
        }
        Ok(AtOnce::Placed(Err(error))) => Attempt::Done(Err(error.into())),
        Err(error) if error.may_pass() && !idempotency::is_being_taken(&error) => {
            Attempt::Done(Err(error.into()))
        }
        // Undone, key and all: step by step it is refused again, and that is kept.
        Err(_) => Attempt::Untried,
    }
}

async fn place_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    asked: &New,
) -> Result<Answer, Failure> {
    let reckoned = reckon(commerce, who, asked, Prices::Read).await?;
    let (placement, told) = reckoned.placement(who, held);
    let payment = placement.payment.id;
    let order = orders::place(commerce, placement).await?;
    answer(commerce, &order, payment, told).await
}

/// An order that is reckoned and not placed.
struct Reckoned {
    goods: Goods,
    /// What it was reckoned with, one for each line.
    offers: Vec<Offer>,
    order: Order,
    payment: Payment,
}

/// Where prices are from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prices {
    /// The catalog, now.
    Read,
    /// What the catalog said when it was asked last.
    Remembered,
}

async fn reckon(
    commerce: &Commerce,
    who: &Who,
    asked: &New,
    prices: Prices,
) -> Result<Reckoned, Failure> {
    let goods = goods(commerce, who, asked).await?;
    let market = Market {
        currency: goods.currency,
        region: &goods.region,
    };
    let wanted = items::wanted(&goods.lines);
    let offers = match prices {
        Prices::Read => offers::read(commerce, &wanted, market).await?,
        Prices::Remembered => offers::recall(commerce, &wanted, market).await?,
    };
    let quote = items::quote_of(commerce, &goods.lines, &offers, market, &goods.codes).await?;
    let provider = match (quote.total, &asked.provider) {
        (0, _) => FREE.to_owned(),
        (_, Some(provider)) => provider.clone(),
        (_, None) => commerce.config.provider.clone(),
    };
    if let Some(provider) = commerce.providers.get(&provider) {
        // Before goods are held for it.
        let total = Money::new(quote.total, quote.currency);
        provider.check_amount(total).map_err(invalid)?;
    }
    let order = Order {
        email: asked.email.clone().or_else(|| who.email.clone()),
        metadata: json!(asked.metadata),
        ..pending(commerce, who, &goods, &quote, provider)
    };
    Ok(Reckoned {
        payment: new_payment(commerce, &order)?,
        goods,
        offers,
        order,
    })
}

impl Reckoned {
    /// For the statement that places it, and its answer where that is known before: without the order's number and times.
    fn placement(self, who: &Who, held: &Held) -> (Placement, Option<Value>) {
        let order = self.order;
        // What a provider will say is not known before it has been asked.
        let told = match self.payment.state {
            PaymentState::Created => None,
            _ => Some(render::order_with(&order, Some(&self.payment), true)),
        };
        let stored = match &told {
            Some(body) => Stored::Placed {
                id: order.id,
                body: body.clone(),
            },
            None => Stored::Order(order.id),
        };
        let placement = Placement {
            cart: self.goods.cart,
            codes: self.goods.codes,
            kept: Some(stored.kept(held, StatusCode::CREATED)),
            payment: self.payment,
            actor: who.actor(),
            order,
        };
        (placement, told)
    }
}

/// Answers for an order that is placed, whose provider may have to be asked yet.
async fn answer(
    commerce: &Commerce,
    order: &Order,
    payment: Uuid,
    told: Option<Value>,
) -> Result<Answer, Failure> {
    if let Some(body) = told {
        let body = render::placed(body, order.number, order.placed_at);
        return Ok(Answer::created(body).as_kept());
    }
    ask_provider(commerce, payment).await;
    let value = render::stored_order(commerce, order.id, None).await?;
    Ok(Answer::created(value))
}

/// What the request or its cart names.
async fn goods(commerce: &Commerce, who: &Who, asked: &New) -> Result<Goods, Failure> {
    let Some(id) = asked.cart_id else {
        let lines = asked.lines.as_deref().unwrap_or_default();
        let currency = asked.currency.as_deref();
        let currency = currency.ok_or_else(|| invalid("an order needs a currency"))?;
        return Ok(Goods {
            cart: None,
            lines: items::read_lines(lines)?,
            currency: items::read_currency(currency)?,
            region: items::read_region(asked.region.clone())?,
            codes: items::read_codes(asked.codes.clone())?,
        });
    };
    let says_more = asked.lines.is_some()
        || asked.currency.is_some()
        || asked.region.is_some()
        || asked.codes.is_some();
    if says_more {
        return Err(invalid("a cart brings its lines, currency, region and codes").into());
    }
    let cart = carts::owned(commerce, who, id).await?;
    Ok(Goods {
        cart: Some(id),
        lines: carts::lines(&cart),
        currency: cart.currency,
        region: cart.region,
        codes: cart.codes,
    })
}

/// An order that is about to be placed.
fn pending(
    commerce: &Commerce,
    who: &Who,
    goods: &Goods,
    quote: &Quote,
    provider: String,
) -> Order {
    let id = Uuid::now_v7();
    // As fine as the database keeps it, so that everybody is told the same.
    let now = commerce.app.db.clock().now().as_microsecond();
    let now = Timestamp::from_microsecond(now).unwrap_or_default();
    let secret = || guest::digest(&commerce.guest_key.secret(Opens::Order, id));
    let found = commerce.providers.get(&provider);
    let is_by_hand = found.is_some_and(Payments::is_by_hand);
    // Visitors without an account hold goods no longer than those who pay at once, unless staff order for them.
    let waits_for_days = is_by_hand && (who.user.is_some() || who.is_staff);
    let expiry = match waits_for_days {
        true => commerce.config.manual_expiry,
        false => commerce.config.order_expiry,
    };
    let expiry = SignedDuration::try_from(expiry).unwrap_or_default();
    Order {
        id,
        number: 0,
        customer_id: None,
        user_id: who.user,
        secret_digest: who.user.is_none().then(secret),
        email: None,
        currency: goods.currency,
        region: goods.region.clone(),
        state: OrderState::Pending,
        version: 1,
        subtotal: quote.subtotal,
        discount: quote.discount,
        tax: quote.tax,
        total: quote.total,
        captured: 0,
        refunded: 0,
        refunding: 0,
        owed: 0,
        provider,
        placed_at: now,
        updated_at: now,
        expires_at: now.checked_add(expiry).ok(),
        metadata: json!({}),
        lines: quote.lines.iter().zip(1..).map(ordered_line).collect(),
    }
}

fn ordered_line((line, position): (&Line, i32)) -> OrderLine {
    OrderLine {
        position,
        product_id: line.item.product,
        price_id: line.item.price,
        name: line.item.name.clone(),
        quantity: line.item.quantity,
        unit_amount: line.item.unit.amount,
        discount: line.discount,
        tax_ppm: line.item.tax.ppm,
        tax_included: line.item.tax.included,
        tax: line.tax,
        total: line.total,
    }
}

/// An attempt to be paid, before anybody has been asked.
pub(super) fn new_payment(commerce: &Commerce, order: &Order) -> Result<Payment, Failure> {
    let Some(provider) = commerce.providers.get(&order.provider) else {
        return Err(CommerceError::NoSuchProvider(order.provider.clone()).into());
    };
    let id = Uuid::now_v7();
    // There is nobody to ask, so nothing to wait for. What costs nothing is settled as if somebody had been asked.
    let waits_for_people = provider.is_by_hand() && order.total > 0;
    let due_at = commerce.app.db.clock().now().checked_add(TAKEN_UP_AFTER);
    Ok(Payment {
        id,
        order_id: order.id,
        provider: order.provider.clone(),
        amount: Money::new(order.total, order.currency),
        state: match waits_for_people {
            true => PaymentState::Pending,
            false => PaymentState::Created,
        },
        provider_id: waits_for_people.then(|| id.to_string()),
        client_secret: None,
        failure: None,
        idempotency_key: format!("payment-{id}"),
        attempts: 0,
        due_at: due_at.ok().filter(|_| !waits_for_people),
    })
}

/// Asks the provider, and stops waiting after a while. Whatever comes of it is in the rows; what does not come, the worker asks for.
pub(super) async fn ask_provider(commerce: &Commerce, payment: Uuid) {
    match tokio::time::timeout(PROVIDER_WAIT, work::pay(commerce, payment)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(payment.id = %payment, %error, "a payment goes on without its request");
        }
        Err(_) => {
            tracing::info!(payment.id = %payment, "a provider is slow: a payment goes on without its request");
        }
    }
}

/// An order with its latest payment.
pub(super) async fn shown(
    commerce: &Commerce,
    order: &Order,
    to_customer: bool,
) -> Result<Value, Failure> {
    let payments = payments::of_order(commerce, order.id).await?;
    Ok(render::order_with(order, payments.last(), to_customer))
}

/// `GET /orders/{id}`.
pub(crate) async fn show(
    State(commerce): State<Commerce>,
    who: Who,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let order = visible(&commerce, &who, id).await?;
    let value = shown(&commerce, &order, may_pay(&who, &order)).await?;
    Ok(axum::Json(value).into_response())
}

/// What `GET /orders` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    state: Option<String>,
    before: Option<Uuid>,
    limit: Option<i64>,
}

/// `GET /orders`: what the policies show.
pub(crate) async fn list(
    State(commerce): State<Commerce>,
    who: Who,
    Parameters(page): Parameters<Page>,
) -> Result<Response, ApiError> {
    if who.user.is_none() && !who.is_staff {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "commerce_account_needed",
            "Only accounts have a list of orders; a guest's order is reached by its id and secret",
        ));
    }
    let state = page.state.as_deref().map(str::parse::<OrderState>);
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(invalid(format!("limit must be from 1 to {LONGEST_PAGE}")));
    }
    let filter = Filter {
        state: state
            .transpose()
            .map_err(|_| invalid("state is no state of an order"))?,
        before: page.before,
        limit,
    };
    let found = orders::list(&commerce, &who.session, &filter).await?;
    let is_full = i64::try_from(found.len()).is_ok_and(|found| found == limit);
    let last = found.last().filter(|_| is_full);
    let shown: Vec<_> = found.iter().map(render::order).collect();
    let body = json!({ "orders": shown, "next": last.map(|order| order.id) });
    Ok(axum::Json(body).into_response())
}

/// An order that the caller may see: by the policies, or by its secret.
pub(super) async fn visible(commerce: &Commerce, who: &Who, id: Uuid) -> Result<Order, Failure> {
    if who.user.is_some() || who.is_staff {
        let shown = orders::read(commerce, &who.session, id).await?;
        if let Some(order) = shown {
            return Ok(order);
        }
    }
    if who.secret_digest.is_some() {
        let found = orders::find(commerce, id).await?;
        if let Some(order) = found.filter(|order| is_own(who, order)) {
            return Ok(order);
        }
    }
    Err(not_found().into())
}

/// An order that the caller may act on: his own, or any for staff.
pub(super) async fn actable(commerce: &Commerce, who: &Who, id: Uuid) -> Result<Order, Failure> {
    let order = visible(commerce, who, id).await?;
    if !is_own(who, &order) {
        // A policy of the application may show it to more people than may change it.
        who.must_be_staff()?;
    }
    Ok(order)
}

/// Whether what pays an order is told: to its owner, and to a server of the shop's own that pays in his name.
pub(super) fn may_pay(who: &Who, order: &Order) -> bool {
    is_own(who, order) || (who.is_staff && who.user.is_none())
}

fn is_own(who: &Who, order: &Order) -> bool {
    who.owns(order.user_id, order.secret_digest.as_deref())
}

fn check_email(email: Option<&str>) -> Result<(), ApiError> {
    let is_address = |text: &str| {
        let parts = text.split_once('@');
        text.chars().count() <= EMAIL_CHARS
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
            && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
    };
    match email {
        Some(text) if !is_address(text) => Err(invalid("email is no address")),
        Some(_) | None => Ok(()),
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let fits = metadata.len() <= METADATA_ENTRIES
        && metadata.iter().all(|(name, text)| {
            name.chars().count() <= METADATA_NAME_CHARS && text.chars().count() <= METADATA_CHARS
        });
    match fits {
        true => Ok(()),
        false => Err(invalid(format!(
            "metadata has at most {METADATA_ENTRIES} entries, with names of {METADATA_NAME_CHARS} and texts of {METADATA_CHARS} characters"
        ))),
    }
}
