//! The books: what the database refuses whoever writes it, and what the check finds when somebody with the owner's rights has been there.

use plinth_commerce::{Finding, check_ledger};
use plinth_db::{Error, Session};
use serde_json::json;

use super::app::{ANN, As, TEAPOT, TestApp, start};

/// A transaction's id.
const BOOKING: &str = "99990000-0000-4000-8000-000000000001";

/// Runs a script in one transaction, and says with which SQLSTATE it was refused.
async fn refused(app: &TestApp, script: String) -> String {
    let work = move |tx: &mut plinth_db::Transaction<'_>| tx.script(&script).map(|_| ());
    match app.db.transaction(&Session::system(), work).await {
        Ok(()) => "not refused".to_owned(),
        Err(Error::Sql(error)) => error.code,
        Err(error) => panic!("{error}"),
    }
}

async fn run(app: &TestApp, script: &str) {
    assert_eq!(refused(app, script.to_owned()).await, "not refused");
}

async fn rules(app: &TestApp) -> Vec<String> {
    let findings = check_ledger(&app.db).await.unwrap();
    findings.into_iter().map(|finding| finding.rule).collect()
}

fn finding(rule: &str, subject: &str, expected: &str, found: &str) -> Finding {
    Finding {
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

/// An order of two teapots that has been paid. Gives its id.
async fn paid(app: &TestApp) -> String {
    let order = app.order(As::User(ANN), 2).await;
    let id = order["id"].as_str().unwrap().to_owned();
    let path = format!("/orders/{id}/paid");
    app.write(As::Staff, "POST", &path, &json!({}))
        .await
        .is(200);
    id
}

/// Postings of one transaction, by account and amount, and the row that closes them.
fn booking(order: &str, size: usize, postings: &[(&str, i64)]) -> String {
    let mut script = String::new();
    for (place, (account, amount)) in (1..).zip(postings) {
        script.push_str(&format!(
            "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount)
               values ('{BOOKING}', {place}, {size}, '{account}', 'EUR', {amount});"
        ));
    }
    script.push_str(&format!(
        "insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
           values ('{BOOKING}', '{order}', 'test', 'test', {size});"
    ));
    script
}

#[tokio::test]
async fn what_does_not_balance_is_refused() {
    let app = start().await;
    let order = paid(&app).await;
    let unequal = booking(&order, 2, &[("clearing:manual", 100), ("revenue", -99)]);
    assert_eq!(refused(&app, unequal).await, "23514");
    let alone = booking(&order, 1, &[("revenue", 100)]);
    assert_eq!(refused(&app, alone).await, "23514");
    let short = booking(&order, 3, &[("clearing:manual", 100), ("revenue", -100)]);
    assert_eq!(refused(&app, short).await, "23514");
    let empty = booking(&order, 2, &[]);
    assert_eq!(refused(&app, empty).await, "23514");
    let equal = booking(&order, 2, &[("clearing:manual", 100), ("revenue", -100)]);
    assert_eq!(refused(&app, equal).await, "not refused");
}

#[tokio::test]
async fn currencies_are_summed_apart() {
    let app = start().await;
    let order = paid(&app).await;
    let mixed = booking(&order, 2, &[("clearing:manual", 100), ("revenue", -100)]);
    let mixed = mixed.replacen("'EUR'", "'USD'", 1);
    assert_eq!(refused(&app, mixed).await, "23514");
}

#[tokio::test]
async fn postings_need_their_transaction() {
    let app = start().await;
    let order = paid(&app).await;
    let whole = booking(&order, 2, &[("clearing:manual", 100), ("revenue", -100)]);
    let (postings, _) = whole
        .split_once("insert into commerce.ledger_transactions")
        .unwrap();
    assert_eq!(refused(&app, postings.to_owned()).await, "23503");
}

#[tokio::test]
async fn a_closed_transaction_takes_no_more() {
    let app = start().await;
    let order = paid(&app).await;
    let whole = booking(&order, 2, &[("clearing:manual", 100), ("revenue", -100)]);
    run(&app, &whole).await;
    let add = |place: usize, size: usize| {
        format!(
            "insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount)
               values ('{BOOKING}', {place}, {size}, 'revenue', 'EUR', 1)"
        )
    };
    // Every place is taken, and there are no others.
    assert_eq!(refused(&app, add(2, 2)).await, "23505");
    assert_eq!(refused(&app, add(3, 2)).await, "23514");
    assert_eq!(refused(&app, add(3, 3)).await, "23503");
    // The same reference is not booked twice, whatever the amounts.
    let again = whole.replace(BOOKING, "99990000-0000-4000-8000-000000000002");
    assert_eq!(refused(&app, again).await, "23505");
}

#[tokio::test]
async fn the_books_are_only_added_to() {
    let app = start().await;
    paid(&app).await;
    for statement in [
        "update commerce.ledger_postings set amount = amount + 1",
        "update commerce.ledger_transactions set reference = 'other'",
        "delete from commerce.ledger_postings",
        "delete from commerce.ledger_transactions",
        "truncate commerce.ledger_postings",
        "delete from commerce.order_events",
        "delete from commerce.orders",
    ] {
        assert_eq!(
            refused(&app, statement.to_owned()).await,
            "42501",
            "{statement}"
        );
    }
}

#[tokio::test]
async fn orders_go_only_where_the_table_says() {
    let app = start().await;
    paid(&app).await;
    for change in [
        "state = 'pending'",
        "total = 1",
        "captured = 0",
        "state = 'cancelled', event = 'expire', version = version + 1",
        "state = 'fulfilled', event = 'fulfil', version = version + 2",
    ] {
        let statement = format!("update commerce.orders set {change}");
        assert_eq!(refused(&app, statement).await, "23514", "{change}");
    }
    let made = "insert into commerce.orders (id, currency, state, subtotal, discount, tax, total, captured, provider)
                  values (gen_random_uuid(), 'EUR', 'paid', 1, 0, 0, 1, 1, 'manual')";
    assert_eq!(refused(&app, made.to_owned()).await, "23514");
}

#[tokio::test]
async fn a_shop_that_was_left_alone_has_no_findings() {
    let app = start().await;
    assert_eq!(rules(&app).await, Vec::<String>::new());
    paid(&app).await;
    let cancelled = app.order(As::User(ANN), 1).await;
    let path = format!("/orders/{}/cancel", cancelled["id"].as_str().unwrap());
    app.write(As::User(ANN), "POST", &path, &json!({}))
        .await
        .is(200);
    assert_eq!(rules(&app).await, Vec::<String>::new());
    let reserved =
        format!("select reserved as n from commerce.inventory where product_id = '{TEAPOT}'");
    assert_eq!(app.number(&reserved).await, 2);
}

#[tokio::test]
async fn sums_of_orders_are_compared_with_the_books() {
    let app = start().await;
    let id = paid(&app).await;
    run(
        &app,
        "alter table commerce.orders disable trigger guard_order",
    )
    .await;
    run(&app, "update commerce.orders set captured = captured + 5").await;
    let findings = check_ledger(&app.db).await.unwrap();
    // What an order has not earned is owed.
    let owed = finding("account_balance", "customer_credit EUR", "-5", "0");
    assert_eq!(
        findings,
        [owed, finding("order_captured", &id, "4000", "4005")]
    );
}

#[tokio::test]
async fn what_moved_from_one_account_to_another_is_found() {
    let app = start().await;
    let id = paid(&app).await;
    // Balanced, so the database has nothing against it. Of 40.00 EUR 6.39 are tax.
    let moved = booking(&id, 2, &[("tax_payable", 39), ("revenue", -39)]);
    run(&app, &moved).await;
    let findings = check_ledger(&app.db).await.unwrap();
    let expected = [
        finding("account_balance", "revenue EUR", "-3361", "-3400"),
        finding("account_balance", "tax_payable EUR", "-639", "-600"),
        finding("order_tax", &id, "-639", "-600"),
    ];
    assert_eq!(findings, expected);
}

#[tokio::test]
async fn two_wrong_orders_do_not_make_a_right_account() {
    let app = start().await;
    let (one, other) = (paid(&app).await, paid(&app).await);
    let less = booking(&one, 2, &[("tax_payable", 1), ("revenue", -1)]);
    run(&app, &less).await;
    let more = booking(&other, 2, &[("tax_payable", -1), ("revenue", 1)]);
    let more = more
        .replace(BOOKING, "99990000-0000-4000-8000-000000000002")
        .replace("'test', 'test'", "'test', 'test again'");
    run(&app, &more).await;
    assert_eq!(rules(&app).await, ["order_tax", "order_tax"]);
}

#[tokio::test]
async fn payments_are_compared_with_the_books() {
    let app = start().await;
    paid(&app).await;
    app.order(As::User(ANN), 1).await;
    run(
        &app,
        "update commerce.payments set state = 'captured' where state <> 'captured'",
    )
    .await;
    let nowhere = ["account_balance", "payment_not_booked"];
    assert_eq!(rules(&app).await, nowhere);
    run(&app, "update commerce.payments set state = 'failed'").await;
    let from_nowhere = ["account_balance", "payment_not_captured"];
    assert_eq!(rules(&app).await, from_nowhere);
}

#[tokio::test]
async fn shelves_are_compared_with_reservations() {
    let app = start().await;
    app.order(As::User(ANN), 2).await;
    run(
        &app,
        "update commerce.inventory set reserved = reserved + 1",
    )
    .await;
    assert_eq!(rules(&app).await, ["inventory_reserved"]);
}
