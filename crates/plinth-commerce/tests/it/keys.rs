//! Idempotency keys: what is repeated happens once.

use std::sync::Arc;

use axum::body::Body;
use serde_json::json;

use crate::app::{ANN, As, BOB, TEAPOT, of, start};
use crate::stripe::{Stripe, intent, shop};

#[tokio::test]
async fn many_at_once_with_one_key_place_one_order() {
    let app = Arc::new(start().await);
    let mut requests = Vec::new();
    for _ in 0..16 {
        let app = Arc::clone(&app);
        requests.push(tokio::spawn(async move {
            let body = json!({
                "lines": [{ "product_id": TEAPOT, "quantity": 1 }],
                "currency": "EUR",
            });
            app.write_with(As::User(ANN), "POST", "/orders", "the-key", &body)
                .await
        }));
    }
    let mut ids = Vec::new();
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status {
            201 => ids.push(answer.json()["id"].clone()),
            _ => {
                let _running = answer.is_error(409, "commerce_idempotency_key_running");
            }
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let orders = "select count(*) as n from commerce.orders";
    assert_eq!(app.number(orders).await, 1);
    let reserved = "select reserved as n from commerce.inventory";
    assert_eq!(app.number(reserved).await, 1);
}

#[tokio::test]
async fn a_repeat_is_refused_while_the_first_request_waits_for_the_provider() {
    const QUESTION: &str = "POST /v1/payment_intents";
    let stripe = Stripe::default();
    // Nothing that could be read, so the payment is still to be begun.
    stripe.says(QUESTION, json!({}));
    let app = shop(&stripe).await;
    let order = app.order(As::User(ANN), 2).await;
    assert_eq!(order["payment"]["state"], "created");
    stripe.says(QUESTION, intent("requires_payment_method"));
    let wait = stripe.waits(QUESTION);
    let path = of(&order, "/pay");
    let pay = async || {
        app.write_with(As::User(ANN), "POST", &path, "the-key", &json!({}))
            .await
    };
    let meanwhile = async {
        wait.asked.notified().await;
        let refused = pay().await;
        let refused = refused.is_error(409, "commerce_idempotency_key_running");
        assert_eq!(refused.header("retry-after"), "1");
        wait.over.notify_one();
    };
    let (first, ()) = tokio::join!(pay(), meanwhile);
    let first = first.is(200).json();
    assert_eq!(first["payment"]["client_secret"], "pi_1_secret_2");
    let again = pay().await.is(200);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first);
}

#[tokio::test]
async fn an_answer_is_the_same_for_the_same_caller_alone() {
    let app = start().await;
    let body = json!({
        "lines": [{ "product_id": TEAPOT, "quantity": 1 }],
        "currency": "EUR",
    });
    let send = async |who, key: &str| app.write_with(who, "POST", "/orders", key, &body).await;
    let first = send(As::User(ANN), "k").await.is(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = send(As::User(ANN), "k").await.is(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.json(), again.json());
    let shown = app.get(As::User(ANN), &of(&first.json(), "")).await;
    assert_eq!(shown.is(200).json(), first.json());
    let other = send(As::User(BOB), "k").await.is(201);
    assert_ne!(first.json()["id"], other.json()["id"]);
}

#[tokio::test]
async fn a_guest_is_told_his_secret_again() {
    let app = start().await;
    let body = json!({ "currency": "EUR" });
    let key = "a-random-key-of-a-guest";
    let send = async || {
        app.write_with(As::Guest, "POST", "/carts", key, &body)
            .await
    };
    let first = send().await.is(201).json();
    let again = send().await.is(201).json();
    assert!(first["secret"].is_string(), "{first}");
    assert_eq!(first, again);
    // Others who guess the key need to guess the body, too; a key that can be guessed is refused.
    app.write_with(As::Guest, "POST", "/carts", "order-1", &body)
        .await
        .is_error(400, "commerce_idempotency_key_invalid");
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused() {
    let app = start().await;
    let body = || Body::from(r#"{"currency": "EUR"}"#);
    let send = async |headers: &[(&str, &str)]| {
        app.send(As::User(ANN), "POST", "/carts", headers, body())
            .await
    };
    send(&[])
        .await
        .is_error(400, "commerce_idempotency_key_missing");
    let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
    send(&two)
        .await
        .is_error(400, "commerce_idempotency_key_missing");
    let long = "x".repeat(256);
    for key in ["", "a b", &long] {
        send(&[("idempotency-key", key)])
            .await
            .is_error(400, "commerce_idempotency_key_invalid");
    }
    send(&[("idempotency-key", &"x".repeat(255))]).await.is(201);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let app = start().await;
    let long = json!({ "currency": "EUR", "region": "x".repeat(64 << 10) });
    app.write(As::User(ANN), "POST", "/carts", &long)
        .await
        .is_error(413, "request_entity_too_large");
    let line = json!({ "product_id": TEAPOT, "quantity": 1 });
    let many = json!({ "currency": "EUR", "lines": vec![line; 201] });
    app.write(As::User(ANN), "POST", "/carts", &many)
        .await
        .is_error(400, "commerce_invalid_request");
}

#[tokio::test]
async fn acts_are_repeated_without_harm() {
    let app = start().await;
    let order = app.order(As::User(ANN), 2).await;
    let act = async |path: &str, key: &str| {
        app.write_with(As::Staff, "POST", &of(&order, path), key, &json!({}))
            .await
    };
    for _ in 0..3 {
        act("/paid", "paid").await.is(200);
    }
    for _ in 0..3 {
        act("/refunds", "refund").await.is(201);
    }
    let captured = "select count(*) as n from commerce.ledger_transactions where kind = 'capture'";
    assert_eq!(app.number(captured).await, 1);
    assert_eq!(
        app.number("select count(*) as n from commerce.refunds")
            .await,
        1
    );
    assert_eq!(
        app.number("select reserved as n from commerce.inventory")
            .await,
        0
    );
}
