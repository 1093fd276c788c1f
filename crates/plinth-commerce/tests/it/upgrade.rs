//! A shop of an earlier version, brought up to date with what is in it.

use plinth_commerce::{Config, StripeConfig};
use plinth_db::keys::Secret;
use plinth_db::migrations::{SystemModule, apply_system};
use plinth_db::{Db, Error, Session, Transaction};
use serde_json::json;

use crate::app::{ANN, As, Place, TestApp};
use crate::stripe::books_fit;

const BEFORE: &str = include_str!("../upgrade/before_0004.sql");
const FAULTS: &str = include_str!("../upgrade/after_0004.sql");

/// With so many of the service's migrations.
fn modules(migrations: usize) -> [SystemModule; 3] {
    let commerce = plinth_commerce::module();
    [
        plinth_db::base_module(),
        plinth_auth::module(),
        SystemModule {
            migrations: &commerce.migrations[..migrations],
            ..commerce
        },
    ]
}

/// Runs a script in one transaction. The error is the SQLSTATE of a refusal.
async fn run(db: &Db, script: &str) -> Result<(), String> {
    let script = script.to_owned();
    let work = move |tx: &mut Transaction<'_>| tx.script(&script).map(|_| ());
    match db.transaction(&Session::system(), work).await {
        Ok(()) => Ok(()),
        Err(Error::Sql(error)) => Err(error.code),
        Err(error) => panic!("{error}"),
    }
}

async fn upgraded() -> TestApp {
    let place = Place::empty();
    apply_system(&place.db, &modules(3)).await.unwrap();
    run(&place.db, BEFORE).await.unwrap();
    let whole = modules(plinth_commerce::module().migrations.len());
    // And once more, which changes nothing.
    for _ in 0..2 {
        apply_system(&place.db, &whole).await.unwrap();
    }
    place.open(Config {
        stripe: Some(StripeConfig {
            secret_key: Secret::new("sk_test_1"),
            webhook_secrets: Vec::new(),
            // Nobody listens there.
            api_url: "http://127.0.0.1:1".to_owned(),
            live: false,
        }),
        ..Config::default()
    })
}

#[tokio::test]
async fn events_say_of_what_kind_their_actor_was_and_secrets_have_moved() {
    let app = upgraded().await;
    let faults = app.query(FAULTS).await;
    assert!(faults.is_empty(), "{faults:?}");
    books_fit(&app).await;
}

#[tokio::test]
async fn what_was_done_is_only_added_to_as_before() {
    let app = upgraded().await;
    for (statement, code) in [
        ("update commerce.order_events set actor = 'staff'", "42501"),
        ("delete from commerce.order_events", "42501"),
        (
            "update commerce.order_event_staff set event_id = 1",
            "42501",
        ),
        ("delete from commerce.order_event_staff", "42501"),
        ("delete from commerce.ledger_postings", "42501"),
        ("delete from commerce.orders", "42501"),
        ("update commerce.orders set total = 1", "23514"),
        ("update commerce.payments set client_secret = 'pi_2_secret_2'", "23514"),
        (
            "insert into commerce.order_events (order_id, event, to_state, actor)
               select id, 'note', state, 'staff:' || user_id::text from commerce.orders where user_id is not null",
            "23514",
        ),
    ] {
        let refused = run(&app.db, statement).await;
        assert_eq!(refused, Err(code.to_owned()), "{statement}");
    }
}

#[tokio::test]
async fn orders_of_before_go_on() {
    let app = upgraded().await;
    let order = |number: u8| format!("/orders/0e000000-0000-4000-8000-00000000000{number}");
    let waiting = app.get(As::User(ANN), &order(2)).await.is(200).json();
    assert_eq!(waiting["payment"]["client_secret"], "pi_2_secret_2");
    let shown = app.get(As::Staff, &order(2)).await.is(200).json();
    assert_eq!(shown["payment"]["client_secret"], json!(null));
    let path = format!("{}/refunds", order(1));
    let asked = json!({ "amount": 500 });
    let refund = app.write(As::Staff, "POST", &path, &asked);
    assert_eq!(refund.await.is(201).json()["state"], "succeeded");
    books_fit(&app).await;
    let staff = "select count(*) as n from commerce.order_event_staff";
    assert_eq!(app.number(staff).await, 2);
}
