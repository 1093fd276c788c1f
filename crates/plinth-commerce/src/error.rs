//! What can go wrong in a shop, and how clients read it.
//!
//! What is wrong with a request itself (its body, its key, who sends it) `http` says before anything here is asked.

use axum::http::StatusCode;
use plinth_http::{ApiError, request_id};
use serde_json::json;
use uuid::Uuid;

use crate::machine::Illegal;
use crate::money::Currency;
use crate::price::PriceError;

/// An error of the commerce service. Its text is what the client reads, except for faults of ours.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CommerceError {
    /// Missing, or somebody else's: nobody learns which.
    #[error("There is no such order")]
    NoSuchOrder,
    /// A row that another one speaks of.
    #[error("There is no such {what}")]
    NotFound {
        /// `order`, `payment`, `refund`.
        what: &'static str,
    },
    #[error("There is no product {product}")]
    NoSuchProduct {
        /// As it was asked for.
        product: Uuid,
    },
    /// A price or product that is not there, not active, or has no price in the order's currency.
    #[error("{id} is not for sale in {currency}")]
    NotForSale {
        /// As it was asked for.
        id: Uuid,
        /// The order's.
        currency: Currency,
    },
    /// Nobody has said how the region taxes it, and the shop wants that to be said.
    #[error("There is no tax rate of the region \"{region}\" for {product}")]
    NoTaxRate {
        /// The product.
        product: Uuid,
        /// As it was asked for.
        region: String,
    },
    /// A code that is not there, not now, or not of this currency: nobody learns which.
    #[error("The code {code} does not count here")]
    UnknownDiscount {
        /// As it was typed.
        code: String,
    },
    /// As often as it may be used, it was.
    #[error("The code {code} is used up")]
    DiscountUsedUp {
        /// As it was typed.
        code: String,
    },
    /// Somebody else was quicker.
    #[error("There is not enough of {product}: {left} of {wanted}")]
    OutOfStock {
        /// The product.
        product: Uuid,
        /// How many all lines want together.
        wanted: i64,
        /// How many are free.
        left: i64,
    },
    /// Fewer on hand than orders hold already.
    #[error("Orders hold more of {product} than that")]
    StockReserved {
        /// The product.
        product: Uuid,
    },
    /// Ordered, removed or too old.
    #[error("The cart is gone")]
    CartGone,
    /// No price can be made of it.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The order does not do this where it stands.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// A payment of the order may still bring its money.
    #[error("A payment of this order is under way")]
    PaymentUnderWay,
    /// Money of a provider that says itself what has come.
    #[error("Orders that {provider} is paid for are paid by {provider} alone")]
    NotByHand {
        /// The provider.
        provider: String,
    },
    /// A payment that cannot be given back, or not so much of it; why.
    #[error("The refund cannot be made: {0}")]
    RefundRefused(String),
    /// A provider that is not set up, or not any more.
    #[error("There is no provider {0}")]
    NoSuchProvider(String),
    /// A message that is not the provider's.
    #[error("{0}")]
    BadSignature(String),
    /// The request took so long that a repetition of it has taken over.
    #[error("A repetition of this request has taken over")]
    TurnLost,
    /// The order changed again and again while we looked.
    #[error("Too many want to change this order at once")]
    Busy,
    /// The database.
    #[error(transparent)]
    Database(#[from] plinth_db::Error),
}

/// When to come back where there is a crowd.
const CROWD_SECONDS: u64 = 1;

impl CommerceError {
    /// Whether the same request may find it gone, so that this is no answer to keep.
    pub(crate) fn may_pass(&self) -> bool {
        let (status, _) = self.kind();
        let passes = matches!(
            self,
            CommerceError::TurnLost | CommerceError::PaymentUnderWay
        );
        status.is_server_error() || passes
    }

