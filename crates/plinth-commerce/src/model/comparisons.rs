//! Turns to compare the shop with its providers: how far each comparison has come, and who is at it.

use jiff::Timestamp;
use plinth_db::Param;
use serde::Deserialize;
use serde_json::json;

use super::{call, leased_until, run};
use crate::Commerce;
use crate::error::CommerceError;

/// How far a comparison has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The last of the provider's objects that was looked at; none where it begins.
    pub(crate) continues_after: Option<String>,
    /// How often the provider has not answered since it last did.
    pub(crate) attempts: i32,
}

/// The turn to compare with this provider, if it is due and nobody else's. Whoever gets it has it to himself for
/// [`super::LEASE_SECONDS`]. The first one is due at once.
pub(crate) async fn take(
    commerce: &Commerce,
    provider: &str,
    now: Timestamp,
) -> Result<Option<Turn>, CommerceError> {
    /// What the function gives.
    #[derive(Deserialize)]
    struct Answer {
        taken: bool,
        continues_after: Option<String>,
        #[serde(default)]
        attempts: i32,
    }

    let document = json!({
        "provider": provider,
        "now": now.to_string(),
        "until": leased_until(now).to_string(),
    });
    let sql = "select commerce.take_comparison($1::jsonb) as answer";
    let answer: Answer = call(commerce, sql, document).await?;
    Ok(answer.taken.then_some(Turn {
        continues_after: answer.continues_after,
        attempts: answer.attempts,
    }))
}

/// Writes down how far the comparison has come, and when it goes on.
pub(crate) async fn put_down(
    commerce: &Commerce,
    provider: &str,
    turn: &Turn,
    due_at: Timestamp,
) -> Result<(), CommerceError> {
    let sql = "update commerce.comparisons set continues_after = $2, attempts = $3, due_at = $4 where provider = $1";
    let params = vec![
        Param::from(provider),
        Param::from(turn.continues_after.as_ref()),
        Param::from(turn.attempts),
        Param::from(due_at),
    ];
    run(commerce, sql, params).await?;
    Ok(())
}
