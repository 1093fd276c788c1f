//! What people do at the provider's own pages, and customers at their banks: refunds and disputes that nobody here has asked for.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::app::{ANN, As, of};
use crate::stripe::{
    Stripe, books_fit, compared, list, refund, sold, tell, worked_off, worked_until,
};

fn dispute(status: &str) -> Value {
    json!({
        "id": "du_1", "object": "dispute", "amount": 4000, "currency": "eur", "status": status, "reason": "fraudulent",
        "payment_intent": "pi_1", "livemode": false,
    })
}

#[tokio::test]
async fn a_refund_that_people_made_at_the_provider_is_taken_up() {
    let stripe = Stripe::default();
    let (app, _) = sold(&stripe).await;
    stripe.says("GET /v1/refunds", list(&[refund(1500)]));
    stripe.says("GET /v1/refunds/re_1", refund(1500));
    let report = compared(&app).await;
    assert_eq!((report.mended, report.problems()), (1, 0), "{report:?}");
    let found = &report.differences[0];
    assert_eq!(found.ours, "no such refund");
    assert_eq!(found.theirs, "refund re_1 of 15.00 EUR: succeeded");
    let refunded = "select refunded as n from commerce.orders";
    assert_eq!(app.number(refunded).await, 1500);
    books_fit(&app).await;
    // It is known from now on.
    let report = compared(&app).await;
    assert!(report.differences.is_empty(), "{report:?}");
}

#[tokio::test]
async fn what_no_message_told_of_is_found_within_a_day_and_said_once() {
    let stripe = Stripe::default();
    let (app, _) = sold(&stripe).await;
    // Done with, until tomorrow.
    let done = "select count(*) as n from commerce.comparisons
                where continues_after is null and due_at > now() + interval '1 hour'";
    worked_until(&app, done, 1).await;
    stripe.says("GET /v1/refunds", list(&[refund(1500)]));
    stripe.says("GET /v1/refunds/re_1", refund(1500));
    let refunded = "select refunded as n from commerce.orders";
    for _ in 0..2 {
        app.clock.advance(SignedDuration::from_hours(24));
        worked_until(&app, done, 1).await;
        assert_eq!(app.number(refunded).await, 1500);
        let found = app
            .query("select what, ours, theirs, mended from commerce.differences")
            .await;
        assert_eq!(found.len(), 1, "{found:?}");
        let found = found.first().unwrap();
        let texts = ["what", "ours", "theirs"].map(|name| found.text(name).unwrap());
        let theirs = "refund re_1 of 15.00 EUR: succeeded";
        assert_eq!(texts, ["payment", "no such refund", theirs]);
        assert!(found.bool("mended").unwrap());
    }
    // People who compare see it among what was found before.
    let report = compared(&app).await;
    assert_eq!(
        (report.problems(), report.earlier.len()),
        (0, 1),
        "{report:?}"
    );
    books_fit(&app).await;
}

#[tokio::test]
async fn a_refund_that_an_order_has_no_room_for_is_reported() {
    let stripe = Stripe::default();
    let (app, _) = sold(&stripe).await;
    stripe.says("GET /v1/refunds", list(&[refund(4001)]));
    let report = compared(&app).await;
    assert_eq!((report.mended, report.problems()), (0, 1), "{report:?}");
    let theirs = &report.differences[0].theirs;
    assert!(theirs.starts_with("refund re_1 of 40.01 EUR"), "{theirs}");
    let refunds = "select count(*) as n from commerce.refunds";
    assert_eq!(app.number(refunds).await, 0);
}

#[tokio::test]
async fn a_refund_of_the_other_mode_is_not_taken_up() {
    let stripe = Stripe::default();
    let (app, _) = sold(&stripe).await;
    let mut real = refund(1500);
    real["payment_intent"]["livemode"] = json!(true);
    stripe.says("GET /v1/refunds", list(&[real]));
    let report = compared(&app).await;
    assert_eq!((report.mended, report.problems()), (0, 1), "{report:?}");
    let theirs = &report.differences[0].theirs;
    assert!(theirs.contains("the other mode"), "{theirs}");
    let refunds = "select count(*) as n from commerce.refunds";
    assert_eq!(app.number(refunds).await, 0);
}

#[tokio::test]
async fn open_disputes_are_listed_until_they_are_decided() {
    let stripe = Stripe::default();
    let (app, order) = sold(&stripe).await;
    let mut of_somebody = dispute("needs_response");
    of_somebody["payment_intent"] = json!("pi_2");
    let open = [dispute("needs_response"), of_somebody];
    stripe.says("GET /v1/disputes", list(&open));
    let report = compared(&app).await;
    assert_eq!((report.mended, report.problems()), (0, 1), "{report:?}");
    let found = &report.differences[0];
    assert_eq!(found.what, "dispute");
    assert_eq!(found.order_id.to_string(), order["id"]);
    assert_eq!(found.theirs, "du_1 of 40.00 EUR: needs_response");
    stripe.says("GET /v1/disputes", list(&[dispute("lost")]));
    assert_eq!(compared(&app).await.problems(), 0);
    // A provider that does not say so says nothing good.
    stripe.says("GET /v1/disputes", json!([]));
    let report = compared(&app).await;
    assert_eq!(report.differences[0].what, "disputes");
    assert_eq!(report.problems(), 1);
}

#[tokio::test]
async fn a_dispute_is_written_down_with_its_order_and_changes_nothing_else() {
    let stripe = Stripe::default();
    let (app, order) = sold(&stripe).await;
    stripe.says("GET /v1/disputes/du_1", dispute("needs_response"));
    let before = app.query("select version as n from commerce.orders").await;
    let version = before.first().unwrap().int("n").unwrap();
    for (id, kind) in [("evt_1", "created"), ("evt_2", "updated")] {
        let object = json!({ "id": "du_1", "charge": "ch_1", "payment_intent": "pi_1" });
        tell(&app, id, &format!("charge.dispute.{kind}"), object).await;
    }
    worked_off(&app, 2).await;
    // Whoever died before he had noted that it was done does it again.
    app.query("update commerce.webhook_events set state = 'stored', due_at = now()")
        .await;
    worked_off(&app, 2).await;
    let events = app
        .query(
            "select event, from_state, to_state, actor, details ->> 'dispute' as dispute, (details ->> 'amount')::bigint as amount
               from commerce.order_events where actor = 'provider' and event like 'dispute%'",
        )
        .await;
    assert_eq!(events.iter().count(), 1);
    let event = events.first().unwrap();
    let texts =
        ["event", "from_state", "to_state", "dispute"].map(|name| event.text(name).unwrap());
    assert_eq!(texts, ["dispute_created", "paid", "paid", "du_1"]);
    assert_eq!(event.int("amount").unwrap(), 4000);
    let same = format!("select count(*) as n from commerce.orders where version = {version}");
    assert_eq!(app.number(&same).await, 1);
    books_fit(&app).await;
    let shown = app.get(As::User(ANN), &of(&order, "")).await.is(200);
    assert_eq!(shown.json()["state"], "paid");
}
