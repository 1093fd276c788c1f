//! One stored message of a provider: the object that it names is read again, and what is read there counts.
//!
//! So a message that comes twice, late, before our own call has returned, or with lies in it makes no difference. One that never comes
//! makes none either: what is not final is asked for anyway.

use super::{disputes, next, now, payments, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model;
use crate::model::events::{EventState, StoredEvent};
use crate::model::payments::PaymentState;
use crate::providers::{Kind, Payments, Trouble};

/// After so many attempts a message is given up: that is three hours, and the row that it is about is asked for by itself.
const ATTEMPTS: i32 = 25;

/// Why a message has not been handled.
enum Hitch {
    Trouble(Trouble),
    Failed(Box<CommerceError>),
}

impl From<Trouble> for Hitch {
    fn from(trouble: Trouble) -> Hitch {
        Hitch::Trouble(trouble)
    }
}

impl From<CommerceError> for Hitch {
    fn from(error: CommerceError) -> Hitch {
        Hitch::Failed(Box::new(error))
    }
}

/// Handles a message and writes down what became of it.
pub(super) async fn handle(commerce: &Commerce, event: StoredEvent) -> Result<(), CommerceError> {
    let attempts = event.attempts.saturating_add(1);
    let handled = read_again(commerce, &event).await;
    let (state, due_at) = match handled {
        Ok(state) => (state, None),
        // It knows nothing of the object, so it is none of ours.
        Err(Hitch::Trouble(Trouble::Refused { .. })) => (EventState::Ignored, None),
        Err(hitch) if attempts >= ATTEMPTS => {
            tracing::error!(
                event.id = event.event_id,
                "a message of a provider is given up: {}",
                hitch.text()
            );
            (EventState::Failed, None)
        }
        Err(hitch) => {
            tracing::warn!(
                event.id = event.event_id,
                "a message of a provider waits: {}",
                hitch.text()
            );
            let wanted = hitch.wanted();
            (
                EventState::Stored,
                Some(next(now(commerce), attempts, wanted)),
            )
        }
    };
    let noted = StoredEvent {
        state,
        attempts,
        due_at,
        ..event
    };
    model::events::note(commerce, &noted).await
}

async fn read_again(commerce: &Commerce, event: &StoredEvent) -> Result<EventState, Hitch> {
    let Some(provider) = commerce.providers.get(&event.provider) else {
        return Ok(EventState::Ignored);
    };
    let Some(id) = &event.object_id else {
        return Ok(EventState::Ignored);
    };
    match provider.kind_of(id) {
        Some(Kind::Payment) => payment(commerce, provider, id).await,
        Some(Kind::Refund) => refund(commerce, provider, id).await,
        Some(Kind::Dispute) => dispute(commerce, provider, id, event).await,
        None => Ok(EventState::Ignored),
    }
}

async fn payment(
    commerce: &Commerce,
    provider: &dyn Payments,
    id: &str,
) -> Result<EventState, Hitch> {
    let known = model::payments::by_provider_id(commerce, provider.name(), id).await?;
    if known
        .as_ref()
        .is_some_and(|row| row.state == PaymentState::Captured)
    {
        return Ok(EventState::Handled);
    }
    let told = provider.look(id).await?;
    let row = match (known, told.payment) {
        (Some(row), _) => row,
        // Our own call has not returned, or never will: the mark says whose it is.
        (None, Some(marked)) => match model::payments::find(commerce, marked).await? {
            Some(row) if row.provider == provider.name() => row,
            _ => return Ok(EventState::Ignored),
        },
        (None, None) => return Ok(EventState::Ignored),
    };
    Ok(
        match payments::settle(commerce, provider, &row, told).await? {
            payments::Asked::Contradicted(_) => EventState::Failed,
            _ => EventState::Handled,
        },
    )
}

async fn refund(
    commerce: &Commerce,
    provider: &dyn Payments,
    id: &str,
) -> Result<EventState, Hitch> {
    let known = model::refunds::by_provider_id(commerce, provider.name(), id).await?;
    let told = provider.look_refund(id).await?;
    let row = match (known, told.refund) {
        (Some(row), _) => Some(row),
        (None, Some(marked)) => model::refunds::find(commerce, marked).await?,
        (None, None) => None,
    };
    let asked = match row {
        Some(row) => refunds::settle(commerce, provider, &row, told).await?,
        None => refunds::adopt(commerce, provider, told).await?,
    };
    Ok(match asked {
        refunds::Asked::Nothing => EventState::Ignored,
        refunds::Asked::Contradicted(_) => EventState::Failed,
        refunds::Asked::Told(_) | refunds::Asked::Trouble(_) => EventState::Handled,
    })
}

/// Unlike the others, what is told of a dispute depends on the message: the same dispute is told of when it begins, when the money leaves,
/// when it comes back and when all is decided.
async fn dispute(
    commerce: &Commerce,
    provider: &dyn Payments,
    id: &str,
    event: &StoredEvent,
) -> Result<EventState, Hitch> {
    let Some(happened) = disputes::happened(&event.kind) else {
        return Ok(EventState::Ignored);
    };
    let told = provider.look_dispute(id).await?;
    Ok(disputes::note(commerce, provider, event, happened, &told).await?)
}

impl Hitch {
    fn text(&self) -> String {
        match self {
            Hitch::Trouble(trouble) => trouble.to_string(),
            Hitch::Failed(error) => error.to_string(),
        }
    }

    /// As long as the provider wants to be left alone.
    fn wanted(&self) -> Option<std::time::Duration> {
        match self {
            Hitch::Trouble(Trouble::Later { after, .. }) => *after,
            Hitch::Trouble(Trouble::Refused { .. }) | Hitch::Failed(_) => None,
        }
    }
}
