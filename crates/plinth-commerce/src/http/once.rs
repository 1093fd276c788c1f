//! Writes that happen once: every request that changes something has a key, and its answer is kept by it.
//!
//! The work of a request runs to its end even when the client goes away in the middle of it, so a key is never left with half a
//! story. What a secret opens is not kept with the answer: it is told anew from the project's key.
//!
//! What is done and what it was done to are written together, and the answer with them where it is known by then. Elsewhere it follows, because
//! it also tells what the provider said after that. Where the server dies in between, a repetition is told of the order, refund or cart as it is
//! by then. That is deliberate: an answer that was written down before the provider was asked would be older than what everybody knows.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use plinth_http::{ApiError, internal_error};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::guest::Opens;
use super::who::Who;
use super::{body, carts, not_found, render};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model::idempotency::{self, Begun, Claim, Held, KeptKey};
use crate::model::orders;

/// The header that carries the key.
const KEY: &str = "idempotency-key";
/// Longest key.
const KEY_CHARS: usize = 255;
/// Shortest key of whoever shares a scope with strangers. Who guesses both a key and its body would be told the answer.
const SHARED_KEY_CHARS: usize = 16;
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that changes something, read to its end.
pub(crate) struct Write {
    pub(crate) who: Who,
    bytes: Bytes,
    key: String,
    scope: String,
}

/// The same from staff or the service key. Others are refused before anything of the body is read.
pub(crate) struct StaffWrite(pub(crate) Write);

impl FromRequest<Commerce> for Write {
    type Rejection = ApiError;

    async fn from_request(request: Request, commerce: &Commerce) -> Result<Write, ApiError> {
        let (parts, body) = request.into_parts();
        let who = Who::of(commerce, &parts)?;
        Write::read(who, &parts, body).await
    }
}

impl FromRequest<Commerce> for StaffWrite {
    type Rejection = ApiError;

    async fn from_request(request: Request, commerce: &Commerce) -> Result<StaffWrite, ApiError> {
        let (parts, body) = request.into_parts();
        let who = Who::of(commerce, &parts)?;
        who.must_be_staff()?;
        Write::read(who, &parts, body).await.map(StaffWrite)
    }
}

impl Write {
    async fn read(who: Who, parts: &Parts, body: Body) -> Result<Write, ApiError> {
        let key = key(parts, who.shares_scope())?;
        Ok(Write {
            scope: who.scope(parts.method.as_str(), parts.uri.path()),
            bytes: body::bytes(body).await?,
            key,
            who,
        })
    }

    /// The body as a request.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        body::parse(&self.bytes)
    }

    /// The same for requests that may come without a body.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        body::parse_optional(&self.bytes)
    }
}

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// None for 204.
    pub(crate) body: Option<Value>,
    /// Whether it was kept with what it tells of, and nothing is to be added.
    is_kept: bool,
}

impl Answer {
    /// 201.
    pub(crate) fn created(body: Value) -> Answer {
        Answer::new(StatusCode::CREATED, Some(body))
    }

    /// 200.
    pub(crate) fn ok(body: Value) -> Answer {
        Answer::new(StatusCode::OK, Some(body))
    }

    /// 204.
    pub(crate) fn nothing() -> Answer {
        Answer::new(StatusCode::NO_CONTENT, None)
    }

    fn new(status: StatusCode, body: Option<Value>) -> Answer {
        Answer {
            status,
            body,
            is_kept: false,
        }
    }

    /// The same, where the transaction that did it has kept all of it.
    pub(crate) fn as_kept(self) -> Answer {
        Answer {
            is_kept: true,
            ..self
        }
    }
}

/// Why a write came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request itself is wrong, or the caller may not.
    Refused(ApiError),
    /// What the shop says.
    Failed(CommerceError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Refused(error)
    }
}

impl From<CommerceError> for Failure {
    fn from(error: CommerceError) -> Failure {
        Failure::Failed(error)
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> ApiError {
        match failure {
            Failure::Refused(error) => error,
            Failure::Failed(error) => error.into(),
        }
    }
}

/// What is kept by a key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stored {
    /// The answer's body.
    Body(Option<Value>),
    /// The answer's body, written in the transaction that placed the order, but for what the database gave the order then.
    Placed {
        /// The order.
        id: Uuid,
        /// Without its number and times.
        body: Value,
    },
    /// Written in the transaction that placed or changed an order, in case that nobody comes to write its answer.
    Order(Uuid),
    /// The same of a refund.
    Refund(Uuid),
    /// The same of a cart.
    Cart(Uuid),
}

