//! Bad input and callers without the right key.

use serde_json::json;

use crate::app::{PUBLISHABLE, start};

#[tokio::test]
async fn bad_bodies_are_named() {
    let app = start().await;
    let sign_up = async |body: &str| app.call("POST", "/signup", PUBLISHABLE, None, body).await;
    for body in ["", "{", "[]", "null", r#"{"email":1}"#, r#"{"data":"x"}"#] {
        sign_up(body).await.refused(400, "bad_json");
    }
    sign_up(&"x".repeat((1 << 20) + 1))
        .await
        .refused(413, "request_entity_too_large");
    sign_up("{}")
        .await
        .refused(422, "anonymous_provider_disabled");
    for body in [
        r#"{"email":"a@example.com"}"#,
        r#"{"email":"nobody","password":"secret1"}"#,
        r#"{"email":"a@example.com","phone":"+491701234567","password":"secret1"}"#,
        r#"{"email":"a@example.com","password":"secret1","data":{"x":"\u0000"}}"#,
    ] {
        sign_up(body).await.refused(400, "validation_failed");
    }
}

#[tokio::test]
async fn passwords_have_rules() {
    let app = start().await;
    let weak = app.sign_up("a@example.com", "short").await;
    weak.refused(422, "weak_password");
    assert_eq!(weak.body["weak_password"], json!({ "reasons": ["length"] }));
    app.sign_up("a@example.com", &"x".repeat(73))
        .await
        .refused(400, "validation_failed");
    app.sign_up("a@example.com", &"x".repeat(72)).await.ok();
}

#[tokio::test]
async fn a_bearer_must_be_a_user() {
    let app = start().await;
    let user = async |token: Option<&str>| app.call("GET", "/user", PUBLISHABLE, token, "").await;
    user(None).await.refused(401, "no_authorization");
    user(Some(PUBLISHABLE))
        .await
        .refused(401, "no_authorization");
    user(Some("a.b.c")).await.refused(403, "bad_jwt");
    user(Some(&app.gate.sign(&json!({ "role": "anon" }))))
        .await
        .refused(403, "bad_jwt");
    let stranger =
        json!({ "role": "authenticated", "sub": "11111111-1111-1111-1111-111111111111" });
    user(Some(&app.gate.sign(&stranger)))
        .await
        .refused(403, "user_not_found");
    assert_eq!(
        app.call("GET", "/user", "", None, "").await.body["message"],
        "No API key found in request"
    );
}

#[tokio::test]
async fn routes_that_are_not_served_say_so() {
    let app = start().await;
    app.post("/otp", json!({}))
        .await
        .refused(422, "email_provider_disabled");
    app.post("/token?grant_type=magic", json!({}))
        .await
        .refused(400, "invalid_credentials");
    app.call("GET", "/authorize?provider=github", "", None, "")
        .await
        .refused(400, "validation_failed");
    app.post("/passkeys/registration/options", json!({}))
        .await
        .refused(404, "passkey_disabled");
    app.post("/nothing", json!({}))
        .await
        .refused(404, "not_found");
    app.call("GET", "/signup", PUBLISHABLE, None, "")
        .await
        .refused(405, "method_not_allowed");
}
