//! `[commerce]`: how orders are paid, and how long things wait for it.

use std::time::Duration;

use anyhow::bail;
use plinth_commerce::StripeConfig;
use plinth_db::keys::Secret;
use serde::Deserialize;

use super::Config;

/// Where Stripe itself is.
const STRIPE: &str = "https://api.stripe.com";

/// `[commerce]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Commerce {
    /// Whether `/commerce/v1` is served.
    pub enabled: bool,
    /// By whom orders are paid.
    pub provider: Provider,
    /// Money is real. Guards against keys and messages of the other mode.
    pub live: bool,
    /// Who asks at Stripe. Better in the environment: `PLINTH_COMMERCE_STRIPE_SECRET_KEY`.
    pub stripe_secret_key: String,
    /// What Stripe's messages are signed with. Better in the environment: `PLINTH_COMMERCE_STRIPE_WEBHOOK_SECRETS`.
    pub stripe_webhook_secrets: Vec<String>,
    /// Where Stripe is, or what stands in for it.
    pub stripe_api_url: String,
    /// How long an order waits for its payment.
    pub order_expiry_minutes: u32,
    /// The same where staff say that the money has come.
    pub manual_expiry_days: u32,
    /// How long a cart is kept after its last change.
    pub cart_days: u32,
    /// How long what is final is compared with its provider.
    pub reconcile_days: u32,
    /// What a region has no tax rate for is refused.
    pub require_tax_rate: bool,
}

/// `commerce.provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    /// People say that the money has come.
    Manual,
    /// Stripe says it.
    Stripe,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Provider::Manual => "manual",
            Provider::Stripe => "stripe",
        }
    }
}

impl Default for Commerce {
    fn default() -> Commerce {
        Commerce {
            enabled: true,
            provider: Provider::Manual,
            live: false,
            stripe_secret_key: String::new(),
            stripe_webhook_secrets: Vec::new(),
            stripe_api_url: STRIPE.to_owned(),
            order_expiry_minutes: 60,
            manual_expiry_days: 14,
            cart_days: 30,
            reconcile_days: 35,
            require_tax_rate: false,
        }
    }
}

impl Commerce {
    /// Refuses what cannot be meant.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        if self.provider == Provider::Stripe && self.stripe_secret_key.is_empty() {
            bail!("commerce.provider is \"stripe\", so commerce.stripe_secret_key must be set");
        }
        if self.stripe_secret_key.is_empty() && !self.stripe_webhook_secrets.is_empty() {
            bail!(
                "commerce.stripe_webhook_secrets is set, and commerce.stripe_secret_key is not: what messages are about could not be read"
            );
        }
        if self.stripe_webhook_secrets.iter().any(String::is_empty) {
            bail!(
                "commerce.stripe_webhook_secrets has an empty secret, with which anybody could sign"
            );
        }
        let positive = [
            ("order_expiry_minutes", self.order_expiry_minutes),
            ("manual_expiry_days", self.manual_expiry_days),
            ("cart_days", self.cart_days),
            ("reconcile_days", self.reconcile_days),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => bail!("commerce.{key} must be at least 1"),
            None => Ok(()),
        }
    }
}

impl Config {
    /// What the commerce service is told; none when it is not wanted.
    pub(crate) fn commerce_service(&self) -> Option<plinth_commerce::Config> {
        let commerce = &self.commerce;
        // Payments that were begun at Stripe go on there, whoever is asked for new ones.
        let stripe = (!commerce.stripe_secret_key.is_empty()).then(|| StripeConfig {
            secret_key: Secret::new(commerce.stripe_secret_key.as_str()),
            webhook_secrets: commerce
                .stripe_webhook_secrets
                .iter()
                .map(Secret::new)
                .collect(),
            api_url: commerce.stripe_api_url.trim_end_matches('/').to_owned(),
            live: commerce.live,
        });
        commerce.enabled.then(|| plinth_commerce::Config {
            provider: commerce.provider.name().to_owned(),
            stripe,
            order_expiry: Duration::from_secs(60 * u64::from(commerce.order_expiry_minutes)),
            manual_expiry: days(commerce.manual_expiry_days),
            cart_life: days(commerce.cart_days),
            reconcile_window: days(commerce.reconcile_days),
            require_tax_rate: commerce.require_tax_rate,
        })
    }
}

fn days(number: u32) -> Duration {
    Duration::from_secs(24 * 3600 * u64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripe_needs_a_key() {
        let mut commerce = Commerce {
            provider: Provider::Stripe,
            ..Commerce::default()
        };
        assert!(commerce.validate().is_err());
        commerce.stripe_secret_key = "sk_test_x".to_owned();
        assert!(commerce.validate().is_ok());
        commerce.stripe_webhook_secrets = vec!["whsec_x".to_owned(), String::new()];
        assert!(commerce.validate().is_err());
        commerce.stripe_webhook_secrets.pop();
        assert!(commerce.validate().is_ok());
        commerce.stripe_secret_key.clear();
        commerce.provider = Provider::Manual;
        assert!(commerce.validate().is_err());
    }

    #[test]
    fn the_service_has_the_same_defaults() {
        let service = Config::default().commerce_service().unwrap();
        let bare = plinth_commerce::Config::default();
        assert_eq!(service.order_expiry, bare.order_expiry);
        assert_eq!(service.manual_expiry, bare.manual_expiry);
        assert_eq!(service.cart_life, bare.cart_life);
        assert_eq!(service.reconcile_window, bare.reconcile_window);
        assert_eq!(service.require_tax_rate, bare.require_tax_rate);
    }

    #[test]
    fn what_was_begun_at_stripe_goes_on_there() {
        let mut config = Config::default();
        let service = config.commerce_service().unwrap();
        assert!(service.provider == "manual" && service.stripe.is_none());
        config.commerce.stripe_secret_key = "sk_test_x".to_owned();
        config.commerce.stripe_api_url = "http://127.0.0.1:8420/".to_owned();
        let service = config.commerce_service().unwrap();
        assert_eq!(service.provider, "manual");
        let stripe = service.stripe.unwrap();
        assert_eq!(stripe.api_url, "http://127.0.0.1:8420");
        assert_eq!(stripe.secret_key.expose(), "sk_test_x");
        config.commerce.enabled = false;
        assert!(config.commerce_service().is_none());
    }
}
