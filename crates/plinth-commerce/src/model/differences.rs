//! Differences: what a provider knew otherwise. What the server finds by itself is kept for whoever runs the shop.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Known, Param};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{fetch, run};
use crate::Commerce;
use crate::error::CommerceError;

/// How much of a text is kept: it may be a provider's, and a key of an index has an end.
const KEPT_CHARS: usize = 400;
/// Most that are read at once.
const READ: i64 = 1_000;

/// Something that a provider knew otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `payment`, `refund` or `dispute`; `refunds` or `disputes` where the provider did not say which there are.
    pub what: String,
    /// Its id here. A dispute has none, so it is its payment's; nil for `refunds` and `disputes`.
    pub id: Uuid,
    /// Its order; nil for `refunds` and `disputes`.
    pub order_id: Uuid,
    /// Its provider.
    pub provider: String,
    /// What was known here.
    pub ours: String,
    /// What the provider said, or why it said nothing.
    pub theirs: String,
    /// Whether it is known here by now.
    pub mended: bool,
}

/// Keeps a difference. Gives false for one that is kept already and is mended no more than it was.
pub(crate) async fn keep(
    commerce: &Commerce,
    difference: &Difference,
) -> Result<bool, CommerceError> {
    let sql = "insert into commerce.differences as known (what, subject_id, order_id, provider, ours, theirs, mended)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (what, subject_id, provider, theirs) do update set mended = true
                 where excluded.mended and not known.mended";
    let params = vec![
        Param::from(&difference.what),
        Param::from(difference.id),
        Param::from(difference.order_id),
        Param::from(&difference.provider),
        Param::from(kept(&difference.ours)),
        Param::from(kept(&difference.theirs)),
        Param::from(difference.mended),
    ];
    Ok(run(commerce, sql, params).await?.affected > 0)
}

/// Those that were found since then, the newest first.
pub(crate) async fn found_since(
    commerce: &Commerce,
    since: Timestamp,
) -> Result<Vec<Difference>, CommerceError> {
    static FOUND: LazyLock<Known> = LazyLock::new(|| {
        let sql = "select what, subject_id as id, order_id, provider, ours, theirs, mended from commerce.differences
                   where found_at >= $1::timestamptz order by found_at desc limit $2::bigint";
        let fields = [
            "what", "id", "order_id", "provider", "ours", "theirs", "mended",
        ];
        Known::new(sql, &fields, 2)
    });
    let params = vec![Param::from(since), Param::from(READ)];
    Ok(fetch(commerce, &FOUND, params).await?)
}

/// Forgets those that were found before then. One that is still there is found anew.
pub(crate) async fn sweep(commerce: &Commerce, before: Timestamp) -> Result<(), CommerceError> {
    let sql = "delete from commerce.differences where found_at < $1::timestamptz";
    run(commerce, sql, vec![Param::from(before)]).await?;
    Ok(())
}

/// A text as it is kept. No text of the database's has the character NUL.
fn kept(text: &str) -> String {
    let text = text.chars().take(KEPT_CHARS);
    text.map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .collect()
}

impl Difference {
    /// Whether both tell of the same thing, as they are kept.
    pub(crate) fn is_same(&self, other: &Difference) -> bool {
        let told = |one: &Difference| (one.what.clone(), one.id, kept(&one.theirs));
        self.provider == other.provider && told(self) == told(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_as_far_as_the_database_has_room() {
        assert_eq!(kept("pending"), "pending");
        assert_eq!(kept("a\0b"), "a\u{fffd}b");
        assert_eq!(kept(&"ü".repeat(1_000)).chars().count(), KEPT_CHARS);
    }

    #[test]
    fn what_is_kept_is_known_again() {
        let found = Difference {
            what: "refund".to_owned(),
            id: Uuid::nil(),
            order_id: Uuid::nil(),
            provider: "stripe".to_owned(),
            ours: "succeeded".to_owned(),
            theirs: "x".repeat(1_000),
            mended: false,
        };
        let read = Difference {
            theirs: kept(&found.theirs),
            mended: true,
            ..found.clone()
        };
        assert!(found.is_same(&read));
        let other = Difference {
            theirs: "failed".to_owned(),
            ..read
        };
        assert!(!found.is_same(&other));
    }
}
