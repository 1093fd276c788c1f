//! Signing up and one's own account.

use plinth_db::{Param, Session};
use serde_json::json;

use crate::app::{PUBLISHABLE, start, start_with};

/// Of the password `U*U`, from the test vectors of the bcrypt implementations.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

#[tokio::test]
async fn signing_up_opens_a_session() {
    let app = start().await;
    let data = json!({ "name": "Ann", "quote": "it's $1" });
    let body = json!({ "email": "Ann@Example.com", "password": "secret1", "data": data, "gotrue_meta_security": {} });
    let made = app.post("/signup", body).await.ok();
    let user = &made.body["user"];
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(
        user["user_metadata"],
        json!({ "name": "Ann", "quote": "it's $1", "email_verified": true })
    );
    assert_eq!(
        user["app_metadata"],
        json!({ "provider": "email", "providers": ["email"] })
    );
    assert_eq!(user["confirmed_at"], "2026-01-02T03:04:05.123456Z");
    assert_eq!(user["identities"][0]["identity_data"]["sub"], user["id"]);
    assert_eq!(
        (&made.body["token_type"], &made.body["expires_in"]),
        (&json!("bearer"), &json!(3600))
    );

    let claims = app.gate.verify(&made.access_token()).unwrap();
    assert_eq!(claims.text("iss"), Some("http://127.0.0.1:54321/auth/v1"));
    assert_eq!(claims.text("sub"), user["id"].as_str());
    assert_eq!(
        (claims.text("role"), claims.text("aal")),
        (Some("authenticated"), Some("aal1"))
    );
    assert_eq!(
        app.user(&made.access_token()).await.ok().body["id"],
        user["id"]
    );
}

#[tokio::test]
async fn a_known_address_cannot_sign_up_again() {
    let app = start().await;
    app.sign_up("a@example.com", "secret1").await.ok();
    app.sign_up("A@example.com", "secret2")
        .await
        .refused(422, "user_already_exists");
}

#[tokio::test]
async fn without_autoconfirm_nobody_learns_which_addresses_are_known() {
    let app = start_with(|config| config.autoconfirm = false).await;
    let first = app.sign_up("a@example.com", "secret1").await.ok();
    let second = app.sign_up("a@example.com", "secret1").await.ok();
    assert_eq!(first.body["identities"].as_array().unwrap().len(), 1);
    assert_eq!(second.body["identities"], json!([]));
    assert_ne!(first.body["id"], second.body["id"]);
    app.sign_in("a@example.com", "secret1")
        .await
        .refused(400, "email_not_confirmed");
}

#[tokio::test]
async fn sign_up_can_be_switched_off() {
    let app = start_with(|config| config.disable_signup = true).await;
    app.sign_up("a@example.com", "secret1")
        .await
        .refused(422, "signup_disabled");
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_the_same_answer() {
    let app = start().await;
    app.sign_up("a@example.com", "secret1").await.ok();
    let wrong = app.sign_in("a@example.com", "secret2").await;
    let unknown = app.sign_in("b@example.com", "secret2").await;
    wrong.refused(400, "invalid_credentials");
    assert_eq!((wrong.status, wrong.body), (unknown.status, unknown.body));
}

#[tokio::test]
async fn ten_failures_close_an_account_for_a_while() {
    let app = start().await;
    app.sign_up("a@example.com", "secret1").await.ok();
    for _ in 0..10 {
        app.sign_in("a@example.com", "wrong")
            .await
            .refused(400, "invalid_credentials");
    }
    let closed = app.sign_in("a@example.com", "secret1").await;
    closed.refused(429, "over_request_rate_limit");
    assert_eq!(closed.headers["retry-after"], "600");
    app.pass(600);
    app.sign_in("a@example.com", "secret1").await.ok();
}

#[tokio::test]
async fn metadata_are_merged_and_null_removes() {
    let app = start().await;
    let token = app.sign_up("a@example.com", "secret1").await.access_token();
    app.change(&token, json!({ "data": { "name": "Ann", "age": 3 } }))
        .await
        .ok();
    let changed = app
        .change(&token, json!({ "data": { "name": null, "city": "Ulm" } }))
        .await
        .ok();
    assert_eq!(
        changed.body["user_metadata"],
        json!({ "age": 3, "city": "Ulm", "email_verified": true })
    );
    app.change(&token, json!({ "app_metadata": { "role": "admin" } }))
        .await
        .refused(403, "not_admin");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = start().await;
    let this = app.sign_up("a@example.com", "secret1").await.access_token();
    let other = app.sign_in("a@example.com", "secret1").await.access_token();
    app.change(&this, json!({ "password": "secret1" }))
        .await
        .refused(422, "same_password");
    app.change(&this, json!({ "password": "short" }))
        .await
        .refused(422, "weak_password");
    let wrong = json!({ "password": "secret2", "current_password": "secret3" });
    app.change(&this, wrong)
        .await
        .refused(400, "current_password_invalid");
    app.change(
        &this,
        json!({ "password": "secret2", "current_password": "secret1" }),
    )
    .await
    .ok();

    app.user(&this).await.ok();
    app.user(&other).await.refused(403, "session_not_found");
    app.sign_in("a@example.com", "secret1")
        .await
        .refused(400, "invalid_credentials");
    app.sign_in("a@example.com", "secret2").await.ok();
}

#[tokio::test]
async fn a_new_address_counts_at_once() {
    let app = start().await;
    let token = app.sign_up("a@example.com", "secret1").await.access_token();
    app.sign_up("b@example.com", "secret1").await.ok();
    app.change(&token, json!({ "email": "b@example.com" }))
        .await
        .refused(422, "email_exists");
    let changed = app
        .change(&token, json!({ "email": "C@example.com" }))
        .await
        .ok();
    assert_eq!(changed.body["email"], "c@example.com");
    assert_eq!(changed.body["identities"][0]["email"], "c@example.com");
    app.sign_in("c@example.com", "secret1").await.ok();
}

#[tokio::test]
async fn imported_bcrypt_passwords_are_upgraded_even_by_two_sign_ins_at_once() {
    let app = start().await;
    app.sign_up("a@example.com", "secret1").await.ok();
    let set = "update auth.users set encrypted_password = $1 where email = 'a@example.com'";
    app.db
        .query(&Session::system(), set, vec![Param::from(BCRYPT)])
        .await
        .unwrap();
    let (one, two) = tokio::join!(
        app.sign_in("a@example.com", "U*U"),
        app.sign_in("a@example.com", "U*U")
    );
    one.ok();
    two.ok();
    let get = "select encrypted_password as hash from auth.users where email = 'a@example.com'";
    let rows = app
        .db
        .query(&Session::system(), get, Vec::new())
        .await
        .unwrap();
    assert!(
        rows.first()
            .unwrap()
            .text("hash")
            .unwrap()
            .starts_with("$argon2id$")
    );
}

#[tokio::test]
async fn the_service_describes_itself() {
    let app = start().await;
    let settings = app
        .call("GET", "/settings", PUBLISHABLE, None, "")
        .await
        .ok();
    assert_eq!(settings.body["external"]["email"], true);
    assert_eq!(settings.body["mailer_autoconfirm"], true);
    app.call("GET", "/health", PUBLISHABLE, None, "").await.ok();
    let keys = app
        .call("GET", "/.well-known/jwks.json", "", None, "")
        .await
        .ok();
    assert_eq!(keys.body, json!({ "keys": [] }));
    assert_eq!(keys.headers["cache-control"], "public, max-age=600");
}
