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

/// Of these the active part is everybody's, which a case of its own says.
const CATALOGUE: [&str; 3] = ["products", "prices", "tax_rates"];
const CALLS: &str =
    include_str!("../../../../tests/cases/commerce/functions_are_nobodys_to_call.case");
/// Cases in which so many callers name every table so.
const TABLES: [(&str, &str, usize); 3] = [
    (
        include_str!("../../../../tests/cases/commerce/tables_show_customers_their_own_rows.case"),
        "GET",
        4,
    ),
    (
        include_str!("../../../../tests/cases/commerce/tables_show_staff_the_shop.case"),
        "GET",
        2,
    ),
    (
        include_str!(
            "../../../../tests/cases/commerce/tables_of_orders_are_the_services_alone.case"
        ),
        "PATCH",
        2,
    ),
];

#[tokio::test]
async fn every_function_is_in_the_case_that_calls_them_as_everybody() {
    let app = start().await;
    let catalog = app.db.catalog();
    let mut found = 0;
    for (name, functions) in &catalog.functions {
        if name.schema != "commerce" {
            continue;
        }
        let name = &name.name;
        let call = format!("POST /rest/v1/rpc/{name}\n");
        for function in functions {
            found += 1;
            // A guest, a customer, staff and the service key.
            let calls: Vec<&str> = CALLS.split(&call).skip(1).collect();
            assert_eq!(calls.len(), 4, "{name}");
            // By other names another function would be meant, which is nobody's because it is not there.
            for arg in &function.args {
                let member = format!("\"{}\": ", arg.name.as_deref().unwrap());
                let is_named = |call: &&str| call.lines().nth(1).unwrap().contains(&member);
                assert!(calls.iter().all(is_named), "{name}: {member}");
            }
        }
    }
    assert!(found >= 20, "{found}");
}

#[tokio::test]
async fn every_table_is_in_the_cases_that_read_and_write_them_as_everybody() {
    let app = start().await;
    let catalog = app.db.catalog();
    let tables = catalog.relations.keys();
    let tables = tables.filter(|name| name.schema == "commerce");
    let mut found = 0;
    for table in tables.map(|name| name.name.as_str()) {
        if CATALOGUE.contains(&table) {
            continue;
        }
        found += 1;
        for (case, method, callers) in TABLES {
            let request = format!("{method} /rest/v1/{table}");
            let is_it = |line: &&str| {
                let rest = line.strip_prefix(&request);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
            };
            let asked = case.lines().filter(is_it).count();
            assert!(asked >= callers, "{request}: {asked}");
        }
    }
    assert!(found >= 20, "{found}");
}
