//! The commerce service: carts, orders, payments and the books under `/commerce/v1`.
//!
//! What happens to an order is decided by pure code (`price`, `machine`) and stored by one statement (`model`): the order, its
//! stock, its payment and its postings change together or not at all. Money outside is moved by a provider (`providers`), never
//! before our intent is on disk, and by one function that any number of callers may run at once (`work`): the request itself,
//! a webhook, the loop after a restart.

mod error;
mod http;
mod machine;
mod model;
mod money;
mod price;
mod providers;
mod work;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use plinth_db::keys::{Keys, Secret};
use plinth_db::migrations::SystemModule;
use plinth_http::App;
use tokio::sync::Notify;

pub use http::{ROUTES, router};
pub use model::differences::Difference;
pub use model::ledger::{Finding, check_ledger};
pub use work::reconcile::{ReconcileError, Report, reconcile};

use http::guest::GuestKey;
use model::offers::Remembered;
use providers::Providers;

/// The prefix that all routes have.
pub const PREFIX: &str = "/commerce/v1";

/// What a project decides about its shop.
#[derive(Clone, Debug)]
pub struct Config {
    /// By whom customers' orders are paid: `manual` or `stripe`.
    pub provider: String,
    /// How Stripe is reached, where it is used.
    pub stripe: Option<StripeConfig>,
    /// How long an order waits for its payment before its stock is given back.
    pub order_expiry: Duration,
    /// The same where people bring the money or send it: that takes days.
    pub manual_expiry: Duration,
    /// How long a cart is kept after its last change.
    pub cart_life: Duration,
    /// How long refunds and payments that are final are compared with their providers. Refunds may come back weeks later.
    pub reconcile_window: Duration,
    /// Whether a product without a tax rate in the order's region is refused rather than sold without tax.
    pub require_tax_rate: bool,
}

/// How Stripe is reached.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// `sk_…` or `rk_…`.
    pub secret_key: Secret,
    /// `whsec_…`; several while one takes the place of another.
    pub webhook_secrets: Vec<Secret>,
    /// Without a slash at the end: `https://api.stripe.com`.
    pub api_url: String,
    /// Whether money is real. What Stripe tells of the other mode is refused.
    pub live: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            provider: "manual".to_owned(),
            stripe: None,
            order_expiry: Duration::from_hours(1),
            manual_expiry: Duration::from_hours(14 * 24),
            cart_life: Duration::from_hours(30 * 24),
            reconcile_window: Duration::from_hours(35 * 24),
            require_tax_rate: false,
        }
    }
}

/// Everything the routes of this service need. Cheap to clone.
#[derive(Clone)]
pub struct Commerce {
    app: App,
    config: Arc<Config>,
    providers: Providers,
    guest_key: GuestKey,
    offers: Arc<Remembered>,
    /// Woken when there is work that no request does itself.
    worker: Arc<Notify>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the shop: {0}")]
pub struct OpenError(String);

impl Commerce {
    /// Wires the service. `keys` are the project's: the secrets of guests are derived from their root, which outlives rotations.
    pub fn open(app: App, config: Config, keys: &Keys) -> Result<Commerce, OpenError> {
        let providers = Providers::open(&config).map_err(OpenError)?;
        if providers.get(&config.provider).is_none() {
            let name = &config.provider;
            return Err(OpenError(format!("the provider {name} is not set up")));
        }
        Ok(Commerce {
            app,
            config: Arc::new(config),
            providers,
            guest_key: GuestKey::derive(keys.root.expose().as_bytes()),
            offers: Arc::default(),
            worker: Arc::default(),
        })
    }

    /// Does what no request does itself (payments and refunds under way, stored webhooks, orders that expire) as it comes up, until
    /// it is dropped.
    pub async fn run_worker(self) {
        work::run(&self).await;
    }
}

impl FromRef<Commerce> for App {
    fn from_ref(commerce: &Commerce) -> App {
        commerce.app.clone()
    }
}

/// The schema `commerce`.
pub fn module() -> SystemModule {
    SystemModule {
        name: "commerce",
        migrations: &[
            (
                "0001",
                "commerce",
                include_str!("../migrations/0001_commerce.sql"),
            ),
            (
                "0002",
                "ledger",
                include_str!("../migrations/0002_ledger.sql"),
            ),
            (
                "0003",
                "orders",
                include_str!("../migrations/0003_orders.sql"),
            ),
            (
                "0004",
                "kept_and_hidden",
                include_str!("../migrations/0004_kept_and_hidden.sql"),
            ),
            (
                "0005",
                "begun_in_passing",
                include_str!("../migrations/0005_begun_in_passing.sql"),
            ),
            (
                "0006",
                "at_once",
                include_str!("../migrations/0006_at_once.sql"),
            ),
        ],
    }
}