impl Stored {
    /// For the transaction that does what the request asks.
    pub(crate) fn kept(&self, held: &Held, status: StatusCode) -> KeptKey {
        KeptKey {
            held: held.clone(),
            status: status.as_u16(),
            answer: json!(self),
        }
    }
}

/// What came of an attempt to take the key and do the work in one turn.
pub(crate) enum Attempt {
    /// Nothing: it must be done step by step.
    Untried,
    /// Somebody else has the key, or this request has it and nothing more was done.
    Begun(Begun),
    /// The key was taken, and this came of the work. Where it failed for a reason that may pass, nobody holds the key.
    Done(Result<Answer, Failure>),
}

/// Does the work of a write, or gives the answer that it was given before. `opens` says what kind of secret a guest is told with what
/// is made.
pub(crate) async fn once<W, F>(
    commerce: Commerce,
    write: Write,
    opens: Option<Opens>,
    work: W,
) -> Result<Response, ApiError>
where
    W: FnOnce(Commerce, Who, Held) -> F + Send + 'static,
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let attempt = async |_, _, _| Attempt::Untried;
    once_at_once(commerce, write, opens, attempt, work).await
}

/// The same for work that can often be done in one turn with taking the key; `attempt` tries that first.
pub(crate) async fn once_at_once<A, T, W, F>(
    commerce: Commerce,
    write: Write,
    opens: Option<Opens>,
    attempt: A,
    work: W,
) -> Result<Response, ApiError>
where
    A: FnOnce(Commerce, Who, Claim) -> T + Send + 'static,
    T: Future<Output = Attempt> + Send + 'static,
    W: FnOnce(Commerce, Who, Held) -> F + Send + 'static,
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let shop = commerce.clone();
    // On a task of its own, which nobody cancels.
    let running = tokio::spawn(async move { run(&shop, write, attempt, work).await });
    let done = running.await.map_err(internal_error)?;
    let (mut answer, is_replayed) = done.map_err(ApiError::from)?;
    if let (Some(opens), Some(body)) = (opens, &mut answer.body) {
        tell_secret(&commerce, opens, body);
    }
    let mut response = match answer.body {
        Some(body) => (answer.status, axum::Json(body)).into_response(),
        None => answer.status.into_response(),
    };
    if is_replayed {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The answer, and whether it was given before.
async fn run<A, T, W, F>(
    commerce: &Commerce,
    write: Write,
    attempt: A,
    work: W,
) -> Result<(Answer, bool), Failure>
where
    A: FnOnce(Commerce, Who, Claim) -> T + Send + 'static,
    T: Future<Output = Attempt> + Send + 'static,
    W: FnOnce(Commerce, Who, Held) -> F + Send + 'static,
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let claim = Claim::new(&write.scope, &write.key, &write.bytes);
    let tried = attempt(commerce.clone(), write.who.clone(), claim.clone()).await;
    let begun = match tried {
        Attempt::Done(done) => return Ok((settled(commerce, &claim.held, done).await?, false)),
        Attempt::Begun(begun) => begun,
        Attempt::Untried => idempotency::begin(commerce, &claim).await?,
    };
    let held = match begun {
        Begun::Fresh(held) => held,
        Begun::Running => return Err(is_running().into()),
        Begun::OtherBody => return Err(other_body().into()),
        Begun::Kept { status, answer } => {
            let given = given_before(commerce, &write.who, status, answer).await?;
            return Ok((given, true));
        }
    };
    let done = work(commerce.clone(), write.who, held.clone()).await;
    Ok((settled(commerce, &held, done).await?, false))
}

/// What came of the work, kept under its key, or the key let go.
async fn settled(
    commerce: &Commerce,
    held: &Held,
    done: Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    let answer = match done {
        Ok(answer) => answer,
        Err(failure) => match as_answer(failure) {
            Ok(answer) => answer,
            Err(failure) => {
                forget(commerce, held).await;
                return Err(failure);
            }
        },
    };
    if !answer.is_kept {
        keep(commerce, held, &answer).await;
    }
    Ok(answer)
}

