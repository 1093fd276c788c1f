//! How long things last, by a clock that is moved: orders that nobody pays, carts, answers that are kept.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::app::{ANN, As, BOB, TEAPOT, TestApp, of, start};
use crate::stripe::{Stripe, books_fit, intent, shop, worked_until};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long something lasts from now on.
fn lasts(app: &TestApp, made: &Value) -> SignedDuration {
    let until: Timestamp = made["expires_at"].as_str().unwrap().parse().unwrap();
    until.duration_since(app.clock.now())
}

#[tokio::test]
async fn accounts_that_pay_by_hand_have_two_weeks_and_guests_an_hour() {
    let app = start().await;
    for (who, length) in [
        (As::User(ANN), 14 * DAY),
        (As::Staff, 14 * DAY),
        (As::Service, 14 * DAY),
        (As::Guest, HOUR),
    ] {
        let order = app.order(who, 1).await;
        assert_eq!(lasts(&app, &order), length, "{order}");
    }
}

#[tokio::test]
async fn who_pays_at_once_has_an_hour() {
    let stripe = Stripe::default();
    stripe.says(
        "POST /v1/payment_intents",
        intent("requires_payment_method"),
    );
    let app = shop(&stripe).await;
    let order = app.order(As::User(ANN), 2).await;
    assert_eq!(lasts(&app, &order), HOUR);
}

#[tokio::test]
async fn what_is_not_paid_in_time_gives_goods_and_codes_back() {
    let app = start().await;
    app.query("insert into commerce.discounts (code, kind, ppm, max_uses) values ('TENTH', 'percent', 100000, 2)")
        .await;
    let body = json!({
        "lines": [{ "product_id": TEAPOT, "quantity": 3 }], "currency": "EUR", "codes": ["TENTH"],
    });
    let place = async |who| {
        app.write(who, "POST", "/orders", &body)
            .await
            .is(201)
            .json()
    };
    let guests = place(As::Guest).await;
    app.clock.advance(MINUTE);
    let later = place(As::Guest).await;
    let anns = app.order(As::User(ANN), 1).await;
    let uses = "select uses as n from commerce.discounts";
    let reserved = "select reserved as n from commerce.inventory";
    assert_eq!((app.number(uses).await, app.number(reserved).await), (2, 7));
    // To the moment: the other guest has a minute left.
    app.clock.advance(HOUR - MINUTE);
    let expired = "select count(*) as n from commerce.orders where state = 'expired'";
    worked_until(&app, expired, 1).await;
    let state = async |order: &Value| {
        let shown = app.get(As::Service, &of(order, "")).await.is(200).json();
        shown["state"].clone()
    };
    assert_eq!(state(&guests).await, "expired");
    assert_eq!(state(&later).await, "pending");
    assert_eq!((app.number(uses).await, app.number(reserved).await), (1, 4));
    app.clock.advance(MINUTE);
    worked_until(&app, expired, 2).await;
    assert_eq!((app.number(uses).await, app.number(reserved).await), (0, 1));
    app.clock.advance(14 * DAY - HOUR);
    worked_until(&app, expired, 3).await;
    assert_eq!(state(&anns).await, "expired");
    assert_eq!(app.number(reserved).await, 0);
    let by = "select count(*) as n from commerce.order_events where event = 'expire' and actor = 'system'";
    assert_eq!(app.number(by).await, 3);
    // Its time is over for good.
    app.write(As::Staff, "POST", &of(&anns, "/paid"), &json!({}))
        .await
        .is_error(409, "commerce_wrong_state");
    books_fit(&app).await;
}

#[tokio::test]
async fn a_cart_is_there_for_thirty_days_after_its_last_change() {
    let app = start().await;
    let who = As::User(ANN);
    let new = json!({ "currency": "EUR" });
    let cart = app.write(who, "POST", "/carts", &new).await.is(201).json();
    assert_eq!(lasts(&app, &cart), 30 * DAY);
    let path = format!("/carts/{}", cart["id"].as_str().unwrap());
    app.clock.advance(29 * DAY);
    let change = json!({ "region": "DE" });
    let cart = app.write(who, "PATCH", &path, &change).await.is(200).json();
    assert_eq!(lasts(&app, &cart), 30 * DAY);
    app.clock.advance(30 * DAY - MINUTE);
    app.get(who, &path).await.is(200);
    app.clock.advance(MINUTE);
    app.get(who, &path)
        .await
        .is_error(404, "commerce_not_found");
    app.write(who, "PATCH", &path, &change)
        .await
        .is_error(404, "commerce_not_found");
    let order = json!({ "cart_id": cart["id"] });
    app.write(who, "POST", "/orders", &order)
        .await
        .is_error(404, "commerce_not_found");
    app.clock.advance(MINUTE);
    let carts = "select count(*) as n from commerce.carts";
    worked_until(&app, carts, 0).await;
}

#[tokio::test]
async fn an_answer_is_given_again_for_a_day() {
    let app = start().await;
    let body = json!({
        "lines": [{ "product_id": TEAPOT, "quantity": 1 }],
        "currency": "EUR",
    });
    let place = async |who| {
        let placed = app.write_with(who, "POST", "/orders", "the-key", &body);
        placed.await.is(201)
    };
    let first = place(As::User(ANN)).await.json();
    app.clock.advance(DAY - MINUTE);
    let again = place(As::User(ANN)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json()["id"], first["id"]);
    // Whoever asks in between makes it last no longer.
    app.clock.advance(MINUTE);
    let anew = place(As::User(ANN)).await;
    assert_eq!(anew.header("idempotency-replayed"), "");
    assert_ne!(anew.json()["id"], first["id"]);
    place(As::User(BOB)).await;
    app.clock.advance(DAY + MINUTE);
    let kept = "select count(*) as n from commerce.idempotency";
    worked_until(&app, kept, 0).await;
}
