//! Everything that is not final, compared with what the providers say: `plinth orders reconcile`.
//!
//! It asks as the loop does, by the same functions, only of everything at once and with a report. What can be mended is mended by that.
//! Of what is final, the last two days are compared, too.

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ABREAST, now, payments, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model;
use crate::model::payments::{Payment, PaymentState};
use crate::model::refunds::{Refund, RefundState};
use crate::providers::made_at;

/// Rows that are read at a time.
const PAGE: i64 = 200;
/// How old is what is compared although it is final. Providers are asked one row at a time, and a shop has many rows.
const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Payments and refunds that a provider was asked about.
    pub looked: u64,
    /// What was not the same on both sides.
    pub differences: Vec<Difference>,
    /// How many of those are the same by now.
    pub mended: u64,
}

/// Something that a provider knew otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `payment` or `refund`.
    pub what: String,
    /// Its id here.
    pub id: Uuid,
    /// Its order.
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

/// The comparison could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReconcileError(String);

impl From<CommerceError> for ReconcileError {
    fn from(error: CommerceError) -> ReconcileError {
        ReconcileError(error.to_string())
    }
}

impl Report {
    /// What differs still.
    pub fn problems(&self) -> u64 {
        let found = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        found.saturating_sub(self.mended)
    }

    fn add(&mut self, looked: Looked) {
        match looked {
            Looked::Not => {}
            Looked::Same => self.looked += 1,
            Looked::Differs(difference) => {
                self.looked += 1;
                self.mended += u64::from(difference.mended);
                self.differences.push(difference);
            }
        }
    }
}

/// What looking at one row came to.
enum Looked {
    /// There was nothing to ask.
    Not,
    Same,
    Differs(Difference),
}

/// Compares all that is not final, and what is recent, with the providers, and mends what can be. `progress` hears again and again of how
/// many a provider was asked. Works beside a running server.
///
/// # Errors
/// Those of the database. A provider that does not answer makes a difference and no error.
pub async fn reconcile(
    commerce: &Commerce,
    mut progress: impl FnMut(u64),
) -> Result<Report, ReconcileError> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let page = model::payments::page(commerce, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let work = page.into_iter().map(|row| payment(commerce, row));
        let mut done = stream::iter(work).buffer_unordered(ABREAST);
        while let Some(looked) = done.next().await {
            report.add(looked?);
            progress(report.looked);
        }
    }
    after = None;
    loop {
        let page = model::refunds::page(commerce, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let work = page.into_iter().map(|row| refund(commerce, row));
        let mut done = stream::iter(work).buffer_unordered(ABREAST);
        while let Some(looked) = done.next().await {
            report.add(looked?);
            progress(report.looked);
        }
    }
    report
        .differences
        .sort_by(|one, other| (&one.what, one.id).cmp(&(&other.what, other.id)));
    Ok(report)
}

async fn payment(commerce: &Commerce, row: Payment) -> Result<Looked, CommerceError> {
    let differs = |theirs: String, mended: bool| {
        Looked::Differs(Difference {
            what: "payment".to_owned(),
            id: row.id,
            order_id: row.order_id,
            provider: row.provider.clone(),
            ours: said(row.state.as_str(), row.failure.as_ref()),
            theirs,
            mended,
        })
    };
    if !row.state.is_under_way() {
        return captured(commerce, &row, differs).await;
    }
    let asked = payments::ask(commerce, &row).await?;
    let is_now = model::payments::find(commerce, row.id).await?;
    let is_now = is_now.map_or(row.state, |row| row.state);
    Ok(match asked {
        payments::Asked::Nothing if is_now == row.state => Looked::Not,
        payments::Asked::Nothing => differs("unknown there".to_owned(), true),
        payments::Asked::Told(told) if told.state == row.state => Looked::Same,
        payments::Asked::Told(told) => differs(
            said(told.state.as_str(), told.failure.as_ref()),
            is_now == told.state,
        ),
        payments::Asked::Contradicted(why) => differs(why, false),
        // A refusal ends what was never begun there.
        payments::Asked::Trouble(trouble) => {
            differs(trouble.to_string(), is_now == PaymentState::Failed)
        }
    })
}