    /// The status and the code. Every variant decides for itself: a new one does not compile until it has.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            CommerceError::NoSuchOrder
            | CommerceError::NotFound { .. }
            | CommerceError::NoSuchProduct { .. } => (StatusCode::NOT_FOUND, "commerce_not_found"),
            CommerceError::NotForSale { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "commerce_not_for_sale")
            }
            CommerceError::NoTaxRate { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "commerce_no_tax_rate")
            }
            CommerceError::UnknownDiscount { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "commerce_unknown_discount",
            ),
            CommerceError::DiscountUsedUp { .. } => {
                (StatusCode::CONFLICT, "commerce_discount_used_up")
            }
            CommerceError::OutOfStock { .. } => (StatusCode::CONFLICT, "commerce_out_of_stock"),
            CommerceError::StockReserved { .. } => {
                (StatusCode::CONFLICT, "commerce_stock_reserved")
            }
            CommerceError::CartGone => (StatusCode::CONFLICT, "commerce_cart_gone"),
            CommerceError::Price(error) => of_price(error),
            CommerceError::Illegal(error) => of_step(*error),
            CommerceError::PaymentUnderWay => (StatusCode::CONFLICT, "commerce_payment_under_way"),
            CommerceError::NotByHand { .. } => (StatusCode::CONFLICT, "commerce_not_by_hand"),
            CommerceError::RefundRefused(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "commerce_refund_refused")
            }
            CommerceError::NoSuchProvider(_) => {
                (StatusCode::NOT_FOUND, "commerce_unknown_provider")
            }
            CommerceError::BadSignature(_) => (StatusCode::BAD_REQUEST, "commerce_bad_signature"),
            CommerceError::TurnLost => (StatusCode::CONFLICT, "commerce_idempotency_key_running"),
            CommerceError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "commerce_busy"),
            CommerceError::Database(error) => of_database(error),
        }
    }

    /// What a program may want to know.
    fn facts(&self) -> Option<serde_json::Value> {
        match self {
            CommerceError::NoSuchProduct { product } | CommerceError::StockReserved { product } => {
                Some(json!({ "product_id": product }))
            }
            CommerceError::NotForSale { id, currency } => {
                Some(json!({ "id": id, "currency": currency }))
            }
            CommerceError::NoTaxRate { product, region } => {
                Some(json!({ "product_id": product, "region": region }))
            }
            CommerceError::UnknownDiscount { code } | CommerceError::DiscountUsedUp { code } => {
                Some(json!({ "code": code }))
            }
            CommerceError::OutOfStock {
                product,
                wanted,
                left,
            } => Some(json!({ "product_id": product, "wanted": wanted, "left": left })),
            CommerceError::Price(error) => facts_of_price(error),
            CommerceError::Illegal(error) => facts_of_step(*error),
            CommerceError::NoSuchOrder
            | CommerceError::NotFound { .. }
            | CommerceError::CartGone
            | CommerceError::PaymentUnderWay
            | CommerceError::NotByHand { .. }
            | CommerceError::RefundRefused(_)
            | CommerceError::NoSuchProvider(_)
            | CommerceError::BadSignature(_)
            | CommerceError::TurnLost
            | CommerceError::Busy
            | CommerceError::Database(_) => None,
        }
    }
}

/// Those that lines and codes are to blame for, and those that the shop's own rows are.
fn of_price(error: &PriceError) -> (StatusCode, &'static str) {
    match error {
        PriceError::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "commerce_nothing_to_buy"),
        PriceError::Quantity { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "commerce_bad_quantity"),
        PriceError::Overflow => (StatusCode::UNPROCESSABLE_ENTITY, "commerce_too_much"),
        PriceError::MixedCurrency { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "commerce_mixed_currency")
        }
        PriceError::DiscountTwice { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "commerce_discount_twice")
        }
        PriceError::NegativePrice { .. }
        | PriceError::TaxRate { .. }
        | PriceError::Discount { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "commerce_internal"),
    }
}

