//! A provider that says something else than what it was asked for: another amount, currency or mode, another row's payment, or one
//! that nobody here knows. No order changes, and people learn of it.

use serde_json::{Value, json};

use crate::app::{ANN, As, BOOK, TestApp, of};
use crate::stripe::{
    Stripe, became, books_fit, compared, intent, placed, refund, shop, sold, tell, worked_off,
};

/// A payment's or a refund's id of which there is no row here.
const NOBODYS: &str = "99990000-0000-4000-8000-000000000001";
const OTHER_MODE: &str = "it is of the other mode: real money and tests are mixed up";

/// An answer in which this is otherwise.
fn with(mut answer: Value, member: &str, value: Value) -> Value {
    *answer.pointer_mut(member).unwrap() = value;
    answer
}

/// Nothing has come for the one order that there is.
async fn nothing_came(app: &TestApp) {
    let orders = app
        .query("select state, captured, refunded, owed from commerce.orders")
        .await;
    let order = orders.first().unwrap();
    assert_eq!(order.text("state").unwrap(), "pending");
    for sum in ["captured", "refunded", "owed"] {
        assert_eq!(order.int(sum).unwrap(), 0, "{sum}");
    }
    for none in [
        "commerce.payments where state = 'captured'",
        "commerce.ledger_transactions",
        "commerce.refunds",
    ] {
        let count = format!("select count(*) as n from {none}");
        assert_eq!(app.number(&count).await, 0, "{none}");
    }
    books_fit(app).await;
}

#[tokio::test]
async fn money_of_another_amount_currency_or_mode_pays_no_order() {
    for (member, value, why) in [
        (
            "/amount_received",
            json!(3999),
            "it is of 39.99 EUR, not of 40.00 EUR",
        ),
        (
            "/amount_received",
            json!(4001),
            "it is of 40.01 EUR, not of 40.00 EUR",
        ),
        (
            "/currency",
            json!("usd"),
            "it is of 40.00 USD, not of 40.00 EUR",
        ),
        ("/livemode", json!(true), OTHER_MODE),
        (
            "/metadata",
            json!({ "plinth_payment": NOBODYS }),
            "it is marked as another payment's",
        ),
    ] {
        let stripe = Stripe::default();
        let (app, order) = placed(&stripe).await;
        let mut said = intent("succeeded");
        said["metadata"] = json!({});
        let said = with(said, member, value);
        stripe.says("GET /v1/payment_intents/pi_1", said);
        let object = json!({ "id": "pi_1" });
        tell(&app, "evt_1", "payment_intent.succeeded", object).await;
        worked_off(&app, 1).await;
        assert_eq!(became(&app, "evt_1").await, "failed", "{why}");
        nothing_came(&app).await;
        // Whoever compares is told, again and again.
        for _ in 0..2 {
            let report = compared(&app).await;
            assert_eq!((report.mended, report.problems()), (0, 1), "{report:?}");
            assert_eq!(report.differences[0].theirs, why);
            nothing_came(&app).await;
        }
        // Nor does the order end: somebody's money may be there.
        app.write(As::User(ANN), "POST", &of(&order, "/cancel"), &json!({}))
            .await
            .is_error(409, "commerce_payment_under_way");
        nothing_came(&app).await;
    }
}

#[tokio::test]
async fn nobody_is_told_how_to_pay_what_the_provider_has_made_otherwise() {
    for (member, value) in [
        ("/amount", json!(3999)),
        ("/currency", json!("usd")),
        ("/livemode", json!(true)),
    ] {
        let stripe = Stripe::default();
        let made = with(intent("requires_payment_method"), member, value);
        stripe.says("POST /v1/payment_intents", made);
        let app = shop(&stripe).await;
        let order = app.order(As::User(ANN), 2).await;
        assert_eq!(order["state"], "pending");
        let payment = &order["payment"];
        assert_eq!(payment["state"], "created", "{member}: {payment}");
        assert_eq!(payment["client_secret"], Value::Null, "{member}");
        nothing_came(&app).await;
    }
}

#[tokio::test]
async fn a_second_payment_beside_the_one_that_is_known_is_not_taken() {
    let stripe = Stripe::default();
    let (app, order) = placed(&stripe).await;
    let mut second = intent("succeeded");
    second["id"] = json!("pi_2");
    second["metadata"] = json!({ "plinth_payment": order["payment"]["id"] });
    stripe.says("GET /v1/payment_intents/pi_2", second);
    let object = json!({ "id": "pi_2" });
    tell(&app, "evt_1", "payment_intent.succeeded", object).await;
    worked_off(&app, 1).await;
    assert_eq!(became(&app, "evt_1").await, "failed");
    nothing_came(&app).await;
    // The first is what it was.
    let first = "select count(*) as n from commerce.payments where provider_id = 'pi_1' and state = 'pending'";
    assert_eq!(app.number(first).await, 1);
}

