//! A stand-in for Stripe that says what a test has it say, and a shop that is paid through it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use plinth_commerce::{Config, Report, StripeConfig, check_ledger, reconcile};
use plinth_db::keys::Secret;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::app::{ANN, As, TestApp, start_with};
use crate::webhooks::{deliver, signature};

/// How long the worker may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Answers by method and path. What is not there is refused as Stripe words it.
#[derive(Clone, Default)]
pub(crate) struct Stripe(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    answers: BTreeMap<String, Value>,
    waits: BTreeMap<String, Arc<Wait>>,
}

/// A question that is answered when a test says so.
#[derive(Default)]
pub(crate) struct Wait {
    /// It was asked.
    pub(crate) asked: Notify,
    /// It may be answered.
    pub(crate) over: Notify,
}

impl Stripe {
    pub(crate) fn says(&self, question: &str, answer: Value) {
        let mut lines = self.0.lock().unwrap();
        lines.answers.insert(question.to_owned(), answer);
    }

    /// Lets the next who asks this wait.
    pub(crate) fn waits(&self, question: &str) -> Arc<Wait> {
        let wait = Arc::new(Wait::default());
        let mut lines = self.0.lock().unwrap();
        lines.waits.insert(question.to_owned(), Arc::clone(&wait));
        wait
    }

    async fn serve(&self) -> String {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

async fn answer(State(stripe): State<Stripe>, method: Method, uri: Uri) -> Response {
    let question = format!("{method} {}", uri.path());
    let wait = stripe.0.lock().unwrap().waits.remove(&question);
    if let Some(wait) = wait {
        wait.asked.notify_one();
        wait.over.notified().await;
    }
    let found = stripe.0.lock().unwrap().answers.get(&question).cloned();
    match found {
        Some(answer) => axum::Json(answer).into_response(),
        None => {
            let error = json!({ "type": "invalid_request_error", "code": "resource_missing", "message": "No." });
            let body = axum::Json(json!({ "error": error }));
            (StatusCode::NOT_FOUND, body).into_response()
        }
    }
}

/// The payment of an order of two teapots.
pub(crate) fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 4000, "amount_received": 4000, "currency": "eur", "status": status,
        "client_secret": "pi_1_secret_2", "livemode": false, "created": 1_700_000_000,
    })
}

/// One that nobody here has asked for has no mark.
pub(crate) fn refund(amount: i64) -> Value {
    json!({
        "id": "re_1", "object": "refund", "amount": amount, "currency": "eur", "status": "succeeded",
        "payment_intent": intent("succeeded"), "metadata": {},
    })
}

pub(crate) fn list(data: &[Value]) -> Value {
    json!({ "object": "list", "data": data, "has_more": false })
}

/// A shop that is paid at the stand-in.
pub(crate) async fn shop(stripe: &Stripe) -> TestApp {
    stripe.says("GET /v1/refunds", list(&[]));
    stripe.says("GET /v1/disputes", list(&[]));
    let config = StripeConfig {
        secret_key: Secret::new("sk_test_1"),
        webhook_secrets: vec![Secret::new("whsec_new")],
        api_url: stripe.serve().await,
        live: false,
    };
    start_with(Config {
        provider: "stripe".to_owned(),
        stripe: Some(config),
        ..Config::default()
    })
    .await
}

/// A shop with an order of two teapots that may be paid.
pub(crate) async fn placed(stripe: &Stripe) -> (TestApp, Value) {
    let begun = intent("requires_payment_method");
    stripe.says("POST /v1/payment_intents", begun.clone());
    stripe.says("GET /v1/payment_intents/pi_1", begun);
    let app = shop(stripe).await;
    let order = app.order(As::User(ANN), 2).await;
    assert_eq!(order["payment"]["client_secret"], "pi_1_secret_2");
    (app, order)
}

/// A shop with an order of two teapots that was paid at the provider.
pub(crate) async fn sold(stripe: &Stripe) -> (TestApp, Value) {
    let (app, order) = placed(stripe).await;
    stripe.says("GET /v1/payment_intents/pi_1", intent("succeeded"));
    let report = compared(&app).await;
    assert_eq!((report.mended, report.problems()), (1, 0), "{report:?}");
    let paid = "select count(*) as n from commerce.orders where state = 'paid'";
    assert_eq!(app.number(paid).await, 1);
    (app, order)
}

pub(crate) async fn compared(app: &TestApp) -> Report {
    Box::pin(reconcile(&app.commerce, |_| {})).await.unwrap()
}

pub(crate) async fn books_fit(app: &TestApp) {
    let findings = check_ledger(&app.db).await.unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

/// A signed message about an object.
pub(crate) async fn tell(app: &TestApp, id: &str, kind: &str, object: Value) {
    let event = json!({ "id": id, "type": kind, "livemode": false, "data": { "object": object } });
    let body = event.to_string();
    let now = app.clock.now().as_second();
    deliver(app, &signature("whsec_new", now, &body), &body)
        .await
        .is(200);
}

/// Works until so many messages are done with.
pub(crate) async fn worked_off(app: &TestApp, messages: i64) {
    let done = "select count(*) as n from commerce.webhook_events where due_at is null";
    worked_until(app, done, messages).await;
}

/// Works at what is due until a query gives this number.
pub(crate) async fn worked_until(app: &TestApp, sql: &str, wanted: i64) {
    let done = async {
        while app.number(sql).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = Box::pin(app.commerce.clone().run_worker()) => {}
        done = tokio::time::timeout(LONGEST, done) => done.unwrap(),
    }
}

/// What became of a message.
pub(crate) async fn became(app: &TestApp, id: &str) -> String {
    let sql = format!("select state from commerce.webhook_events where event_id = '{id}'");
    let found = app.query(&sql).await;
    found.first().unwrap().text("state").unwrap()
}
