//! Orders under load and to their end: stock is never sold twice, money never leaves twice.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{ANN, As, BOOK, TEAPOT, of, start};

#[tokio::test]
async fn the_last_ones_are_sold_once() {
    let app = Arc::new(start().await);
    let mut requests = Vec::new();
    for _ in 0..8 {
        let app = Arc::clone(&app);
        requests.push(tokio::spawn(async move {
            let body = json!({
                "lines": [{ "product_id": TEAPOT, "quantity": 3 }],
                "currency": "EUR",
            });
            app.write(As::User(ANN), "POST", "/orders", &body).await
        }));
    }
    let mut placed = 0;
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status {
            201 => placed += 1,
            _ => {
                let _sold_out = answer.is_error(409, "commerce_out_of_stock");
            }
        }
    }
    // Ten of them, by threes.
    assert_eq!(placed, 3);
    let reserved = "select reserved as n from commerce.inventory";
    assert_eq!(app.number(reserved).await, 9);
}

#[tokio::test]
async fn many_refunds_at_once_never_exceed_what_was_paid() {
    let app = Arc::new(start().await);
    let order = app.order(As::User(ANN), 1).await;
    app.write(As::Staff, "POST", &of(&order, "/paid"), &json!({}))
        .await
        .is(200);
    let path = of(&order, "/refunds");
    let mut requests = Vec::new();
    for _ in 0..8 {
        let (app, path) = (Arc::clone(&app), path.clone());
        requests.push(tokio::spawn(async move {
            app.write(As::Staff, "POST", &path, &json!({ "amount": 700 }))
                .await
        }));
    }
    let mut given = 0;
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status {
            201 => given += 700,
            _ => {
                let _too_much = answer.is_error(422, "commerce_refund_above_capture");
            }
        }
    }
    assert_eq!(given, 1400);
    let refunded = "select refunded as n from commerce.orders";
    assert_eq!(app.number(refunded).await, 1400);
    let sum = "select coalesce(sum(amount), 0) as n from commerce.ledger_postings";
    assert_eq!(app.number(sum).await, 0);
}

#[tokio::test]
async fn many_acts_at_once_leave_one_story() {
    let app = Arc::new(start().await);
    let order = app.order(As::User(ANN), 1).await;
    let mut requests = Vec::new();
    for act in ["/paid", "/cancel", "/paid", "/cancel", "/fulfil"] {
        let (app, path) = (Arc::clone(&app), of(&order, act));
        requests.push(tokio::spawn(async move {
            app.write(As::Staff, "POST", &path, &json!({})).await.status
        }));
    }
    for request in requests {
        let status = request.await.unwrap();
        assert!([200, 409].contains(&status), "{status}");
    }
    let sum = "select coalesce(sum(amount), 0) as n from commerce.ledger_postings";
    assert_eq!(app.number(sum).await, 0);
    let wrong = "select count(*) as n from commerce.orders
                 where state = 'cancelled' and captured - refunded - refunding <> 0";
    assert_eq!(app.number(wrong).await, 0);
}

#[tokio::test]
async fn what_is_not_counted_is_never_sold_out() {
    let app = start().await;
    let body = json!({
        "lines": [{ "product_id": BOOK, "quantity": 1_000_000 }],
        "currency": "EUR",
        "region": "DE",
    });
    let order = app
        .write(As::User(ANN), "POST", "/orders", &body)
        .await
        .is(201)
        .json();
    assert_eq!(order["total"], 1_000_000_000);
    app.write(As::Staff, "POST", &of(&order, "/paid"), &json!({}))
        .await
        .is(200);
    app.write(As::Staff, "POST", &of(&order, "/fulfil"), &json!({}))
        .await
        .is(200);
}

#[tokio::test]
async fn goods_come_back_with_the_last_refund() {
    let app = start().await;
    let order = app.order(As::User(ANN), 4).await;
    for act in ["/paid", "/fulfil"] {
        app.write(As::Staff, "POST", &of(&order, act), &json!({}))
            .await
            .is(200);
    }
    let on_hand = "select on_hand as n from commerce.inventory";
    assert_eq!(app.number(on_hand).await, 6);
    let refund = async |body: Value| {
        app.write(As::Staff, "POST", &of(&order, "/refunds"), &body)
            .await
    };
    refund(json!({ "amount": 1, "restock": true }))
        .await
        .is_error(422, "commerce_restock_in_part");
    refund(json!({ "amount": 100 })).await.is(201);
    refund(json!({ "restock": true })).await.is(201);
    assert_eq!(app.number(on_hand).await, 10);
}

#[tokio::test]
async fn notes_of_the_shop_are_bounded_texts() {
    let app = start().await;
    let place = async |metadata: Value| {
        let body = json!({
            "lines": [{ "product_id": TEAPOT, "quantity": 1 }],
            "currency": "EUR",
            "metadata": metadata,
        });
        app.write(As::User(ANN), "POST", "/orders", &body).await
    };
    for bad in [
        json!({ "a": 1 }),
        json!({ "a": "x".repeat(501) }),
        json!({ ("x".repeat(41)): "a" }),
        json!({ "a": "\u{0}" }),
        json!([]),
    ] {
        place(bad).await.is_error(400, "commerce_invalid_request");
    }
    let order = place(json!({ "a": "x".repeat(500) })).await.is(201).json();
    assert_eq!(order["metadata"]["a"], "x".repeat(500));
}
