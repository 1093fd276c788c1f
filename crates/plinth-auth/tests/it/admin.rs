//! What a trusted server may do.

use plinth_db::Session;
use serde_json::{Value, json};

use crate::app::{PUBLISHABLE, TestApp, start};

async fn create(app: &TestApp, email: &str) -> String {
    let body = json!({
        "email": email,
        "password": "pw",
        "email_confirm": true,
        "user_metadata": { "name": "Ann" },
        "app_metadata": { "plan": "pro" },
    });
    app.admin("POST", "/admin/users", body).await.ok().body["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn only_the_service_role_administers() {
    let app = start().await;
    app.call("GET", "/admin/users", PUBLISHABLE, None, "")
        .await
        .refused(401, "no_authorization");
    let user = app.sign_up("a@example.com", "secret1").await.access_token();
    app.call("GET", "/admin/users", PUBLISHABLE, Some(&user), "")
        .await
        .refused(403, "not_admin");
    let service = app.gate.sign(&json!({ "role": "service_role" }));
    app.call("GET", "/admin/users", &service, Some(&service), "")
        .await
        .ok();
}

#[tokio::test]
async fn created_users_can_sign_in_once_confirmed() {
    let app = start().await;
    create(&app, "a@example.com").await;
    let session = app.sign_in("a@example.com", "pw").await.ok();
    assert_eq!(session.body["user"]["app_metadata"]["plan"], "pro");

    let waiting = json!({ "email": "b@example.com", "password": "pw" });
    app.admin("POST", "/admin/users", waiting).await.ok();
    app.sign_in("b@example.com", "pw")
        .await
        .refused(400, "email_not_confirmed");

    app.admin("POST", "/admin/users", json!({ "email": "a@example.com" }))
        .await
        .refused(422, "email_exists");
    app.admin("POST", "/admin/users", json!({}))
        .await
        .refused(400, "validation_failed");
    let costly =
        json!({ "email": "c@example.com", "password_hash": format!("$2b$31${}", "a".repeat(53)) });
    app.admin("POST", "/admin/users", costly)
        .await
        .refused(400, "validation_failed");
}

#[tokio::test]
async fn pages_have_links_and_a_total() {
    let app = start().await;
    for number in 0..5 {
        create(&app, &format!("a{number}@example.com")).await;
        app.pass(1);
    }
    let page = app
        .admin("GET", "/admin/users?page=1&per_page=2", Value::Null)
        .await
        .ok();
    let emails: Vec<&str> = page.body["users"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|user| user["email"].as_str())
        .collect();
    assert_eq!(emails, ["a4@example.com", "a3@example.com"]);
    assert_eq!(
        page.body["users"][0]["identities"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(page.headers["x-total-count"], "5");
    let base = "http://127.0.0.1:54321/auth/v1/admin/users";
    assert_eq!(
        page.headers["link"],
        format!(
            "<{base}?page=2&per_page=2>; rel=\"next\", <{base}?page=3&per_page=2>; rel=\"last\""
        )
    );
    let found = app
        .admin("GET", "/admin/users?filter=A3@", Value::Null)
        .await
        .ok();
    assert_eq!(found.body["users"].as_array().unwrap().len(), 1);
    let none = app
        .admin("GET", "/admin/users?filter=a_@", Value::Null)
        .await
        .ok();
    assert_eq!(none.body["users"], json!([]));
}

#[tokio::test]
async fn a_ban_closes_every_door_until_it_ends() {
    let app = start().await;
    let path = format!("/admin/users/{}", create(&app, "a@example.com").await);
    let session = app.sign_in("a@example.com", "pw").await.ok();
    app.admin("PUT", &path, json!({ "ban_duration": "1h" }))
        .await
        .ok();
    app.sign_in("a@example.com", "pw")
        .await
        .refused(400, "user_banned");
    app.refresh(&session.refresh_token())
        .await
        .refused(400, "user_banned");
    app.user(&session.access_token())
        .await
        .refused(403, "user_banned");
    app.pass(3600);
    app.sign_in("a@example.com", "pw").await.ok();

    let forever = "update auth.users set banned_until = 'infinity'";
    app.db
        .query(&Session::system(), forever, Vec::new())
        .await
        .unwrap();
    app.sign_in("a@example.com", "pw")
        .await
        .refused(400, "user_banned");
    app.admin("PUT", &path, json!({ "ban_duration": "none" }))
        .await
        .ok();
    app.sign_in("a@example.com", "pw").await.ok();
}

#[tokio::test]
async fn changes_are_merged() {
    let app = start().await;
    let path = format!("/admin/users/{}", create(&app, "a@example.com").await);
    let change = json!({
        "phone": "+491701234567",
        "phone_confirm": true,
        "app_metadata": { "plan": null, "seats": 3 },
        "password": "secret9",
    });
    let changed = app.admin("PUT", &path, change).await.ok();
    assert_eq!(changed.body["phone"], "491701234567");
    assert_eq!(
        changed.body["app_metadata"],
        json!({ "provider": "email", "providers": ["email"], "seats": 3 })
    );
    assert_eq!(changed.body["identities"].as_array().unwrap().len(), 2);
    app.sign_in("a@example.com", "secret9").await.ok();
}

#[tokio::test]
async fn deleting_comes_in_two_kinds() {
    let app = start().await;
    let path = format!("/admin/users/{}", create(&app, "a@example.com").await);
    let session = app.sign_in("a@example.com", "pw").await.ok();
    app.admin("DELETE", &path, json!({ "should_soft_delete": true }))
        .await
        .ok();
    app.user(&session.access_token())
        .await
        .refused(403, "session_not_found");
    app.sign_in("a@example.com", "pw")
        .await
        .refused(400, "invalid_credentials");
    assert!(app.admin("GET", &path, Value::Null).await.ok().body["deleted_at"].is_string());

    // The address is free again.
    create(&app, "a@example.com").await;
    assert_eq!(
        app.admin("DELETE", &path, Value::Null).await.ok().body,
        json!({})
    );
    app.admin("DELETE", &path, Value::Null)
        .await
        .refused(404, "user_not_found");
    app.admin("GET", "/admin/users/nonsense", Value::Null)
        .await
        .refused(404, "validation_failed");
}
