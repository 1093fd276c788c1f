//! Everything that is not final, compared with what the providers say: `plinth orders reconcile`.
//!
//! It asks as the loop does, by the same functions, only of everything at once and with a report. What can be mended is mended by that.
//! Of what is final, the last weeks are compared, too. What people did at the provider itself is asked for besides: refunds that it lists, and
//! disputes that are open.

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::listed::{self, of_payment, of_refund, said};
use super::{ABREAST, disputes, payments, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model;
use crate::model::differences::{self, Difference};
use crate::model::payments::{Payment, PaymentState};
use crate::model::refunds::{Refund, RefundState};
use crate::providers::{Payments, Trouble, made_at};

/// Rows that are read at a time.
const PAGE: i64 = 200;
/// Pages of a provider's list that are gone through: a hundred thousand refunds.
const PAGES: usize = 1_000;

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Payments and refunds that a provider was asked about.
    pub looked: u64,
    /// What was not the same on both sides.
    pub differences: Vec<Difference>,
    /// How many of those are the same by now.
    pub mended: u64,
    /// What the server had found before by itself, and this comparison has not.
    #[serde(default)]
    pub earlier: Vec<Difference>,
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
                self.list(difference);
            }
        }
    }

    fn has(&self, found: &Difference) -> bool {
        self.differences.iter().any(|known| known.is_same(found))
    }

    fn list(&mut self, difference: Difference) {
        self.mended += u64::from(difference.mended);
        self.differences.push(difference);
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
    for provider in commerce.providers.all() {
        if !provider.is_by_hand() {
            Box::pin(lists(commerce, &**provider, &mut report)).await?;
        }
    }
    report
        .differences
        .sort_by(|one, other| (&one.what, one.id).cmp(&(&other.what, other.id)));
    let earlier = differences::found_since(commerce, listed::since(commerce)).await?;
    report.earlier = earlier
        .into_iter()
        .filter(|found| !report.has(found))
        .collect();
    Ok(report)
}

/// What a provider lists: refunds of the last weeks, whoever made them, and open disputes.
async fn lists(
    commerce: &Commerce,
    provider: &dyn Payments,
    report: &mut Report,
) -> Result<(), CommerceError> {
    let since = listed::since(commerce);
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let page = match provider.refunds_since(since, after.as_deref()).await {
            Ok(page) => page,
            Err(trouble) => {
                report.list(unanswered("refunds", provider, &trouble));
                break;
            }
        };
        for told in page.refunds {
            // What was found by its row, too, is told once.
            let found = listed::compare(commerce, provider, told).await?;
            if let Some(found) = found.filter(|found| !report.has(found)) {
                report.list(found);
            }
        }
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    match provider.open_disputes(disputes::oldest(commerce)).await {
        Ok(open) => {
            for difference in disputes::ours(commerce, provider, &open).await? {
                report.list(difference);
            }
        }
        Err(trouble) => report.list(unanswered("disputes", provider, &trouble)),
    }
    Ok(())
}

/// Nobody knows of which payments there are any.
fn unanswered(what: &str, provider: &dyn Payments, trouble: &Trouble) -> Difference {
    Difference {
        what: what.to_owned(),
        id: Uuid::nil(),
        order_id: Uuid::nil(),
        provider: provider.name().to_owned(),
        ours: "not known".to_owned(),
        theirs: trouble.to_string(),
        mended: false,
    }
}

async fn payment(commerce: &Commerce, row: Payment) -> Result<Looked, CommerceError> {
    let differs = |theirs: String, mended: bool| {
        let ours = said(row.state.as_str(), row.failure.as_ref());
        Looked::Differs(of_payment(&row, ours, theirs, mended))
    };
    if !row.state.is_under_way() {
        return Ok(captured(commerce, &row, differs).await);
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

/// One that has been captured here in the last weeks.
async fn captured(
    commerce: &Commerce,
    row: &Payment,
    differs: impl Fn(String, bool) -> Looked,
) -> Looked {
    let is_asked = row.state == PaymentState::Captured
        && row.amount.amount > 0
        && is_recent(row.id, listed::since(commerce));
    let (Some(provider), Some(id), true) = (
        commerce.providers.get(&row.provider),
        &row.provider_id,
        is_asked,
    ) else {
        return Looked::Not;
    };
    if provider.is_by_hand() {
        return Looked::Not;
    }
    match provider.look(id).await {
        Ok(told) if told.state == row.state && told.amount == row.amount => Looked::Same,
        Ok(told) => differs(format!("{}, {}", told.state.as_str(), told.amount), false),
        Err(trouble) => differs(trouble.to_string(), false),
    }
}

async fn refund(commerce: &Commerce, row: Refund) -> Result<Looked, CommerceError> {
    let payment = model::payments::find(commerce, row.payment_id).await?;
    let provider = payment.map_or_else(String::new, |payment| payment.provider);
    if !row.state.is_under_way() {
        return succeeded(commerce, &row, &provider).await;
    }
    let differs =
        |theirs: String, mended: bool| Looked::Differs(of_refund(&row, &provider, theirs, mended));
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

/// One that has been made in the last weeks: it may have come back.
async fn succeeded(
    commerce: &Commerce,
    row: &Refund,
    provider: &str,
) -> Result<Looked, CommerceError> {
    let is_asked =
        row.state == RefundState::Succeeded && is_recent(row.id, listed::since(commerce));
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
        Err(trouble) => {
            let difference = of_refund(row, provider.name(), trouble.to_string(), false);
            return Ok(Looked::Differs(difference));
        }
    };
    let found = listed::compare_final(commerce, provider, row, &told).await?;
    Ok(found.map_or(Looked::Same, Looked::Differs))
}

fn is_recent(id: Uuid, since: Timestamp) -> bool {
    made_at(id).is_some_and(|at| at >= since)
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
        // Disputes are of no row that was looked at.
        report.list(difference(false));
        assert_eq!((report.looked, report.mended, report.problems()), (3, 1, 2));
        let other = Difference {
            theirs: "cancelled".to_owned(),
            ..difference(false)
        };
        assert!(report.has(&difference(true)) && !report.has(&other));
        // What was found before was told before.
        report.earlier.push(difference(false));
        assert_eq!(report.problems(), 2);
    }

    #[test]
    fn rows_are_as_old_as_their_ids() {
        let id = Uuid::now_v7();
        let made = made_at(id).unwrap();
        assert!(is_recent(id, made));
        assert!(!is_recent(
            id,
            made.checked_add(jiff::SignedDuration::from_secs(1))
                .unwrap()
        ));
        // Nobody knows how old this is.
        assert!(!is_recent(Uuid::nil(), Timestamp::UNIX_EPOCH));
    }
}