#[tokio::test]
async fn a_refund_of_another_amount_currency_or_mode_is_not_booked() {
    for (member, value, why) in [
        (
            "/amount",
            json!(1499),
            "it is of 14.99 EUR, not of 15.00 EUR",
        ),
        (
            "/currency",
            json!("usd"),
            "it is of 15.00 USD, not of 15.00 EUR",
        ),
        (
            "/payment_intent/livemode",
            json!(true),
            "it is of a payment of the other mode: real money and tests are mixed up",
        ),
        (
            "/metadata",
            json!({ "plinth_refund": NOBODYS }),
            "it is marked as another refund's",
        ),
    ] {
        let stripe = Stripe::default();
        let (app, order) = sold(&stripe).await;
        let pending = with(refund(1500), "/status", json!("pending"));
        stripe.says("POST /v1/refunds", pending);
        let asked = json!({ "amount": 1500 });
        let path = of(&order, "/refunds");
        let made = app.write(As::Staff, "POST", &path, &asked);
        assert_eq!(made.await.is(201).json()["state"], "pending");
        stripe.says("GET /v1/refunds/re_1", with(refund(1500), member, value));
        let object = json!({ "id": "re_1", "payment_intent": "pi_1" });
        tell(&app, "evt_1", "refund.updated", object).await;
        worked_off(&app, 1).await;
        assert_eq!(became(&app, "evt_1").await, "failed", "{why}");
        let report = compared(&app).await;
        assert_eq!((report.mended, report.problems()), (0, 1), "{report:?}");
        let found = &report.differences[0];
        assert_eq!(
            (found.what.as_str(), found.theirs.as_str()),
            ("refund", why)
        );
        let under_way =
            "select count(*) as n from commerce.orders where refunded = 0 and refunding = 1500";
        assert_eq!(app.number(under_way).await, 1, "{why}");
        let row = "select count(*) as n from commerce.refunds where state = 'pending'";
        assert_eq!(app.number(row).await, 1, "{why}");
        let booked =
            "select count(*) as n from commerce.ledger_transactions where kind <> 'capture'";
        assert_eq!(app.number(booked).await, 0, "{why}");
        books_fit(&app).await;
    }
}

#[tokio::test]
async fn what_is_of_nobody_here_is_ignored() {
    let stripe = Stripe::default();
    let (app, _) = placed(&stripe).await;
    // One that staff have, under whose mark a card may not pay.
    let by_hand = json!({ "lines": [{ "product_id": BOOK, "quantity": 4 }], "currency": "EUR", "provider": "manual" });
    let by_hand = app.write(As::Staff, "POST", "/orders", &by_hand).await;
    let by_hand = by_hand.is(201).json();
    let payment = |id: &str, mark: Value| {
        let mut said = intent("succeeded");
        said["id"] = json!(id);
        said["metadata"] = json!({ "plinth_payment": mark });
        stripe.says(&format!("GET /v1/payment_intents/{id}"), said);
    };
    payment("pi_unmarked", Value::Null);
    payment("pi_marked", json!(NOBODYS));
    payment("pi_by_hand", by_hand["payment"]["id"].clone());
    let given_back = |id: &str, mark: Value| {
        let mut said = refund(1500);
        said["id"] = json!(id);
        said["metadata"] = json!({ "plinth_refund": mark });
        said["payment_intent"]["id"] = json!("pi_unmarked");
        stripe.says(&format!("GET /v1/refunds/{id}"), said);
    };
    given_back("re_unmarked", Value::Null);
    given_back("re_marked", json!(NOBODYS));
    let disputed = json!({
        "id": "du_1", "object": "dispute", "amount": 4000, "currency": "eur", "status": "needs_response", "reason": null,
        "payment_intent": "pi_unmarked", "livemode": false,
    });
    stripe.says("GET /v1/disputes/du_1", disputed);
    let messages = [
        ("pi_unmarked", "payment_intent.succeeded"),
        ("pi_marked", "payment_intent.succeeded"),
        ("pi_by_hand", "payment_intent.succeeded"),
        ("re_unmarked", "refund.created"),
        ("re_marked", "refund.created"),
        ("du_1", "charge.dispute.created"),
        // Of these the provider itself says that there are none.
        ("pi_gone", "payment_intent.succeeded"),
        ("re_gone", "refund.created"),
        ("du_gone", "charge.dispute.created"),
    ];
    for (id, kind) in messages {
        tell(&app, &format!("evt_{id}"), kind, json!({ "id": id })).await;
    }
    worked_off(&app, i64::try_from(messages.len()).unwrap()).await;
    for (id, _) in messages {
        assert_eq!(became(&app, &format!("evt_{id}")).await, "ignored", "{id}");
    }
    let untouched = "select count(*) as n from commerce.orders where state = 'pending' and version = 1 and captured = 0";
    assert_eq!(app.number(untouched).await, 2);
    let known = "select count(*) as n from commerce.payments where state <> 'captured'";
    assert_eq!(app.number(known).await, 2);
    let refunds = "select count(*) as n from commerce.refunds";
    assert_eq!(app.number(refunds).await, 0);
    books_fit(&app).await;
    // Of what is about no object of ours nothing is kept at all.
    tell(
        &app,
        "evt_customer",
        "customer.created",
        json!({ "id": "cus_1" }),
    )
    .await;
    let stored =
        "select count(*) as n from commerce.webhook_events where event_id = 'evt_customer'";
    assert_eq!(app.number(stored).await, 0);
}
