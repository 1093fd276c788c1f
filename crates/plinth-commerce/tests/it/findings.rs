//! What `plinth ledger check` finds: each rule has something here that it alone is about, made by the owner of the database.

use plinth_commerce::check_ledger;
use plinth_db::{Session, Transaction};
use serde_json::json;

use crate::app::{ANN, As, TestApp, of, start};

/// Who has the owner's rights can take away what keeps the books.
const UNGUARDED: &str = "
  alter table commerce.orders disable trigger guard_order;
  alter table commerce.ledger_transactions disable trigger close_transaction;
  alter table commerce.ledger_transactions disable trigger only_added_to;
  alter table commerce.ledger_postings disable trigger only_added_to;
  alter table commerce.inventory drop constraint inventory_reserved_is_there;
";

/// What is done, and the rules that find it; a rule stands there as often as it finds something.
///
/// The shop has three paid orders: of 4000, of which 1000 went back; of 2000, of which 500 did; and of 6000, which was called off. What would
/// also be seen elsewhere is done in two places that make up for each other.
const BROKEN: &[(&str, &[&str])] = &[
    // Transactions.
    (
        "update commerce.ledger_postings set amount = amount - 1 where account = 'revenue' and amount = -3361;
         update commerce.ledger_postings set amount = amount + 1 where account = 'revenue' and amount = -1681",
        &["transaction_unbalanced", "transaction_unbalanced"],
    ),
    (
        "update commerce.ledger_transactions set size = 4 where reference = (select min(reference) from commerce.ledger_transactions);
         update commerce.ledger_postings set size = 4 where transaction_id = (select id from commerce.ledger_transactions where size = 4)",
        &["transaction_incomplete"],
    ),
    (
        "alter table commerce.ledger_postings drop constraint ledger_postings_transaction_fkey;
         insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
           ('99990000-0000-4000-8000-000000000001', 1, 2, 'revenue', 'EUR', 5),
           ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'EUR', -5)",
        &["posting_without_transaction", "posting_without_transaction"],
    ),
    (
        "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
           ('99990000-0000-4000-8000-000000000001', 1, 2, 'revenue', 'USD', 5),
           ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'USD', -5);
         insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
           select '99990000-0000-4000-8000-000000000001', id, 'test', 'test', 2 from commerce.orders where total = 4000",
        &["posting_in_other_currency", "posting_in_other_currency"],
    ),
    // Sums of orders.
    (
        "update commerce.ledger_transactions set kind = 'other' where kind = 'capture' and order_id = (select id from commerce.orders where total = 4000)",
        &["order_captured"],
    ),
    (
        "update commerce.ledger_transactions set kind = 'other' where kind = 'refund' and order_id = (select id from commerce.orders where total = 4000)",
        &["order_refunded"],
    ),
    (
        "update commerce.orders set owed = owed + 5 where total = 4000",
        &["order_owed"],
    ),
    (
        "update commerce.ledger_transactions set order_id = (select id from commerce.orders where total = 4000)
           where kind = 'cancel'",
        &["order_owed", "order_owed", "order_tax", "order_tax"],
    ),
    (
        "update commerce.orders set refunding = refunding + 5 where total = 4000",
        &["order_refunding"],
    ),
    (
        "update commerce.order_lines set total = total + 1 where total = 4000",
        &["order_total"],
    ),
    // Payments and refunds.
    (
        "insert into commerce.payments (id, order_id, provider, amount, currency, state, idempotency_key)
           select '99990000-0000-4000-8000-000000000001', id, 'manual', 5, 'EUR', 'captured', 'test' from commerce.orders where total = 4000",
        &["account_balance", "payment_not_booked"],
    ),
    (
        "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
           ('99990000-0000-4000-8000-000000000001', 1, 2, 'revenue', 'EUR', 5),
           ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'EUR', -5);
         insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
           select '99990000-0000-4000-8000-000000000001', id, 'capture', 'capture:nothing', 2 from commerce.orders where total = 4000",
        &["payment_not_captured"],
    ),
    (
        "update commerce.payments set amount = case amount when 4000 then 2000 else 4000 end where amount in (2000, 4000)",
        &["payment_amount", "payment_amount"],
    ),
    (
        "insert into commerce.refunds (id, order_id, payment_id, amount, currency, state, idempotency_key)
           select '99990000-0000-4000-8000-000000000001', order_id, id, 5, 'EUR', 'succeeded', 'test' from commerce.payments where amount = 4000",
        &["account_balance", "refund_not_booked"],
    ),
    (
        "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
           ('99990000-0000-4000-8000-000000000001', 1, 2, 'revenue', 'EUR', 5),
           ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'EUR', -5);
         insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
           select '99990000-0000-4000-8000-000000000001', id, 'refund', 'refund:nothing', 2 from commerce.orders where total = 4000",
        &["refund_not_made"],
    ),
    (
        "update commerce.refunds set amount = case amount when 1000 then 500 else 1000 end where amount in (500, 1000)",
        &["refund_amount", "refund_amount"],
    ),
    // Called off, and kept.
    (
        "update commerce.orders set captured = captured + 5 where total = 6000",
        &["account_balance", "ended_order_keeps_money", "order_captured"],
    ),
    // Shelves.
    (
        "update commerce.inventory set reserved = reserved + 1",
        &["inventory_reserved"],
    ),
    (
        "update commerce.inventory set on_hand = reserved - 1",
        &["inventory_below_zero"],
    ),
    (
        "update commerce.reservations set state = 'held' where state = 'released';
         update commerce.inventory set reserved = reserved + 3",
        &["reservation_of_ended_order"],
    ),
    // Accounts.
    (
        "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
           ('99990000-0000-4000-8000-000000000001', 1, 2, 'clearing:stripe', 'EUR', 5),
           ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'EUR', -5);
         insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
           select '99990000-0000-4000-8000-000000000001', id, 'test', 'test', 2 from commerce.orders where total = 4000",
        &["account_balance", "account_balance"],
    ),
];

