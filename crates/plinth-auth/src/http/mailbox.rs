//! The mailbox of `plinth dev`, to be looked at in a browser and read by tests: `/`, `/{number}`, and JSON for who
//! asks for it.

use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::mail::{Outbox, Sent};

/// Letters are shown as they are; nothing in them may run or call home.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-top-navigation-by-user-activation";

/// The routes, relative to the mailbox's own prefix.
pub fn mailbox(outbox: Outbox) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/{number}", get(show))
        .with_state(outbox)
}

async fn list(State(outbox): State<Outbox>, headers: HeaderMap) -> Response {
    let letters = outbox.letters();
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if !accepts.unwrap_or_default().contains("text/html") {
        return Json(letters.iter().map(json_of).collect::<Vec<Value>>()).into_response();
    }
    let mut page = "<!doctype html><meta charset=\"utf-8\"><title>Mail</title><h1>Mail</h1><p>Letters of this run, newest first. They were sent to nobody.</p><ul>".to_owned();
    for letter in &letters {
        page.push_str(&format!(
            "<li><a href=\"/dev/mail/{}\">{}</a> to {}</li>",
            letter.number,
            escape(&letter.subject),
            escape(&letter.to)
        ));
    }
    page.push_str("</ul>");
    shown(page)
}

async fn show(State(outbox): State<Outbox>, Path(number): Path<u64>) -> Response {
    let letter = outbox
        .letters()
        .into_iter()
        .find(|letter| letter.number == number);
    match letter {
        Some(letter) => shown(letter.html),
        None => (StatusCode::NOT_FOUND, "There is no such letter").into_response(),
    }
}

fn shown(page: String) -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}

fn json_of(letter: &Sent) -> Value {
    json!({ "number": letter.number, "to": letter.to, "subject": letter.subject, "html": letter.html })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
