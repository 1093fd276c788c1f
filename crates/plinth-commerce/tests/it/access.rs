//! Who may do what: what is not yours is not there.

use serde_json::json;

use crate::app::{ANN, As, BOB, TEAPOT, of, start};

#[tokio::test]
async fn an_order_is_its_customers_and_the_staffs() {
    let app = start().await;
    let order = app.order(As::User(ANN), 1).await;
    let path = of(&order, "");
    app.get(As::User(ANN), &path).await.is(200);
    app.get(As::Staff, &path).await.is(200);
    app.get(As::Service, &path).await.is(200);
    for stranger in [As::User(BOB), As::Guest, As::Holder("a guess")] {
        app.get(stranger, &path)
            .await
            .is_error(404, "commerce_not_found");
        for act in ["/pay", "/cancel"] {
            app.write(stranger, "POST", &of(&order, act), &json!({}))
                .await
                .is_error(404, "commerce_not_found");
        }
    }
    app.get(As::Nobody, &path).await.is(401);
    assert_eq!(
        app.get(As::User(ANN), &path).await.json()["state"],
        "pending"
    );
}

#[tokio::test]
async fn only_staff_say_what_happens_to_an_order() {
    let app = start().await;
    let order = app.order(As::User(ANN), 1).await;
    for act in ["/paid", "/fulfil", "/refunds"] {
        // A user's own metadata says `admin` in these tests, and does not count.
        app.write(As::User(ANN), "POST", &of(&order, act), &json!({}))
            .await
            .is_error(403, "commerce_staff_only");
        app.write(As::Guest, "POST", &of(&order, act), &json!({}))
            .await
            .is_error(401, "commerce_staff_only");
    }
    let stock = format!("/products/{TEAPOT}/stock");
    app.write(As::User(ANN), "PUT", &stock, &json!({ "on_hand": 99 }))
        .await
        .is_error(403, "commerce_staff_only");
    app.write(As::Staff, "PUT", &stock, &json!({ "on_hand": 99 }))
        .await
        .is(200);
}

#[tokio::test]
async fn a_secret_opens_one_thing() {
    let app = start().await;
    let mine = app.order(As::Guest, 1).await;
    let other = app.order(As::Guest, 1).await;
    let secret = mine["secret"].as_str().unwrap();
    assert_ne!(mine["secret"], other["secret"]);
    let shown = app.get(As::Holder(secret), &of(&mine, "")).await.is(200);
    // It was told once.
    assert!(shown.json().get("secret").is_none(), "{}", shown.text());
    app.get(As::Holder(secret), &of(&other, ""))
        .await
        .is_error(404, "commerce_not_found");
    app.get(As::Guest, &of(&mine, ""))
        .await
        .is_error(404, "commerce_not_found");
    // Nothing in the database opens it.
    let kept = app
        .number(&format!(
            "select count(*) as n from commerce.orders where secret_digest = '{secret}'"
        ))
        .await
        + app
            .number(&format!(
                "select count(*) as n from commerce.idempotency where strpos(answer::text, '{secret}') > 0"
            ))
            .await;
    assert_eq!(kept, 0);
    app.write(
        As::Holder(secret),
        "POST",
        &of(&mine, "/cancel"),
        &json!({}),
    )
    .await
    .is(200);
}

#[tokio::test]
async fn an_accounts_order_has_no_secret() {
    let app = start().await;
    let order = app.order(As::User(ANN), 1).await;
    assert!(order.get("secret").is_none(), "{order}");
    let secretless = "select count(*) as n from commerce.orders where secret_digest is null";
    assert_eq!(app.number(secretless).await, 1);
}

#[tokio::test]
async fn what_pays_an_order_is_not_told_to_others() {
    let app = start().await;
    let order = app.order(As::User(ANN), 1).await;
    app.query(
        "insert into commerce.payment_secrets (payment_id, client_secret) select id, 'pi_1_secret_2' from commerce.payments",
    )
    .await;
    let told = async |who| app.get(who, &of(&order, "")).await.is(200).json();
    let secret = json!("pi_1_secret_2");
    assert_eq!(
        told(As::User(ANN)).await["payment"]["client_secret"],
        secret
    );
    assert_eq!(told(As::Service).await["payment"]["client_secret"], secret);
    assert_eq!(
        told(As::Staff).await["payment"]["client_secret"],
        json!(null)
    );
}

#[tokio::test]
async fn lists_are_paged_and_ones_own() {
    let app = start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(app.order(As::User(ANN), 1).await["id"].clone());
    }
    app.order(As::User(BOB), 1).await;
    let page = app
        .get(As::User(ANN), "/orders?limit=2")
        .await
        .is(200)
        .json();
    assert_eq!(page["orders"][0]["id"], ids[2]);
    assert_eq!(page["orders"][1]["id"], ids[1]);
    let next = page["next"].as_str().unwrap();
    let page = app
        .get(As::User(ANN), &format!("/orders?limit=2&before={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(page["orders"].as_array().unwrap().len(), 1);
    assert_eq!(page["next"], json!(null));
    let all = app.get(As::Staff, "/orders").await.is(200).json();
    assert_eq!(all["orders"].as_array().unwrap().len(), 4);
    for bad in ["limit=0", "limit=101", "state=none", "before=x", "offset=1"] {
        app.get(As::User(ANN), &format!("/orders?{bad}"))
            .await
            .is_error(400, "commerce_invalid_request");
    }
    app.get(As::Guest, "/orders")
        .await
        .is_error(401, "commerce_account_needed");
}

#[tokio::test]
async fn what_is_no_id_is_not_there() {
    let app = start().await;
    for path in ["/orders/1", "/carts/none", "/orders/%00"] {
        app.get(As::User(ANN), path)
            .await
            .is_error(404, "commerce_not_found");
    }
}
