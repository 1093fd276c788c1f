//! How often things may be tried: passwords, codes, letters.

use plinth_auth::{Mailer, Outbox};
use plinth_db::Session;
use serde_json::json;

use crate::app::{Answer, TestApp, start, start_with};

const ANN: &str = "ann@example.com";
const RIGHT: &str = "a good password";

/// With letters that may not follow each other at once.
async fn start_with_letters(per_hour: u32) -> TestApp {
    start_with(|config| {
        config.mailer = Mailer::Outbox(Outbox::default());
        config.mail_interval_seconds = 60;
        config.mails_per_hour = per_hour;
    })
    .await
}

impl TestApp {
    async fn recover(&self, email: &str) -> Answer {
        self.post("/recover", json!({ "email": email })).await
    }

    async fn wrong_password(&self) {
        self.sign_in(ANN, "wrong")
            .await
            .refused(400, "invalid_credentials");
    }

    /// How many counts are kept.
    async fn counts(&self) -> i64 {
        let count = "select count(*) as n from auth.attempts";
        let rows = self.db.query(&Session::system(), count, Vec::new()).await;
        rows.unwrap().first().unwrap().int("n").unwrap()
    }
}

#[track_caller]
fn waits(answer: &Answer, code: &str, seconds: &str) {
    answer.refused(429, code);
    assert_eq!(answer.headers["retry-after"], seconds, "{}", answer.body);
}

#[tokio::test]
async fn a_restart_forgets_no_failures() {
    let mut app = start().await;
    app.sign_up(ANN, RIGHT).await.ok();
    for _ in 0..5 {
        app.wrong_password().await;
    }
    app.restart().await;
    app.pass(100);
    for _ in 0..5 {
        app.wrong_password().await;
    }
    app.restart().await;
    let closed = app.sign_in(ANN, RIGHT).await;
    waits(&closed, "over_request_rate_limit", "500");
    app.pass(500);
    app.sign_in(ANN, RIGHT).await.ok();
}

#[tokio::test]
async fn sign_ins_that_succeed_do_not_count_and_leave_failures_counted() {
    let app = start().await;
    app.sign_up(ANN, RIGHT).await.ok();
    for _ in 0..9 {
        app.wrong_password().await;
    }
    for _ in 0..3 {
        app.sign_in(ANN, RIGHT).await.ok();
    }
    app.wrong_password().await;
    let closed = app.sign_in(ANN, RIGHT).await;
    waits(&closed, "over_request_rate_limit", "600");
    // The count is of one account.
    app.sign_up("bob@example.com", RIGHT).await.ok();
    app.sign_in("bob@example.com", RIGHT).await.ok();
}

#[tokio::test]
async fn changes_without_a_code_take_back_no_wrong_code() {
    let app = start().await;
    let token = app.sign_up(ANN, RIGHT).await.access_token();
    let guess = json!({ "password": "another password", "nonce": "000000" });
    let nothing = json!({ "data": {} });
    for _ in 0..10 {
        app.change(&token, guess.clone())
            .await
            .refused(422, "reauthentication_not_valid");
        app.change(&token, nothing.clone()).await.ok();
    }
    let closed = app.change(&token, guess).await;
    waits(&closed, "over_request_rate_limit", "600");
    app.change(&token, nothing).await.ok();
}

#[tokio::test]
async fn an_address_waits_and_so_does_everybody_over_the_hour_s_bound() {
    const CODE: &str = "over_email_send_rate_limit";
    let mut app = start_with_letters(2).await;
    app.recover("a@example.com").await.ok();
    app.pass(10);
    waits(&app.recover("a@example.com").await, CODE, "50");
    app.recover("b@example.com").await.ok();
    assert_eq!(app.counts().await, 3);
    // Whatever is asked for now leaves nothing behind.
    for number in 0..20 {
        let refused = app.recover(&format!("{number}@example.com")).await;
        waits(&refused, CODE, "3590");
    }
    assert_eq!(app.counts().await, 3);
    // The nearer reason is told.
    waits(&app.recover("b@example.com").await, CODE, "60");
    app.restart().await;
    waits(&app.recover("c@example.com").await, CODE, "3590");
    app.pass(60);
    waits(&app.recover("b@example.com").await, CODE, "3530");
    app.pass(3530);
    app.recover("c@example.com").await.ok();
}

#[tokio::test]
async fn where_no_letters_may_go_out_none_does() {
    let app = start_with_letters(0).await;
    let refused = app.recover(ANN).await;
    waits(&refused, "over_email_send_rate_limit", "3600");
    assert_eq!(app.counts().await, 0);
}
