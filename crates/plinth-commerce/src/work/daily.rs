//! Once a day, without anybody asking: what providers say of the last weeks, compared with what is known here.
//!
//! What is not final is asked for as time goes by. What is final nobody asks for, and a message that would tell better may have been lost: of a
//! refund that people made on the provider's pages, of one that came back weeks later. So the provider's own list is gone through, gently:
//! one node has the turn, asks for one page, and puts the turn down where it stopped. Whoever dies in it leaves a turn that is due again.

use jiff::{SignedDuration, Timestamp};

use super::{disputes, listed, next, now};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model::comparisons::{self, Turn};
use crate::model::differences::{self, Difference};
use crate::providers::{Payments, ToldRefund, Trouble};

/// From the end of a comparison to the beginning of the next.
const EACH: SignedDuration = SignedDuration::from_hours(24);

/// Goes on with each provider's comparison that is due, by a page.
pub(super) async fn compare(commerce: &Commerce) -> Result<(), CommerceError> {
    for provider in commerce.providers.all() {
        let provider = &**provider;
        if provider.is_by_hand() {
            continue;
        }
        if let Some(turn) = comparisons::take(commerce, provider.name(), now(commerce)).await? {
            // On the heap: the worker's own future stays small.
            Box::pin(compare_page(commerce, provider, &turn)).await?;
        }
    }
    Ok(())
}

async fn compare_page(
    commerce: &Commerce,
    provider: &dyn Payments,
    turn: &Turn,
) -> Result<(), CommerceError> {
    let (since, after) = (listed::since(commerce), turn.continues_after.as_deref());
    let answered = match provider.refunds_since(since, after).await {
        Ok(page) => {
            compare_refunds(commerce, provider, page.refunds).await;
            match page.after {
                Some(after) => Ok(Some(after)),
                None => compare_disputes(commerce, provider).await?.map(|()| None),
            }
        }
        Err(trouble) => Err(trouble),
    };
    if let Err(trouble) = &answered {
        tracing::warn!(provider = provider.name(), %trouble, "what the provider knows cannot be compared now");
    }
    let (turn, due_at) = onwards(turn, answered, now(commerce));
    comparisons::put_down(commerce, provider.name(), &turn, due_at).await
}

/// Where a comparison goes on, and when: after a page that is not the last one soon, after the last one tomorrow.
fn onwards(
    turn: &Turn,
    answered: Result<Option<String>, Trouble>,
    now: Timestamp,
) -> (Turn, Timestamp) {
    let tomorrow = now.saturating_add(EACH).unwrap_or(now);
    match answered {
        Ok(Some(after)) => {
            let turn = Turn {
                continues_after: Some(after),
                attempts: 0,
            };
            (turn, now)
        }
        Ok(None) => (Turn::default(), tomorrow),
        Err(Trouble::Later { after, .. }) => {
            let attempts = turn.attempts.saturating_add(1);
            let turn = Turn {
                attempts,
                ..turn.clone()
            };
            (turn, next(now, attempts, after))
        }
        // The refund is not known any more after which it was to go on, or there is no such list.
        Err(Trouble::Refused { .. }) => (Turn::default(), tomorrow),
    }
}

/// One that cannot be compared keeps no other from it: it is tried again tomorrow.
async fn compare_refunds(commerce: &Commerce, provider: &dyn Payments, page: Vec<ToldRefund>) {
    for told in page {
        let id = told.provider_id.clone();
        let done = match listed::compare(commerce, provider, told).await {
            Ok(Some(difference)) => keep(commerce, &difference).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(provider = provider.name(), provider.id = id, %error, "a refund that the provider lists cannot be compared");
        }
    }
}

/// Gives whether the provider has said which there are.
async fn compare_disputes(
    commerce: &Commerce,
    provider: &dyn Payments,
) -> Result<Result<(), Trouble>, CommerceError> {
    let open = match provider.open_disputes(disputes::oldest(commerce)).await {
        Ok(open) => open,
        Err(trouble) => return Ok(Err(trouble)),
    };
    for difference in disputes::ours(commerce, provider, &open).await? {
        keep(commerce, &difference).await?;
    }
    Ok(Ok(()))
}

/// Says it once.
async fn keep(commerce: &Commerce, difference: &Difference) -> Result<(), CommerceError> {
    if differences::keep(commerce, difference).await? {
        let Difference {
            what,
            id,
            order_id,
            provider,
            ours,
            theirs,
            mended,
        } = difference;
        tracing::warn!(what, %id, order.id = %order_id, provider, ours, theirs, mended, "a provider knew something otherwise");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_comparison_goes_on_where_it_stopped_and_begins_anew_a_day_after_its_end() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let tomorrow = now.checked_add(EACH).unwrap();
        let begun = Turn {
            continues_after: Some("re_9".to_owned()),
            attempts: 2,
        };
        let (turn, due_at) = onwards(&begun, Ok(Some("re_5".to_owned())), now);
        assert_eq!(turn.continues_after.as_deref(), Some("re_5"));
        assert_eq!((turn.attempts, due_at), (0, now));
        assert_eq!(onwards(&begun, Ok(None), now), (Turn::default(), tomorrow));
    }

    #[test]
    fn a_provider_that_does_not_answer_is_asked_again_for_the_same_page() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let begun = Turn {
            continues_after: Some("re_9".to_owned()),
            attempts: 2,
        };
        let later = |after| Trouble::Later {
            after,
            why: "silence".to_owned(),
        };
        let (turn, due_at) = onwards(&begun, Err(later(None)), now);
        assert_eq!(turn.continues_after, begun.continues_after);
        assert_eq!((turn.attempts, due_at), (3, next(now, 3, None)));
        let wanted = Some(Duration::from_mins(5));
        let (_, due_at) = onwards(&begun, Err(later(wanted)), now);
        assert_eq!(due_at, next(now, 3, wanted));
        let refused = Trouble::Refused {
            code: "resource_missing".to_owned(),
            message: "No such refund".to_owned(),
        };
        assert_eq!(onwards(&begun, Err(refused), now).0, Turn::default());
    }
}
