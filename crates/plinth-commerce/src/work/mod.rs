//! Work that outlives requests: payments and refunds under way, stored webhooks, orders whose time is over, what providers list.
//!
//! Each piece of work is one function that reads where things stand, asks the provider, and stores what follows from the answer in
//! one statement that refuses to be done twice. A request runs it at once, a webhook again, the loop here after a crash. Any number of
//! them at a time is harmless, and dying anywhere in it, too: what was not stored is found due again, and the provider knows what it
//! was asked by the key of the row.

mod daily;
mod disputes;
mod ending;
mod events;
mod listed;
mod payments;
pub(crate) mod reconcile;
mod refunds;
#[cfg(test)]
mod stage;

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::Commerce;
use crate::error::CommerceError;
use crate::model;

pub(crate) use ending::{Ended, end};
pub(crate) use payments::{paid_by_hand, pay};
pub(crate) use refunds::{plan, refund};

/// How often work is looked for that nobody has told us of.
const ROUND: Duration = Duration::from_secs(5);
/// From one page of what a provider lists to the next. Nobody waits for it, and a provider counts what it is asked.
const LIST_PAGE: Duration = Duration::from_secs(30);
/// How often is removed what is needed no more.
const TIDY: Duration = Duration::from_mins(5);
/// Pieces of work that are taken at a time.
const BATCH: i64 = 64;
/// Of those, how many are worked at abreast. A provider that does not answer holds each for some seconds.
const ABREAST: usize = 16;
/// Orders whose time is over that are taken at a time. More than a batch: those that cannot be ended now are met again each round, and
/// must not keep others from their end.
const EXPIRING: i64 = 512;
/// Longest that one kind of work is worked at before it is looked for anew; what was left is due again.
const LONGEST_TURN: Duration = Duration::from_secs(30);
/// How often a step is decided anew because the order has changed meanwhile.
const TURNS: usize = 20;
/// The shortest wait before a provider is asked again.
const SHORTEST_SECONDS: i64 = 1;
/// The longest.
const LONGEST_SECONDS: i64 = 600;

/// Works until it is dropped: whenever somebody says that there is work, and each [`ROUND`]. One kind of work does not wait for another.
pub(crate) async fn run(commerce: &Commerce) {
    let bells: [Notify; 6] = Default::default();
    let [events, payments, refunds, expiry, lists, tidiness] = &bells;
    tokio::join!(
        ring(commerce, [events, payments, refunds, expiry]),
        lane("messages of providers", ROUND, events, || due_events(
            commerce
        )),
        lane("payments", ROUND, payments, || due_payments(commerce)),
        lane("refunds", ROUND, refunds, || due_refunds(commerce)),
        lane("orders whose time is over", ROUND, expiry, || expire(
            commerce
        )),
        lane("what providers list", LIST_PAGE, lists, || daily::compare(
            commerce
        )),
        lane("what is needed no more", TIDY, tidiness, || tidy(commerce)),
    );
}

/// Passes on to all that there is work: who says so need not know of what kind.
async fn ring(commerce: &Commerce, bells: [&Notify; 4]) {
    loop {
        commerce.worker.notified().await;
        for bell in bells {
            bell.notify_one();
        }
    }
}

/// Works at one kind of work, again and again. Cutting it off is like dying in it, so it is harmless.
async fn lane<F>(what: &str, round: Duration, bell: &Notify, work: impl Fn() -> F)
where
    F: Future<Output = Result<(), CommerceError>>,
{
    loop {
        match tokio::time::timeout(LONGEST_TURN, work()).await {
            Ok(done) => tell(what, done),
            Err(_) => tracing::warn!("{what} take long; a provider may be slow"),
        }
        // Work of an earlier run and of other nodes has nobody who wakes us.
        let _woken_or_due = tokio::time::timeout(round, bell.notified()).await;
    }
}

fn tell(what: &str, done: Result<(), CommerceError>) {
    match done {
        Ok(()) => {}
        // That the database is away its engine tells, once for everything.
        Err(CommerceError::Database(error)) if error.is_away() => {
            tracing::debug!(%error, "{what} cannot be worked at");
        }
        Err(error) => tracing::error!(%error, "{what} cannot be worked at"),
    }
}

async fn due_events(commerce: &Commerce) -> Result<(), CommerceError> {
    loop {
        let due = model::events::due(commerce, now(commerce), BATCH).await?;
        let is_last = is_last(due.len());
        let work = stream::iter(due).for_each_concurrent(ABREAST, |event| async move {
            tell(
                "a message of a provider",
                events::handle(commerce, event).await,
            );
        });
        work.await;
        if is_last {
            return Ok(());
        }
    }
}

async fn due_payments(commerce: &Commerce) -> Result<(), CommerceError> {
    loop {
        let due = model::payments::due(commerce, now(commerce), BATCH).await?;
        let is_last = is_last(due.len());
        let work = stream::iter(due).for_each_concurrent(ABREAST, |payment| async move {
            tell("a payment", pay(commerce, payment.id).await);
        });
        work.await;
        if is_last {
            return Ok(());
        }
    }
}

async fn due_refunds(commerce: &Commerce) -> Result<(), CommerceError> {
    loop {
        let due = model::refunds::due(commerce, now(commerce), BATCH).await?;
        let is_last = is_last(due.len());
        let work = stream::iter(due).for_each_concurrent(ABREAST, |due| async move {
            tell("a refund", refund(commerce, due.id).await);
        });
        work.await;
        if is_last {
            return Ok(());
        }
    }
}

/// Ends orders that were not paid in time.
async fn expire(commerce: &Commerce) -> Result<(), CommerceError> {
    let due = model::orders::due_to_expire(commerce, now(commerce), EXPIRING).await?;
    let work = stream::iter(due).for_each_concurrent(ABREAST, |order| async move {
        tell(
            "an order whose time is over",
            ending::expire(commerce, order.id).await,
        );
    });
    work.await;
    Ok(())
}

async fn tidy(commerce: &Commerce) -> Result<(), CommerceError> {
    // As many as there are: `LONGEST_TURN` bounds it.
    while model::idempotency::sweep(commerce, now(commerce)).await? > 0 {}
    while model::carts::sweep(commerce, now(commerce)).await? > 0 {}
    model::differences::sweep(commerce, listed::since(commerce)).await?;
    Ok(())
}

fn is_last(taken: usize) -> bool {
    i64::try_from(taken).is_ok_and(|taken| taken < BATCH)
}

fn now(commerce: &Commerce) -> Timestamp {
    commerce.app.db.clock().now()
}

/// When a provider that was asked so often is asked again: twice as long each time, and not before it wants to be.
fn next(now: Timestamp, attempts: i32, wanted: Option<Duration>) -> Timestamp {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(16);
    let seconds = (SHORTEST_SECONDS << doublings).min(LONGEST_SECONDS);
    let wanted = wanted.map_or(0, |wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
    let wait = SignedDuration::from_secs(seconds.max(wanted));
    now.saturating_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_up_to_ten_minutes() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let wait = |attempts, wanted| {
            let wanted: Option<u64> = wanted;
            let at = next(now, attempts, wanted.map(Duration::from_secs));
            at.duration_since(now).as_secs()
        };
        let waits: Vec<i64> = (0..14).map(|attempts| wait(attempts, None)).collect();
        let doubled = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600];
        assert_eq!(waits, doubled);
        assert_eq!(wait(i32::MAX, None), 600);
        assert_eq!(wait(i32::MIN, None), 1);
        // Who wants to be left alone longer is.
        assert_eq!(wait(1, Some(30)), 30);
        assert_eq!(wait(8, Some(30)), 128);
    }
}
