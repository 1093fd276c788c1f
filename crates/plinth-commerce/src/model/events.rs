//! Webhook events: what providers sent, once each.
//!
//! A message is stored before it is acted on, so that one which comes while we are busy or dying is not lost with us.

use jiff::Timestamp;
use plinth_db::Param;
use serde::{Deserialize, Serialize};

use super::{Time, run, take};
use crate::Commerce;
use crate::error::CommerceError;
use crate::providers::WebhookEvent;

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredEvent {
    pub(crate) provider: String,
    /// Its id at the provider.
    pub(crate) event_id: String,
    /// What it is about: `payment_intent.succeeded`.
    pub(crate) kind: String,
    /// The object to read again.
    pub(crate) object_id: Option<String>,
    pub(crate) state: EventState,
    /// How often it was tried.
    pub(crate) attempts: i32,
    /// When it is to be tried again; none when it is done with.
    pub(crate) due_at: Option<Timestamp>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventState {
    /// Nothing yet.
    Stored,
    /// What it is about was read again, and what followed from that was done.
    Handled,
    /// It is about nothing of ours.
    Ignored,
    /// It could not be handled.
    Failed,
}

/// A row as it is in the table.
#[derive(Deserialize)]
struct Columns {
    provider: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    object_id: Option<String>,
    state: EventState,
    attempts: i32,
    due_at: Option<Time>,
}

/// Stores an event with its body as it came: as `stored` it is handled at once, otherwise not at all. Gives false for one that is there
/// already.
pub(crate) async fn store(
    commerce: &Commerce,
    provider: &str,
    event: &WebhookEvent,
    body: &str,
    state: EventState,
) -> Result<bool, CommerceError> {
    let sql = "insert into commerce.webhook_events (provider, event_id, type, object_id, body, state, due_at)
               values ($1, $2, $3, $4, $5, $6::text, case when $6::text = 'stored' then now() end)
               on conflict (provider, event_id) do nothing";
    // No text of the database's has this character. The body is for people.
    let body = body.replace('\0', "\u{fffd}");
    let params = vec![
        Param::from(provider),
        Param::from(&event.id),
        Param::from(&event.kind),
        Param::from(event.object_id.as_ref()),
        Param::from(body),
        Param::from(state.as_str()),
    ];
    Ok(run(commerce, sql, params).await?.affected > 0)
}

/// Events that are to be handled now. Whoever gets one has it to himself for [`super::LEASE_SECONDS`].
pub(crate) async fn due(
    commerce: &Commerce,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<StoredEvent>, CommerceError> {
    let taken: Vec<Columns> = take(commerce, "take_events", now, limit).await?;
    Ok(taken.into_iter().map(StoredEvent::from).collect())
}

/// Writes down what became of an event.
pub(crate) async fn note(commerce: &Commerce, event: &StoredEvent) -> Result<(), CommerceError> {
    let sql = "update commerce.webhook_events set state = $3, attempts = $4, due_at = $5
               where provider = $1 and event_id = $2";
    let params = vec![
        Param::from(&event.provider),
        Param::from(&event.event_id),
        Param::from(event.state.as_str()),
        Param::from(event.attempts),
        Param::from(event.due_at),
    ];
    run(commerce, sql, params).await?;
    Ok(())
}

impl EventState {
    /// As rows have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            EventState::Stored => "stored",
            EventState::Handled => "handled",
            EventState::Ignored => "ignored",
            EventState::Failed => "failed",
        }
    }
}

impl From<Columns> for StoredEvent {
    fn from(columns: Columns) -> StoredEvent {
        StoredEvent {
            provider: columns.provider,
            event_id: columns.event_id,
            kind: columns.kind,
            object_id: columns.object_id,
            state: columns.state,
            attempts: columns.attempts,
            due_at: columns.due_at.map(|Time(at)| at),
        }
    }
}
