//! What tests of the work have in common.

use crate::money::Money;
use crate::providers::Providers;
use crate::{Config, StripeConfig};

/// So many cents.
pub(super) fn eur(amount: i64) -> Money {
    Money::new(amount, "EUR".parse().unwrap())
}

/// Set up for tests, not for real money.
pub(super) fn stripe() -> Providers {
    let stripe = StripeConfig {
        secret_key: plinth_db::keys::Secret::new("sk_test_x"),
        webhook_secrets: Vec::new(),
        api_url: "http://127.0.0.1:1".to_owned(),
        live: false,
    };
    Providers::open(&Config {
        stripe: Some(stripe),
        ..Config::default()
    })
    .unwrap()
}
