//! Stripe as it answers, well and badly, by a server of our own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap as Headers, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::signature::tests::signature;
use super::*;
use crate::model::payments::PaymentState;
use crate::model::refunds::RefundState;

/// What the stand-in was asked.
#[derive(Clone, Debug, Default)]
struct Asked {
    line: String,
    body: String,
    key: Option<String>,
    authorization: Option<String>,
    version: Option<String>,
}

/// Answers what it was told to, in order, and remembers what it was asked.
#[derive(Clone, Default)]
struct StandIn {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    async fn serve(answers: &[(u16, Value)]) -> (StandIn, Stripe) {
        let texts = answers
            .iter()
            .map(|(status, body)| (*status, body.to_string()));
        StandIn::serve_texts(texts.collect()).await
    }

    async fn serve_texts(answers: VecDeque<(u16, String)>) -> (StandIn, Stripe) {
        let stand_in = StandIn {
            answers: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let stripe = Stripe::open(&config(&format!("http://{address}"))).unwrap();
        (stand_in, stripe)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(stand_in): State<StandIn>,
    method: Method,
    uri: Uri,
    headers: Headers,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    stand_in.asked.lock().unwrap().push(Asked {
        line: format!("{method} {uri}"),
        body: String::from_utf8(body.to_vec()).unwrap(),
        key: header("idempotency-key"),
        authorization: header("authorization"),
        version: header("stripe-version"),
    });
    let next = stand_in.answers.lock().unwrap().pop_front();
    let (status, body) = next.unwrap_or((500, "{}".to_owned()));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// Test mode, with two secrets.
pub(in super::super) fn config(api_url: &str) -> StripeConfig {
    StripeConfig {
        secret_key: Secret::new("sk_test_x"),
        webhook_secrets: vec![Secret::new("whsec_old"), Secret::new("whsec_new")],
        api_url: api_url.to_owned(),
        live: false,
    }
}

fn payment() -> Payment {
    Payment {
        id: Uuid::now_v7(),
        order_id: Uuid::now_v7(),
        provider: "stripe".to_owned(),
        amount: eur(1234),
        state: PaymentState::Created,
        provider_id: None,
        client_secret: None,
        failure: None,
        idempotency_key: "key-1".to_owned(),
        attempts: 0,
        due_at: None,
    }
}

fn refund() -> Refund {
    Refund {
        id: Uuid::now_v7(),
        order_id: Uuid::now_v7(),
        payment_id: Uuid::now_v7(),
        amount: eur(500),
        reason: Some("Too small".to_owned()),
        restock: false,
        state: RefundState::Created,
        provider_id: None,
        failure: None,
        idempotency_key: "key-2".to_owned(),
        attempts: 0,
        due_at: None,
    }
}

fn eur(amount: i64) -> Money {
    Money::new(amount, "EUR".parse().unwrap())
}

fn intent(status: &str, payment: Uuid) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 1234, "amount_received": 0, "currency": "eur", "status": status,
        "client_secret": "pi_1_secret", "livemode": false, "created": 1_700_000_000, "last_payment_error": null,
        "metadata": { "plinth_payment": payment.to_string() },
    })
}

fn returned(status: &str, refund: Uuid) -> Value {
    json!({
        "id": "re_1", "object": "refund", "amount": 500, "currency": "eur", "status": status, "payment_intent": "pi_1",
        "metadata": { "plinth_refund": refund.to_string() },
    })
}

fn refused(kind: &str, code: &str) -> Value {
    json!({ "error": { "type": kind, "code": code, "message": "No." } })
}

fn is_later<T: std::fmt::Debug>(answer: &Result<T, Trouble>) -> bool {
    matches!(answer, Err(Trouble::Later { .. }))
}

