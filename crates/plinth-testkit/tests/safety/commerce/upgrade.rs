//! A shop of an earlier version on PostgreSQL, brought up to date with what is in it. The embedded engine's is in plinth-commerce's own tests.

use plinth_db::migrations::{SystemModule, apply_system};
use plinth_db::{Db, Error, Session, Transaction};
use plinth_testkit::postgres::Postgres;

use super::postgres_programs;

const BEFORE: &str = include_str!("../../../../plinth-commerce/tests/upgrade/before_0004.sql");
const FAULTS: &str = include_str!("../../../../plinth-commerce/tests/upgrade/after_0004.sql");
/// Of the service's, before the one that is looked at.
const EARLIER: usize = 3;

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

#[test]
fn a_shop_of_before_is_brought_up_to_date_on_postgres() {
    let Some(bin) = postgres_programs() else {
        return;
    };
    let server = Postgres::start(&bin, &modules(EARLIER)).unwrap();
    let database = server.database(false).unwrap();
    let db = database.open().unwrap();
    server.runtime().block_on(async {
        Box::pin(upgrade(&db)).await;
        db.close().await;
    });
}

async fn upgrade(db: &Db) {
    run(db, BEFORE).await.unwrap();
    let whole = modules(plinth_commerce::module().migrations.len());
    // And once more, which changes nothing.
    for _ in 0..2 {
        let setup = db.set_up().await.unwrap();
        apply_system(db, &whole).await.unwrap();
        let password = "of a server that trusts everyone";
        setup.finish(password).await.unwrap();
    }
    let faults = db.query(&Session::system(), FAULTS, Vec::new()).await;
    let faults = faults.unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let findings = plinth_commerce::check_ledger(db).await.unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    // What kept the rows keeps them.
    for (statement, code) in [
        ("update commerce.order_events set actor = 'staff'", "42501"),
        ("delete from commerce.order_events", "42501"),
        ("truncate commerce.order_events cascade", "42501"),
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
        let refused = run(db, statement).await;
        assert_eq!(refused, Err(code.to_owned()), "{statement}");
    }
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