/// One that has been captured here not long ago.
async fn captured(
    commerce: &Commerce,
    row: &Payment,
    differs: impl Fn(String, bool) -> Looked,
) -> Result<Looked, CommerceError> {
    let is_asked = row.state == PaymentState::Captured
        && row.amount.amount > 0
        && is_recent(row.id, now(commerce));
    let (Some(provider), Some(id), true) = (
        commerce.providers.get(&row.provider),
        &row.provider_id,
        is_asked,
    ) else {
        return Ok(Looked::Not);
    };
    if provider.is_by_hand() {
        return Ok(Looked::Not);
    }
    Ok(match provider.look(id).await {
        Ok(told) if told.state == row.state && told.amount == row.amount => Looked::Same,
        Ok(told) => differs(format!("{}, {}", told.state.as_str(), told.amount), false),
        Err(trouble) => differs(trouble.to_string(), false),
    })
}

async fn refund(commerce: &Commerce, row: Refund) -> Result<Looked, CommerceError> {
    let payment = model::payments::find(commerce, row.payment_id).await?;
    let provider = payment.map_or_else(String::new, |payment| payment.provider);
    let differs = |theirs: String, mended: bool| {
        Looked::Differs(Difference {
            what: "refund".to_owned(),
            id: row.id,
            order_id: row.order_id,
            provider: provider.clone(),
            ours: said(row.state.as_str(), row.failure.as_ref()),
            theirs,
            mended,
        })
    };
    if !row.state.is_under_way() {
        return succeeded(commerce, &row, &provider, differs).await;
    }
    let asked = refunds::ask(commerce, &row).await?;
    let is_now = model::refunds::find(commerce, row.id).await?;
    let is_now = is_now.map_or(row.state, |row| row.state);
    Ok(match asked {
        refunds::Asked::Nothing => Looked::Not,
        refunds::Asked::Told(told) if told.state == row.state => Looked::Same,
        refunds::Asked::Told(told) => differs(
            said(told.state.as_str(), told.failure.as_ref()),
            is_now == told.state,
        ),
        refunds::Asked::Contradicted(why) => differs(why, false),
        refunds::Asked::Trouble(trouble) => {
            differs(trouble.to_string(), is_now == RefundState::Failed)
        }
    })
}

/// One that has been made not long ago: it may have come back.
async fn succeeded(
    commerce: &Commerce,
    row: &Refund,
    provider: &str,
    differs: impl Fn(String, bool) -> Looked,
) -> Result<Looked, CommerceError> {
    let is_asked = row.state == RefundState::Succeeded && is_recent(row.id, now(commerce));
    let (Some(provider), Some(id), true) =
        (commerce.providers.get(provider), &row.provider_id, is_asked)
    else {
        return Ok(Looked::Not);
    };
    if provider.is_by_hand() {
        return Ok(Looked::Not);
    }
    let told = match provider.look_refund(id).await {
        Ok(told) => told,
        Err(trouble) => return Ok(differs(trouble.to_string(), false)),
    };
    if told.state == row.state && told.amount == row.amount {
        return Ok(Looked::Same);
    }
    let theirs = format!("{}, {}", told.state.as_str(), told.amount);
    refunds::settle(commerce, provider, row, told.clone()).await?;
    let is_now = model::refunds::find(commerce, row.id).await?;
    let mended = is_now.is_some_and(|row| row.state == told.state && row.amount == told.amount);
    Ok(differs(theirs, mended))
}

fn said(state: &str, failure: Option<&String>) -> String {
    match failure {
        Some(failure) => format!("{state} ({failure})"),
        None => state.to_owned(),
    }
}

fn is_recent(id: Uuid, now: Timestamp) -> bool {
    made_at(id).is_some_and(|at| now.duration_since(at) < RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(mended: bool) -> Difference {
        Difference {
            what: "payment".to_owned(),
            id: Uuid::nil(),
            order_id: Uuid::nil(),
            provider: "stripe".to_owned(),
            ours: "pending".to_owned(),
            theirs: "captured".to_owned(),
            mended,
        }
    }

    #[test]
    fn what_is_mended_is_no_problem() {
        let mut report = Report::default();
        report.add(Looked::Not);
        report.add(Looked::Same);
        report.add(Looked::Differs(difference(true)));
        assert_eq!((report.looked, report.mended, report.problems()), (2, 1, 0));
        report.add(Looked::Differs(difference(false)));
        assert_eq!((report.looked, report.mended, report.problems()), (3, 1, 1));
    }
}
