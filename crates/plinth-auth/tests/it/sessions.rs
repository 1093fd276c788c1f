//! Refreshing and signing out.

use plinth_db::keys::{OldKey, OldKind, Secret};
use plinth_http::GateKeys;
use serde_json::json;

use crate::app::{PUBLISHABLE, TestApp, start};

async fn signed_up() -> (TestApp, String, String) {
    let app = start().await;
    let made = app.sign_up("a@example.com", "secret1").await.ok();
    let (access, refresh) = (made.access_token(), made.refresh_token());
    (app, access, refresh)
}

#[tokio::test]
async fn refreshing_rotates_the_token() {
    let (app, _, first) = signed_up().await;
    app.pass(60);
    let refreshed = app.refresh(&first).await.ok();
    assert_ne!(refreshed.refresh_token(), first);
    app.user(&refreshed.access_token()).await.ok();
}

#[tokio::test]
async fn a_session_outlives_the_secret_that_signed_its_access_token() {
    let (app, old, refresh) = signed_up().await;
    let ends = app.clock.now().as_second() + 60;
    app.gate.replace(&GateKeys {
        jwt_secret: "the secret that was put into its place".to_owned(),
        publishable: vec![PUBLISHABLE.to_owned()],
        old: vec![OldKey {
            kind: OldKind::Signing,
            text: Secret::new("a secret of more than thirty-two characters"),
            signs_from: None,
            ends,
        }],
        ..GateKeys::default()
    });
    app.user(&old).await.ok();
    let new = app.refresh(&refresh).await.ok();
    app.pass(61);
    app.user(&old).await.refused(403, "bad_jwt");
    app.user(&new.access_token()).await.ok();
    app.refresh(&new.refresh_token()).await.ok();
}

#[tokio::test]
async fn two_refreshes_at_once_get_the_same_token() {
    let (app, _, first) = signed_up().await;
    let (one, two) = tokio::join!(app.refresh(&first), app.refresh(&first));
    assert_eq!(one.ok().refresh_token(), two.ok().refresh_token());
}

#[tokio::test]
async fn the_parent_of_the_active_token_gets_the_active_one_again() {
    let (app, _, first) = signed_up().await;
    let second = app.refresh(&first).await.refresh_token();
    app.pass(3600);
    assert_eq!(app.refresh(&first).await.ok().refresh_token(), second);
}

#[tokio::test]
async fn an_older_token_is_forgiven_within_the_reuse_interval() {
    let (app, _, first) = signed_up().await;
    let second = app.refresh(&first).await.refresh_token();
    let third = app.refresh(&second).await.refresh_token();
    app.pass(10);
    assert_eq!(app.refresh(&first).await.ok().refresh_token(), third);
}

#[tokio::test]
async fn a_stolen_token_ends_the_session_although_the_request_fails() {
    let (app, access, first) = signed_up().await;
    let second = app.refresh(&first).await.refresh_token();
    let third = app.refresh(&second).await.refresh_token();
    app.pass(11);
    app.refresh(&first)
        .await
        .refused(400, "refresh_token_already_used");
    app.refresh(&third).await.refused(400, "session_not_found");
    app.user(&access).await.refused(403, "session_not_found");
}

#[tokio::test]
async fn a_stolen_token_is_recognised_long_after_its_row_is_gone() {
    let (app, _, first) = signed_up().await;
    let mut token = first.clone();
    for _ in 0..5 {
        app.pass(3600);
        token = app.refresh(&token).await.ok().refresh_token();
    }
    app.refresh(&first)
        .await
        .refused(400, "refresh_token_already_used");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let (app, _, first) = signed_up().await;
    app.refresh("").await.refused(400, "validation_failed");
    app.refresh("short").await.refused(400, "validation_failed");
    app.refresh("abcdefghijkl")
        .await
        .refused(400, "refresh_token_not_found");
    app.refresh(&format!("{first}A"))
        .await
        .refused(400, "refresh_token_not_found");
}

#[tokio::test]
async fn an_expired_access_token_does_not_hinder_refreshing() {
    let (app, access, refresh) = signed_up().await;
    app.pass(4000);
    app.user(&access).await.refused(403, "bad_jwt");
    let body = json!({ "refresh_token": refresh }).to_string();
    let path = "/token?grant_type=refresh_token";
    app.call("POST", path, PUBLISHABLE, Some(&access), &body)
        .await
        .ok();
}

#[tokio::test]
async fn signing_out_has_three_scopes() {
    let (app, first, _) = signed_up().await;
    let second = app.sign_in("a@example.com", "secret1").await.access_token();
    let third = app.sign_in("a@example.com", "secret1").await.access_token();
    let out = async |scope: &str, token: &str| {
        app.call(
            "POST",
            &format!("/logout{scope}"),
            PUBLISHABLE,
            Some(token),
            "",
        )
        .await
    };
    out("?scope=everywhere", &first)
        .await
        .refused(400, "validation_failed");

    assert_eq!(out("?scope=local", &first).await.status, 204);
    app.user(&first).await.refused(403, "session_not_found");
    app.user(&second).await.ok();

    assert_eq!(out("?scope=others", &second).await.status, 204);
    app.user(&second).await.ok();
    app.user(&third).await.refused(403, "session_not_found");

    let fourth = app.sign_in("a@example.com", "secret1").await.access_token();
    assert_eq!(out("", &second).await.status, 204);
    app.user(&second).await.refused(403, "session_not_found");
    app.user(&fourth).await.refused(403, "session_not_found");
}