fn facts_of_price(error: &PriceError) -> Option<serde_json::Value> {
    match error {
        PriceError::Quantity { product, quantity } => {
            Some(json!({ "product_id": product, "quantity": quantity }))
        }
        PriceError::MixedCurrency { wanted, found } => {
            Some(json!({ "wanted": wanted, "found": found }))
        }
        PriceError::DiscountTwice { code } => Some(json!({ "code": code })),
        PriceError::Empty
        | PriceError::Overflow
        | PriceError::NegativePrice { .. }
        | PriceError::TaxRate { .. }
        | PriceError::Discount { .. } => None,
    }
}

fn of_step(error: Illegal) -> (StatusCode, &'static str) {
    match error {
        Illegal::Never { .. } => (StatusCode::CONFLICT, "commerce_wrong_state"),
        Illegal::BeingRefunded => (StatusCode::CONFLICT, "commerce_being_refunded"),
        Illegal::Amount { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "commerce_bad_amount"),
        Illegal::TooMuch { .. } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "commerce_refund_above_capture",
        ),
        Illegal::RestockInPart { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "commerce_restock_in_part")
        }
        Illegal::Overflow => (StatusCode::UNPROCESSABLE_ENTITY, "commerce_too_much"),
        Illegal::NotAsked { .. } | Illegal::Sums => {
            (StatusCode::INTERNAL_SERVER_ERROR, "commerce_internal")
        }
    }
}

fn facts_of_step(error: Illegal) -> Option<serde_json::Value> {
    match error {
        Illegal::Never { state, event } => Some(json!({ "state": state, "event": event })),
        Illegal::Amount { moved, .. } => Some(json!({ "amount": moved })),
        Illegal::TooMuch { moved, left } => Some(json!({ "amount": moved, "left": left })),
        Illegal::RestockInPart { left } => Some(json!({ "left": left })),
        Illegal::NotAsked { .. } | Illegal::BeingRefunded | Illegal::Overflow | Illegal::Sums => {
            None
        }
    }
}

/// Only whether it may pass is asked of these: how they are told, they say themselves.
fn of_database(error: &plinth_db::Error) -> (StatusCode, &'static str) {
    use plinth_db::Error;
    match error {
        Error::Sql(sql) if sql.code == DENIED => (StatusCode::FORBIDDEN, "commerce_denied"),
        Error::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "commerce_internal"),
        Error::Busy { .. }
        | Error::Timeout
        | Error::Closed
        | Error::Disk(_)
        | Error::Unavailable(_)
        | Error::Setup(_) => (StatusCode::SERVICE_UNAVAILABLE, "commerce_internal"),
        Error::Sql(_) | Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "commerce_internal")
        }
    }
}

/// A grant that is missing, or a policy.
const DENIED: &str = "42501";

impl From<CommerceError> for ApiError {
    fn from(error: CommerceError) -> ApiError {
        use plinth_db::Error;
        let (status, code) = error.kind();
        match error {
            CommerceError::Database(
                cause @ (Error::Busy { .. }
                | Error::Timeout
                | Error::Closed
                | Error::DiskFull
                | Error::Disk(_)
                | Error::Unavailable(_)
                | Error::Setup(_)),
            ) => cause.into(),
            // Our own statements are right, or it is our fault: what the database says of them is for the log.
            error if status == StatusCode::INTERNAL_SERVER_ERROR => internal(&error),
            CommerceError::Database(_) => ApiError::new(status, code, "You may not do this"),
            error => told(&error, status, code),
        }
    }
}

fn told(error: &CommerceError, status: StatusCode, code: &str) -> ApiError {
    let answer = ApiError::new(status, code, error.to_string());
    let answer = match error.facts() {
        Some(facts) => answer.details(facts),
        None => answer,
    };
    match error {
        CommerceError::Busy | CommerceError::TurnLost => answer.retry_after(CROWD_SECONDS),
        _ => answer,
    }
}

/// The log has what has happened, the client the id to find it by.
fn internal(error: &CommerceError) -> ApiError {
    let id = request_id::current();
    tracing::error!(request.id = %id, error = %error, "a request to the shop failed for a reason of ours");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    ApiError::new(status, "commerce_internal", "Internal server error").hint(format!(
        "The server's log has more under the request id {id}"
    ))
}

