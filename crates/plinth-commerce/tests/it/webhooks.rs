//! Webhooks: only what the provider signed is stored, and once.

use axum::body::Body;
use hmac::{Hmac, KeyInit as _, Mac as _};
use plinth_commerce::{Config, StripeConfig};
use plinth_db::keys::Secret;
use sha2::Sha256;

use crate::app::{Answer, As, TestApp, start, start_with};

const EVENT: &str =
    r#"{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}"#;

async fn with_stripe() -> TestApp {
    let stripe = StripeConfig {
        secret_key: Secret::new("sk_test_1"),
        webhook_secrets: vec![Secret::new("whsec_new"), Secret::new("whsec_old")],
        // Nobody listens there.
        api_url: "http://127.0.0.1:1".to_owned(),
        live: false,
    };
    start_with(Config {
        stripe: Some(stripe),
        ..Config::default()
    })
    .await
}

/// As Stripe signs.
pub(crate) fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digits = hex::encode(mac.finalize().into_bytes());
    format!("t={seconds},v1={digits}")
}

pub(crate) async fn deliver(app: &TestApp, signature: &str, body: &str) -> Answer {
    let headers = [("stripe-signature", signature)];
    let body = Body::from(body.to_owned());
    app.send(As::Nobody, "POST", "/webhooks/stripe", &headers, body)
        .await
}

async fn stored(app: &TestApp) -> i64 {
    app.number("select count(*) as n from commerce.webhook_events")
        .await
}

#[tokio::test]
async fn a_signed_message_is_stored_once() {
    let app = with_stripe().await;
    let now = app.clock.now().as_second();
    for secret in ["whsec_new", "whsec_old"] {
        let answer = deliver(&app, &signature(secret, now, EVENT), EVENT).await;
        assert_eq!(answer.is(200).text(), r#"{"received":true}"#);
    }
    assert_eq!(stored(&app).await, 1);
}

#[tokio::test]
async fn a_forged_message_is_not() {
    let app = with_stripe().await;
    let now = app.clock.now().as_second();
    let good = signature("whsec_new", now, EVENT);
    let altered = EVENT.replace("pi_1", "pi_2");
    for (signature, body) in [
        (signature("whsec_other", now, EVENT), EVENT),
        (good.clone(), altered.as_str()),
        (signature("whsec_new", now - 3600, EVENT), EVENT),
        (signature("whsec_new", now + 3600, EVENT), EVENT),
        (good.replace("v1=", "v0="), EVENT),
        (String::new(), EVENT),
    ] {
        deliver(&app, &signature, body)
            .await
            .is_error(400, "commerce_bad_signature");
    }
    let unsigned = app.send(
        As::Service,
        "POST",
        "/webhooks/stripe",
        &[],
        Body::from(EVENT),
    );
    unsigned.await.is_error(400, "commerce_bad_signature");
    assert_eq!(stored(&app).await, 0);
}

#[tokio::test]
async fn a_message_of_the_other_mode_is_kept_and_not_acted_on() {
    let app = with_stripe().await;
    let now = app.clock.now().as_second();
    for live in [true, false] {
        let body = format!(
            r#"{{"id": "evt_{live}", "livemode": {live}, "type": "refund.created", "data": {{"object": {{"id": "re_1"}}}}}}"#
        );
        deliver(&app, &signature("whsec_new", now, &body), &body)
            .await
            .is(200);
    }
    let with = async |live: bool, due: &str| {
        app.number(&format!(
            "select count(*) as n from commerce.webhook_events where event_id = 'evt_{live}' and due_at is {due}"
        ))
        .await
    };
    assert_eq!(with(true, "null").await, 1);
    assert_eq!(with(false, "not null").await, 1);
    let failed = "select count(*) as n from commerce.webhook_events where state = 'failed'";
    assert_eq!(app.number(failed).await, 1);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_is_looked_at() {
    let app = with_stripe().await;
    let now = app.clock.now().as_second();
    let body = format!("{EVENT}{}", " ".repeat(64 << 10));
    deliver(&app, &signature("whsec_new", now, &body), &body)
        .await
        .is_error(413, "request_entity_too_large");
    assert_eq!(stored(&app).await, 0);
}

#[tokio::test]
async fn providers_that_are_not_set_up_send_nothing() {
    let app = start().await;
    for path in ["/webhooks/stripe", "/webhooks/manual", "/webhooks/none"] {
        app.send(As::Nobody, "POST", path, &[], Body::from(EVENT))
            .await
            .is_error(404, "commerce_unknown_provider");
    }
}