/// A refusal is an answer like any other. What may pass is none: a repeat may find it gone.
fn as_answer(failure: Failure) -> Result<Answer, Failure> {
    let error = match failure {
        Failure::Refused(error) => error,
        Failure::Failed(error) if error.may_pass() => return Err(Failure::Failed(error)),
        Failure::Failed(error) => error.into(),
    };
    Ok(Answer::new(error.status, Some(render::error(&error))))
}

async fn given_before(
    commerce: &Commerce,
    who: &Who,
    status: u16,
    answer: Value,
) -> Result<Answer, Failure> {
    let unreadable = |_| internal_error("a kept answer cannot be read");
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let body = match serde_json::from_value::<Stored>(answer).map_err(unreadable)? {
        Stored::Body(body) => body,
        Stored::Placed { id, body } => {
            let found = orders::find(commerce, id).await?;
            let order = found.ok_or_else(not_found)?;
            Some(render::placed(body, order.number, order.placed_at))
        }
        Stored::Order(id) => {
            // Whoever placed an order may pay it. A guest had no secret then by which he could be known.
            let asks = Some(who).filter(|_| status != StatusCode::CREATED);
            Some(render::stored_order(commerce, id, asks).await?)
        }
        Stored::Refund(id) => Some(render::stored_refund(commerce, id).await?),
        Stored::Cart(id) => Some(carts::stored(commerce, id).await?),
    };
    Ok(Answer::new(status, body).as_kept())
}

/// What was done is done: a failure to keep its answer must not look like a failure to do it.
async fn keep(commerce: &Commerce, held: &Held, answer: &Answer) {
    let stored = json!(Stored::Body(answer.body.clone()));
    let kept = idempotency::end(commerce, held, answer.status.as_u16(), &stored);
    match kept.await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a request took so long that another took over its key"),
        Err(error) => tracing::warn!(%error, "the answer to a request could not be kept"),
    }
}

/// A key that is not let go is let go by itself after a minute.
async fn forget(commerce: &Commerce, held: &Held) {
    if let Err(error) = idempotency::forget(commerce, held).await {
        tracing::warn!(%error, "an idempotency key could not be let go");
    }
}

/// Adds the secret to what was made for nobody's account.
fn tell_secret(commerce: &Commerce, opens: Opens, body: &mut Value) {
    let Value::Object(made) = body else { return };
    // An error has no such member.
    if made.get("user_id") != Some(&Value::Null) {
        return;
    }
    let id = made.get("id").and_then(Value::as_str);
    if let Some(id) = id.and_then(|id| id.parse().ok()) {
        let secret = commerce.guest_key.secret(opens, id);
        made.insert("secret".to_owned(), Value::String(secret));
    }
}

fn key(parts: &Parts, is_shared: bool) -> Result<String, ApiError> {
    let mut values = parts.headers.get_all(KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(bad_key(
            "commerce_idempotency_key_missing",
            "This request needs one Idempotency-Key",
        ));
    };
    let bytes = value.as_bytes();
    let is_visible = bytes.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(text) if is_visible && (1..=KEY_CHARS).contains(&text.len()) => {
            if is_shared && text.len() < SHARED_KEY_CHARS {
                return Err(bad_key(
                    "commerce_idempotency_key_invalid",
                    "Without an account or a secret an Idempotency-Key needs at least 16 characters",
                ));
            }
            Ok(text.to_owned())
        }
        _ => Err(bad_key(
            "commerce_idempotency_key_invalid",
            "An Idempotency-Key has 1 to 255 visible ASCII characters and no blanks",
        )),
    }
}

fn bad_key(code: &str, message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message).hint(
        "Make a random UUID for each thing that should happen once, and send it again when you repeat the request.",
    )
}

fn is_running() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "commerce_idempotency_key_running",
        "A request with this Idempotency-Key is under way",
    )
    .retry_after(1)
}

fn other_body() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "commerce_idempotency_key_reused",
        "This Idempotency-Key was used with another body",
    )
}