#[cfg(test)]
mod tests {
    use plinth_db::SqlError;

    use super::*;
    use crate::machine::{Event, State};

    fn told(error: impl Into<CommerceError>) -> (u16, String) {
        let error: CommerceError = error.into();
        let answer = ApiError::from(error);
        (answer.status.as_u16(), answer.code)
    }

    #[test]
    fn faults_of_ours_tell_nothing() {
        let secret = SqlError::new("23514", "the secret reason");
        let error: CommerceError = plinth_db::Error::Sql(secret).into();
        assert!(error.may_pass());
        let answer = ApiError::from(error);
        assert_eq!(answer.status, 500);
        assert_eq!(answer.code, "commerce_internal");
        assert!(!format!("{answer:?}").contains("secret"), "{answer:?}");
        assert_eq!(told(Illegal::Sums).0, 500);
    }

    #[test]
    fn what_a_policy_refuses_is_not_our_fault() {
        let denied = SqlError::new("42501", "permission denied for table orders");
        let error: CommerceError = plinth_db::Error::Sql(denied).into();
        assert!(!error.may_pass());
        assert_eq!(told(error), (403, "commerce_denied".to_owned()));
    }

    #[test]
    fn programs_learn_the_facts() {
        let error = CommerceError::OutOfStock {
            product: Uuid::nil(),
            wanted: 3,
            left: 1,
        };
        assert!(!error.may_pass());
        let answer = ApiError::from(error);
        assert_eq!(answer.status, 409);
        assert_eq!(
            *answer.details,
            json!({ "product_id": Uuid::nil(), "wanted": 3, "left": 1 })
        );
        let never = Illegal::Never {
            state: State::Cancelled,
            event: Event::Fulfil,
        };
        assert_eq!(told(never), (409, "commerce_wrong_state".to_owned()));
    }

    #[test]
    fn every_code_is_explained() {
        let explained = include_str!("../../../docs/errors.md");
        let (product, _) = include_str!("error.rs").split_once("#[cfg(test)]").unwrap();
        let codes = product.split('"');
        for code in codes.filter(|text| text.starts_with("commerce_")) {
            assert!(explained.contains(&format!("`{code}`")), "{code}");
        }
    }

    #[test]
    fn every_explained_code_is_given() {
        let given = [
            include_str!("error.rs"),
            include_str!("http/acts.rs"),
            include_str!("http/body.rs"),
            include_str!("http/mod.rs"),
            include_str!("http/once.rs"),
            include_str!("http/orders.rs"),
            include_str!("http/who.rs"),
        ];
        let explained = include_str!("../../../docs/errors.md");
        let rows = explained.lines().filter_map(|line| {
            let (code, _) = line.strip_prefix("| `")?.split_once('`')?;
            code.starts_with("commerce_").then_some(code)
        });
        for code in rows {
            let text = format!("\"{code}\"");
            assert!(given.iter().any(|file| file.contains(&text)), "{code}");
        }
    }

    #[test]
    fn what_a_region_has_no_rate_for_is_told_with_the_region() {
        let error = CommerceError::NoTaxRate {
            product: Uuid::nil(),
            region: "FR".to_owned(),
        };
        assert!(!error.may_pass());
        let answer = ApiError::from(error);
        assert_eq!(
            (answer.status.as_u16(), answer.code.as_str()),
            (422, "commerce_no_tax_rate")
        );
        let facts = json!({ "product_id": Uuid::nil(), "region": "FR" });
        assert_eq!(*answer.details, facts);
    }

    #[test]
    fn a_crowd_passes() {
        assert!(CommerceError::Busy.may_pass());
        let answer = ApiError::from(CommerceError::Busy);
        assert_eq!((answer.status.as_u16(), answer.headers.len()), (503, 1));
        let error: CommerceError = plinth_db::Error::Timeout.into();
        assert!(error.may_pass());
    }
}
