//! Answers by Idempotency-Key: a request that is repeated does nothing and is told what the first was told.
//!
//! Each request that begins holds its key by a `holder` of its own. One that has died gives its key up after a while; should it
//! live on after all, it is no longer the holder, and nothing that it wants to write with its answer is written.

use plinth_db::{Error, Param};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{call, run};
use crate::Commerce;
use crate::error::CommerceError;

/// How long an answer is given again: a day, as Stripe does.
const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// After how long a request that has not answered is thought dead: several times what a request may take.
const LEASE_SECONDS: i64 = 60;

/// Expired keys that are removed at once.
const SWEPT: i64 = 1_000;

/// What a request finds under its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Begun {
    /// Nothing: it may go ahead.
    Fresh(Held),
    /// Another that has not answered yet.
    Running,
    /// An answer.
    Kept {
        /// Its status.
        status: u16,
        /// Its body.
        answer: Value,
    },
    /// Another request altogether.
    OtherBody,
}

/// A key that is held by a request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whose key it is, and for what.
    pub(crate) scope: String,
    /// As the client sent it.
    pub(crate) key: String,
    /// Which request holds it.
    pub(crate) holder: Uuid,
}

/// An answer that is kept in the same transaction as what it tells of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptKey {
    /// The key that the request holds.
    pub(crate) held: Held,
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) answer: Value,
}

/// What is asked for when a key is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// What the request holds once it has it.
    pub(crate) held: Held,
    /// Of its body.
    fingerprint: String,
}

/// What the functions give that take a key.
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    fresh: bool,
    #[serde(default)]
    running: bool,
    #[serde(default)]
    other_body: bool,
    status: Option<u16>,
    answer: Option<Value>,
}

/// Another transaction is just taking the key.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Takes the key, or says what is under it.
pub(crate) async fn begin(commerce: &Commerce, claim: &Claim) -> Result<Begun, CommerceError> {
    let sql = "select commerce.begin_request($1::jsonb) as answer";
    match call::<Found>(commerce, sql, claim.document()).await {
        Ok(found) => Ok(found.begun(&claim.held)),
        Err(error) if is_being_taken(&error) => Ok(Begun::Running),
        Err(error) => Err(error),
    }
}

/// Whether somebody else is at work under this key, in a transaction that has not ended.
pub(crate) fn is_being_taken(error: &CommerceError) -> bool {
    matches!(error, CommerceError::Database(Error::Sql(sql)) if sql.code == LOCK_NOT_AVAILABLE)
}

/// Keeps the answer. One that was kept already with what it tells of may so be made fuller. Gives whether the request still
/// holds its key.
pub(crate) async fn end(
    commerce: &Commerce,
    held: &Held,
    status: u16,
    answer: &Value,
) -> Result<bool, CommerceError> {
    let kept = KeptKey {
        held: held.clone(),
        status,
        answer: answer.clone(),
    };
    call(
        commerce,
        "select to_jsonb(commerce.keep($1::jsonb)) as answer",
        kept.document(),
    )
    .await
}

/// Lets the key go, so that a repeat may try: after a failure that is not the client's.
pub(crate) async fn forget(commerce: &Commerce, held: &Held) -> Result<(), CommerceError> {
    // What has been kept stays kept: it was done.
    let sql = "delete from commerce.idempotency
               where scope = $1 and key = $2 and holder = $3 and state = 'running'";
    let params = vec![
        Param::from(&held.scope),
        Param::from(&held.key),
        Param::from(held.holder),
    ];
    run(commerce, sql, params).await?;
    Ok(())
}

/// Removes keys that have expired, some at a time. Gives how many.
pub(crate) async fn sweep(commerce: &Commerce, now: jiff::Timestamp) -> Result<u64, CommerceError> {
    let sql = "delete from commerce.idempotency where (scope, key) in
                 (select scope, key from commerce.idempotency where expires_at < $1::timestamptz order by expires_at limit $2::bigint)";
    let params = vec![Param::from(now), Param::from(SWEPT)];
    Ok(run(commerce, sql, params).await?.affected)
}

impl Claim {
    /// For a request with this body.
    pub(crate) fn new(scope: &str, key: &str, body: &[u8]) -> Claim {
        Claim {
            held: Held {
                scope: scope.to_owned(),
                key: key.to_owned(),
                holder: Uuid::new_v4(),
            },
            fingerprint: hex::encode(Sha256::digest(body)),
        }
    }

    /// As the functions of the schema take it.
    pub(super) fn document(&self) -> Value {
        json!({
            "scope": self.held.scope,
            "key": self.held.key,
            "fingerprint": self.fingerprint,
            "holder": self.held.holder,
            "lease_seconds": LEASE_SECONDS,
            "kept_seconds": KEPT_SECONDS,
        })
    }
}

impl Found {
    /// For whom asked for the key, and holds it if nobody else does.
    pub(super) fn begun(self, claimed: &Held) -> Begun {
        match self {
            Found { fresh: true, .. } => Begun::Fresh(claimed.clone()),
            Found { running: true, .. } => Begun::Running,
            Found {
                other_body: true, ..
            } => Begun::OtherBody,
            Found { status, answer, .. } => Begun::Kept {
                status: status.unwrap_or(200),
                answer: answer.unwrap_or_default(),
            },
        }
    }
}

impl KeptKey {
    /// As the functions of the schema take it.
    pub(super) fn document(&self) -> Value {
        json!({
            "scope": self.held.scope,
            "key": self.held.key,
            "holder": self.held.holder,
            "status": self.status,
            "answer": self.answer,
        })
    }
}
