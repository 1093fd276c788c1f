//! `PUT /products/{id}/stock`: how many there are.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use plinth_http::ApiError;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Id;
use super::body::invalid;
use super::once::{Answer, Failure, StaffWrite, Stored, once};
use super::who::Who;
use crate::Commerce;
use crate::model::catalog;
use crate::model::idempotency::Held;

/// Most of one product: sums of stock stay far from the largest number.
const MOST: i64 = 1_000_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStock {
    on_hand: i64,
}

/// `PUT /products/{id}/stock`.
pub(crate) async fn set(
    State(commerce): State<Commerce>,
    Id(id): Id,
    StaffWrite(write): StaffWrite,
) -> Result<Response, ApiError> {
    let NewStock { on_hand } = write.json()?;
    if !(0..=MOST).contains(&on_hand) {
        return Err(invalid(format!("on_hand must be from 0 to {MOST}")));
    }
    let work = move |commerce: Commerce, _: Who, held: Held| async move {
        set_once(&commerce, &held, id, on_hand).await
    };
    once(commerce, write, None, work).await
}

async fn set_once(
    commerce: &Commerce,
    held: &Held,
    product: Uuid,
    on_hand: i64,
) -> Result<Answer, Failure> {
    // The database fills in the body.
    let kept = Stored::Body(None).kept(held, StatusCode::OK);
    let stock = catalog::set_stock(commerce, product, on_hand, &kept).await?;
    Ok(Answer::ok(json!(stock)).as_kept())
}