#[tokio::test]
async fn an_intent_is_made_with_the_rows_key_and_marked_with_its_id() {
    let payment = payment();
    let made = (200, intent("requires_payment_method", payment.id));
    let (stand_in, stripe) = StandIn::serve(&[made]).await;
    let told = stripe.begin(&payment).await.unwrap();
    assert_eq!(told.provider_id, "pi_1");
    assert_eq!(told.state, PaymentState::Pending);
    assert_eq!(told.amount, eur(1234));
    assert_eq!(told.client_secret.as_deref(), Some("pi_1_secret"));
    assert_eq!(told.live, Some(false));
    assert_eq!(told.payment, Some(payment.id));
    let asked = stand_in.asked().remove(0);
    assert_eq!(asked.line, "POST /v1/payment_intents");
    assert_eq!(asked.key.as_deref(), Some("key-1"));
    assert_eq!(asked.authorization.as_deref(), Some("Bearer sk_test_x"));
    assert_eq!(asked.version.as_deref(), Some(api::VERSION));
    let body = format!(
        "amount=1234&currency=eur&metadata%5Bplinth_payment%5D={}&metadata%5Bplinth_order%5D={}",
        payment.id, payment.order_id
    );
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn each_status_of_an_intent_is_a_state() {
    let id = Uuid::now_v7();
    for (status, state) in [
        ("requires_payment_method", PaymentState::Pending),
        ("requires_confirmation", PaymentState::Pending),
        ("processing", PaymentState::Pending),
        ("requires_capture", PaymentState::Pending),
        ("requires_action", PaymentState::ActionRequired),
        ("succeeded", PaymentState::Captured),
        ("canceled", PaymentState::Cancelled),
    ] {
        let mut answer = intent(status, id);
        answer["amount_received"] = json!(1234);
        let (stand_in, stripe) = StandIn::serve(&[(200, answer)]).await;
        assert_eq!(stripe.look("pi_1").await.unwrap().state, state, "{status}");
        assert_eq!(stand_in.asked()[0].line, "GET /v1/payment_intents/pi_1");
    }
}

#[tokio::test]
async fn what_came_counts_and_not_what_was_to_come() {
    let mut answer = intent("succeeded", Uuid::now_v7());
    answer["amount_received"] = json!(1000);
    answer["currency"] = json!("usd");
    answer["livemode"] = json!(true);
    let (_stand_in, stripe) = StandIn::serve(&[(200, answer)]).await;
    let told = stripe.look("pi_1").await.unwrap();
    assert_eq!(told.amount, Money::new(1000, "USD".parse().unwrap()));
    assert!(told.live.is_some_and(|live| !stripe.is_mode(live)));
}

#[tokio::test]
async fn a_failed_attempt_leaves_the_intent_open() {
    let mut answer = intent("requires_payment_method", Uuid::now_v7());
    answer["last_payment_error"] = json!({ "code": "card_declined", "message": "Declined." });
    let (_stand_in, stripe) = StandIn::serve(&[(200, answer)]).await;
    let told = stripe.look("pi_1").await.unwrap();
    assert_eq!(told.state, PaymentState::Pending);
    assert_eq!(told.failure.as_deref(), Some("Declined."));
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    let id = Uuid::now_v7();
    let mut no_currency = intent("succeeded", id);
    no_currency["currency"] = json!("zzz");
    let mut no_id = intent("succeeded", id);
    no_id["id"] = json!("../customers");
    let mut no_amount = intent("succeeded", id);
    no_amount["amount"] = json!("12.34");
    let texts = [
        "",
        "<html>",
        "[]",
        "{}",
        &intent("paid", id).to_string(),
        &no_currency.to_string(),
        &no_id.to_string(),
        &no_amount.to_string(),
    ]
    .map(str::to_owned);
    for text in texts {
        let answers = VecDeque::from([(200, text.clone())]);
        let (_stand_in, stripe) = StandIn::serve_texts(answers).await;
        assert!(is_later(&stripe.begin(&payment()).await), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_silence() {
    for status in [429, 500, 502, 503, 409, 401] {
        let answer = (status, refused("api_error", "x"));
        let (_stand_in, stripe) = StandIn::serve(&[answer]).await;
        assert!(is_later(&stripe.begin(&payment()).await), "{status}");
    }
    let answer = (400, refused("invalid_request_error", "amount_too_small"));
    let (_stand_in, stripe) = StandIn::serve(&[answer]).await;
    let refused = stripe.begin(&payment()).await;
    assert!(matches!(refused, Err(Trouble::Refused { code, .. }) if code == "amount_too_small"));
    // Nobody is there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let stripe = Stripe::open(&config(&format!("http://{address}"))).unwrap();
    assert!(is_later(&stripe.begin(&payment()).await));
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_elsewhere() {
    let (stand_in, stripe) = StandIn::serve(&[(302, json!({}))]).await;
    assert!(is_later(&stripe.look("pi_1").await));
    assert_eq!(stand_in.asked().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_mark() {
    let payment = payment();
    let page = |data: Value| json!({ "object": "search_result", "data": data, "has_more": false });
    let mut paid = intent("succeeded", payment.id);
    paid["id"] = json!("pi_2");
    let others = json!([
        intent("succeeded", Uuid::now_v7()),
        intent("requires_payment_method", payment.id),
        paid,
    ]);
    let (stand_in, stripe) = StandIn::serve(&[(200, page(others)), (200, page(json!([])))]).await;
    let found = stripe.find(&payment).await.unwrap();
    assert_eq!(found.unwrap().provider_id, "pi_2");
    assert_eq!(stripe.find(&payment).await, Ok(None));
    assert!(
        stand_in.asked()[0]
            .line
            .starts_with("GET /v1/payment_intents/search?query=metadata")
    );
}

#[tokio::test]
async fn where_there_is_no_search_the_list_is_gone_through() {
    let payment = payment();
    let no_search = (404, refused("invalid_request_error", "resource_missing"));
    let first = json!({ "data": [intent("succeeded", Uuid::now_v7())], "has_more": true });
    let second = json!({ "data": [intent("processing", payment.id)], "has_more": false });
    let (stand_in, stripe) = StandIn::serve(&[no_search, (200, first), (200, second)]).await;
    let found = stripe.find(&payment).await.unwrap().unwrap();
    assert_eq!(found.payment, Some(payment.id));
    let asked = stand_in.asked();
    assert!(asked[1].line.contains("limit=100&created%5Bgte%5D="));
    assert!(asked[2].line.ends_with("&starting_after=pi_1"));
}

#[tokio::test]
async fn a_key_that_was_used_in_other_words_leads_to_what_was_made() {
    let payment = payment();
    let other_words = (400, refused(api::OTHER_WORDS, "idempotency_error"));
    let page = json!({ "data": [intent("succeeded", payment.id)], "has_more": false });
    let (_stand_in, stripe) = StandIn::serve(&[other_words, (200, page)]).await;
    let told = stripe.begin(&payment).await.unwrap();
    assert_eq!(told.state, PaymentState::Captured);
}

#[tokio::test]
async fn what_cannot_be_cancelled_says_what_it_is() {
    let id = Uuid::now_v7();
    let (stand_in, stripe) = StandIn::serve(&[
        (200, intent("canceled", id)),
        (
            400,
            refused("invalid_request_error", "payment_intent_unexpected_state"),
        ),
        (200, intent("succeeded", id)),
    ])
    .await;
    let told = stripe.cancel("pi_1").await.unwrap();
    assert_eq!(told.state, PaymentState::Cancelled);
    let told = stripe.cancel("pi_1").await.unwrap();
    assert_eq!(told.state, PaymentState::Captured);
    let lines: Vec<String> = stand_in
        .asked()
        .into_iter()
        .map(|asked| asked.line)
        .collect();
    assert_eq!(
        lines,
        [
            "POST /v1/payment_intents/pi_1/cancel",
            "POST /v1/payment_intents/pi_1/cancel",
            "GET /v1/payment_intents/pi_1",
        ]
    );
}

#[tokio::test]
async fn a_refund_is_made_with_the_rows_key_and_marked_with_its_id() {
    let refund = refund();
    let (stand_in, stripe) = StandIn::serve(&[(200, returned("pending", refund.id))]).await;
    let told = stripe.refund(&refund, "pi_1").await.unwrap();
    assert_eq!(told.provider_id, "re_1");
    assert_eq!(told.state, RefundState::Pending);
    assert_eq!(told.amount, eur(500));
    assert_eq!(told.refund, Some(refund.id));
    assert_eq!(told.payment_id.as_deref(), Some("pi_1"));
    let asked = stand_in.asked().remove(0);
    assert_eq!(asked.line, "POST /v1/refunds");
    assert_eq!(asked.key.as_deref(), Some("key-2"));
    let body = format!(
        "payment_intent=pi_1&amount=500&metadata%5Bplinth_refund%5D={}&metadata%5Bplinth_order%5D={}",
        refund.id, refund.order_id
    );
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn each_status_of_a_refund_is_a_state() {
    let id = Uuid::now_v7();
    for (status, state) in [
        ("pending", RefundState::Pending),
        ("requires_action", RefundState::Pending),
        ("succeeded", RefundState::Succeeded),
        ("failed", RefundState::Failed),
        ("canceled", RefundState::Failed),
    ] {
        let (stand_in, stripe) = StandIn::serve(&[(200, returned(status, id))]).await;
        let told = stripe.look_refund("re_1").await.unwrap();
        assert_eq!(told.state, state, "{status}");
        let line = &stand_in.asked()[0].line;
        assert_eq!(line, "GET /v1/refunds/re_1?expand%5B%5D=payment_intent");
    }
    let (_stand_in, stripe) = StandIn::serve(&[(200, returned("lost", id))]).await;
    assert!(is_later(&stripe.look_refund("re_1").await));
}

#[tokio::test]
async fn a_refund_is_looked_for_to_the_end_or_not_made() {
    let refund = refund();
    let ours = json!({ "data": [returned("succeeded", Uuid::now_v7()), returned("succeeded", refund.id)], "has_more": false });
    let none = json!({ "data": [returned("succeeded", Uuid::now_v7())], "has_more": false });
    let more = json!({ "data": [returned("succeeded", Uuid::now_v7())], "has_more": true });
    let (stand_in, stripe) = StandIn::serve(&[(200, ours), (200, none), (200, more)]).await;
    let found = stripe.find_refund(&refund, "pi_1").await.unwrap();
    assert_eq!(found.unwrap().refund, Some(refund.id));
    assert_eq!(stripe.find_refund(&refund, "pi_1").await, Ok(None));
    assert!(is_later(&stripe.find_refund(&refund, "pi_1").await));
    let line = &stand_in.asked()[0].line;
    assert_eq!(
        line,
        "GET /v1/refunds?payment_intent=pi_1&limit=100&expand%5B%5D=data.payment_intent"
    );
}

#[tokio::test]
async fn a_refund_is_of_the_mode_of_its_intent() {
    let id = Uuid::now_v7();
    let mut real = returned("succeeded", id);
    real["payment_intent"] = json!({ "id": "pi_1", "object": "payment_intent", "livemode": true });
    let mut test = real.clone();
    test["payment_intent"]["livemode"] = json!(false);
    let not_expanded = returned("succeeded", id);
    let mut of_none = returned("succeeded", id);
    of_none["payment_intent"] = json!(null);
    let answers = [real, test, not_expanded, of_none].map(|answer| (200, answer));
    let (_stand_in, stripe) = StandIn::serve(&answers).await;
    let mut said = Vec::new();
    for _ in 0..4 {
        let told = stripe.look_refund("re_1").await.unwrap();
        said.push((told.payment_id, told.live));
    }
    let of = Some("pi_1".to_owned());
    let expected = [
        (of.clone(), Some(true)),
        (of.clone(), Some(false)),
        (of, None),
        (None, None),
    ];
    assert_eq!(said, expected);
    assert!(!stripe.is_mode(true));
}

#[tokio::test]
async fn refunds_are_listed_page_after_page() {
    let others = |id: &str| {
        let mut other = returned("succeeded", Uuid::now_v7());
        other["id"] = json!(id);
        other["metadata"] = json!({});
        other
    };
    // Of another business on the same account.
    let mut strange = others("re_2");
    strange["currency"] = json!("doubloon");
    let first = json!({ "data": [others("re_3"), strange], "has_more": true });
    let second = json!({ "data": [others("re_1")], "has_more": false });
    let answers = [(200, first), (200, second), (500, json!({}))];
    let (stand_in, stripe) = StandIn::serve(&answers).await;
    let since = Timestamp::from_second(1_600_000_000).unwrap();
    let ids = |page: &Refunds| -> Vec<String> {
        let refunds = page.refunds.iter();
        refunds.map(|told| told.provider_id.clone()).collect()
    };
    let page = stripe.refunds_since(since, None).await.unwrap();
    assert_eq!(ids(&page), ["re_3"]);
    assert_eq!(page.refunds[0].refund, None);
    // What cannot be read is passed over all the same.
    assert_eq!(page.after.as_deref(), Some("re_2"));
    let page = stripe.refunds_since(since, page.after.as_deref()).await;
    let page = page.unwrap();
    assert_eq!((ids(&page), page.after), (vec!["re_1".to_owned()], None));
    let asked = stand_in.asked();
    assert_eq!(
        asked[0].line,
        "GET /v1/refunds?limit=100&created%5Bgte%5D=1600000000&expand%5B%5D=data.payment_intent"
    );
    assert!(asked[1].line.ends_with("&starting_after=re_2"));
    assert!(is_later(&stripe.refunds_since(since, None).await));
}

fn disputed(id: &str, status: &str) -> Value {
    json!({
        "id": id, "object": "dispute", "amount": 700, "currency": "eur", "status": status, "reason": "fraudulent",
        "charge": "ch_1", "payment_intent": "pi_1", "livemode": false, "created": 1_700_000_000,
    })
}

#[tokio::test]
async fn a_dispute_says_what_it_is_about() {
    let (stand_in, stripe) = StandIn::serve(&[(200, disputed("du_1", "needs_response"))]).await;
    let told = stripe.look_dispute("du_1").await.unwrap();
    let expected = ToldDispute {
        provider_id: "du_1".to_owned(),
        amount: eur(700),
        status: "needs_response".to_owned(),
        reason: Some("fraudulent".to_owned()),
        payment_id: Some("pi_1".to_owned()),
        live: false,
    };
    assert_eq!(told, expected);
    assert_eq!(stand_in.asked()[0].line, "GET /v1/disputes/du_1");
}

#[tokio::test]
async fn disputes_are_open_until_somebody_decides() {
    let all = [
        ("du_8", "warning_needs_response"),
        ("du_7", "warning_under_review"),
        ("du_6", "warning_closed"),
        ("du_5", "needs_response"),
        ("du_4", "under_review"),
        ("du_3", "won"),
        ("du_2", "lost"),
        ("du_1", "prevented"),
    ];
    let page = json!({ "data": all.map(|(id, status)| disputed(id, status)), "has_more": false });
    let (stand_in, stripe) = StandIn::serve(&[(200, page)]).await;
    let since = Timestamp::from_second(1_600_000_000).unwrap();
    let open = stripe.open_disputes(since).await.unwrap();
    let ids: Vec<&str> = open.iter().map(|told| told.provider_id.as_str()).collect();
    assert_eq!(ids, ["du_8", "du_7", "du_5", "du_4"]);
    let line = &stand_in.asked()[0].line;
    assert_eq!(
        line,
        "GET /v1/disputes?limit=100&created%5Bgte%5D=1600000000"
    );
}

#[tokio::test]
async fn ids_that_are_none_are_not_asked_for() {
    let (stand_in, stripe) = StandIn::serve(&[]).await;
    for id in ["", "../refunds/re_1", "pi_1?expand=x"] {
        assert!(stripe.look(id).await.is_err());
        assert!(stripe.cancel(id).await.is_err());
        assert!(stripe.look_refund(id).await.is_err());
        assert!(stripe.look_dispute(id).await.is_err());
        assert!(stripe.refund(&refund(), id).await.is_err());
    }
    assert!(stand_in.asked().is_empty());
}

#[test]
fn keys_of_the_other_mode_are_refused() {
    let open = |key: &str, live: bool| {
        let config = StripeConfig {
            secret_key: Secret::new(key),
            live,
            ..config("https://api.stripe.com")
        };
        Stripe::open(&config).is_ok()
    };
    assert!(open("sk_test_x", false) && open("rk_live_x", true));
    assert!(!open("sk_test_x", true) && !open("rk_live_x", false));
}

fn webhook(secret: &str, body: &Value, age: i64) -> Result<WebhookEvent, BadSignature> {
    let at = 1_700_000_000;
    let body = body.to_string();
    let signed = signature(secret, at, body.as_bytes());
    let mut headers = HeaderMap::new();
    let header = format!("t={at},v1={signed}").parse().unwrap();
    headers.insert("stripe-signature", header);
    let stripe = Stripe::open(&config("http://127.0.0.1:1")).unwrap();
    let now = Timestamp::from_second(at + age).unwrap();
    stripe.verify_webhook(&headers, body.as_bytes(), now)
}

fn message(object: Value) -> Value {
    json!({ "id": "evt_1", "type": "payment_intent.succeeded", "livemode": false, "data": { "object": object } })
}

#[test]
fn a_signed_message_names_the_object_to_read_again() {
    for (object, id) in [
        (json!({ "id": "pi_1", "amount": 1 }), Some("pi_1")),
        (
            json!({ "id": "re_1", "payment_intent": "pi_1" }),
            Some("re_1"),
        ),
        (
            json!({ "id": "ch_1", "payment_intent": "pi_1" }),
            Some("pi_1"),
        ),
        (
            json!({ "id": "du_1", "charge": "ch_1", "payment_intent": "pi_1" }),
            Some("du_1"),
        ),
        (json!({ "id": "ch_1", "payment_intent": null }), None),
        (json!({ "id": "cus_1" }), None),
        (json!({ "id": "pi_1/../x" }), None),
        (json!({}), None),
    ] {
        let event = webhook("whsec_new", &message(object.clone()), 0).unwrap();
        assert_eq!(event.object_id.as_deref(), id, "{object}");
        assert_eq!(event.id, "evt_1");
        assert_eq!(event.kind, "payment_intent.succeeded");
        assert_eq!(event.live, Some(false));
    }
    let by_the_old_secret = webhook("whsec_old", &message(json!({ "id": "pi_1" })), 200);
    assert!(by_the_old_secret.is_ok());
}

#[test]
fn forged_and_old_messages_are_refused() {
    let body = message(json!({ "id": "pi_1" }));
    assert_eq!(webhook("guessed", &body, 0), Err(BadSignature::Wrong));
    assert_eq!(webhook("whsec_new", &body, 301), Err(BadSignature::NotNow));
    assert_eq!(
        webhook("whsec_new", &json!({ "id": 1 }), 0),
        Err(BadSignature::NoEvent)
    );
    let stripe = Stripe::open(&config("http://127.0.0.1:1")).unwrap();
    let unsigned = stripe.verify_webhook(&HeaderMap::new(), b"{}", Timestamp::UNIX_EPOCH);
    assert_eq!(unsigned, Err(BadSignature::Missing));
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Accepts, and hangs up.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let stripe = Stripe::open(&config(&format!("http://{address}"))).unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(20), stripe.look("pi_1"));
    assert!(is_later(&asked.await.unwrap()));
}