/// A shop whose books are worth a look.
async fn busy() -> TestApp {
    let app = start().await;
    for (teapots, act, body) in [
        (2, "/refunds", json!({ "amount": 1000 })),
        (1, "/refunds", json!({ "amount": 500 })),
        (3, "/cancel", json!({})),
    ] {
        let order = app.order(As::User(ANN), teapots).await;
        app.write(As::Staff, "POST", &of(&order, "/paid"), &json!({}))
            .await
            .is(200);
        let done = app.write(As::Staff, "POST", &of(&order, act), &body).await;
        assert!(done.status < 300, "{}", done.text());
    }
    app
}

async fn rules(app: &TestApp) -> Vec<String> {
    let findings = check_ledger(&app.db).await.unwrap();
    findings.into_iter().map(|finding| finding.rule).collect()
}

#[tokio::test]
async fn each_rule_finds_what_it_is_about() {
    for (broken, expected) in BROKEN {
        let app = busy().await;
        assert_eq!(rules(&app).await, Vec::<String>::new());
        let script = format!("{UNGUARDED}{broken}");
        let work = move |tx: &mut Transaction<'_>| tx.script(&script).map(|_| ());
        app.db.transaction(&Session::system(), work).await.unwrap();
        assert_eq!(rules(&app).await, *expected, "{broken}");
    }
}

#[test]
fn no_rule_is_left_out() {
    let (rules, _) = include_str!("../../src/model/ledger.rs")
        .split_once("const RULES")
        .map(|(_, rules)| rules.split_once("\n];").unwrap())
        .unwrap();
    let names: Vec<&str> = rules
        .split("\"select '")
        .skip(1)
        .map(|rule| rule.split('\'').next().unwrap())
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let is_found = BROKEN.iter().any(|(_, found)| found.contains(&name));
        assert!(is_found, "nothing here is found by {name}");
    }
}
