//! A request that is repeated while the first one waits, on PostgreSQL, where a test can make it wait: somebody has the row that it needs.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use plinth_db::{Db, Error, Session, Transaction};
use plinth_testkit::outcome::Who;
use plinth_testkit::postgres::Postgres;
use plinth_testkit::rest::{Answer, Client};
use plinth_testkit::shop;

use super::postgres_programs;

/// Longest that anybody waits here.
const LONGEST: Duration = Duration::from_secs(20);
const LAMP: &str = r#"{"lines": [{"product_id": "00000000-0000-4000-8000-000000000001", "quantity": 1}], "currency": "EUR"}"#;

#[test]
fn a_repeat_is_refused_while_the_first_request_waits_for_a_row() {
    let Some(bin) = postgres_programs() else {
        return;
    };
    let server = Postgres::start(&bin, &plinth_server::modules()).unwrap();
    let database = server.database(false).unwrap();
    let db = database.open().unwrap();
    server.runtime().block_on(async {
        Box::pin(meet(&db)).await;
        db.close().await;
    });
}

async fn meet(db: &Db) {
    let catalogue = |tx: &mut Transaction<'_>| tx.script(shop::CATALOGUE).map(|_| ());
    let made = db.transaction(&Session::system(), catalogue).await;
    made.unwrap();
    let client = Client::new(db.clone()).await.unwrap();
    let (is_held, held) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let hold = move |tx: &mut Transaction<'_>| {
        tx.query("select on_hand from commerce.inventory for update", &[])?;
        let _heard = is_held.send(());
        let _went = may_go.lock().unwrap().recv_timeout(LONGEST);
        Ok::<_, Error>(())
    };
    let holder = db.clone();
    let holding = tokio::spawn(async move { holder.transaction(&Session::system(), hold).await });
    let held = tokio::task::spawn_blocking(move || held.recv_timeout(LONGEST));
    held.await.unwrap().unwrap();
    let meanwhile = async {
        let waiting = "select count(*) as n from pg_catalog.pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        while number(db, waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        let repeated = place(&client).await;
        assert_eq!(repeated.status, 409, "{}", repeated.text());
        assert_eq!(repeated.json()["code"], "commerce_idempotency_key_running");
        assert_eq!(repeated.headers["retry-after"], "1");
        let_go.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(place(&client), meanwhile);
    holding.await.unwrap().unwrap();
    assert_eq!(first.status, 201, "{}", first.text());
    let again = place(&client).await;
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json()["id"], first.json()["id"]);
    let orders = "select count(*) as n from commerce.orders";
    assert_eq!(number(db, orders).await, 1);
}

/// Orders a lamp, always with the same key.
async fn place(client: &Client) -> Answer {
    let mut headers = client.credentials(&Who::postgres());
    for (name, value) in [
        ("content-type", "application/json"),
        ("idempotency-key", "the-key"),
    ] {
        headers.push((name.to_owned(), value.to_owned()));
    }
    let body = Some(LAMP.to_owned());
    let asked = client.call("POST", "/commerce/v1/orders", &headers, body);
    asked.await.unwrap()
}

async fn number(db: &Db, sql: &str) -> i64 {
    let rows = db.query(&Session::system(), sql, Vec::new()).await;
    rows.unwrap().first().unwrap().int("n").unwrap()
}
