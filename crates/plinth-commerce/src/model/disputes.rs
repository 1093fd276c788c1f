//! Disputes, as the events of orders have them. They have no rows of their own: what becomes of one is known at the provider.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call;
use crate::Commerce;
use crate::error::CommerceError;

/// Writes an event with its order, which stays as it is. `details` names the `message` that told of it; told again, it is not written again,
/// and this gives false.
pub(crate) async fn note(
    commerce: &Commerce,
    order: Uuid,
    event: &str,
    details: Value,
) -> Result<bool, CommerceError> {
    let document = json!({ "order_id": order, "event": event, "details": details });
    let sql = "select to_jsonb(commerce.note_dispute($1::jsonb)) as answer";
    call(commerce, sql, document).await
}
