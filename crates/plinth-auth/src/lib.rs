//! The auth service: accounts, sessions and tokens under `/auth/v1`.
//!
//! Handlers (`http`) read a request into typed values (`validate`), prove passwords on a pool of their own
//! (`passwords`), and change rows in one transaction (`model`). Access tokens are signed by the gate that verifies
//! them; refresh tokens are derived from a secret (`tokens`), so that the database holds nothing that opens a session.

mod attempts;
mod config;
mod error;
mod http;
mod model;
mod passwords;
mod tokens;
mod validate;

use std::sync::Arc;

use axum::extract::FromRef;
use plinth_db::migrations::SystemModule;
use plinth_http::App;

pub use config::Config;
pub use http::{ROUTES, router};

use attempts::Attempts;
use passwords::Passwords;
use tokens::RefreshKey;

/// Everything the routes of this service need. Cheap to clone.
#[derive(Clone)]
pub struct AuthApp {
    app: App,
    config: Arc<Config>,
    passwords: Passwords,
    attempts: Arc<Attempts>,
    refresh_key: RefreshKey,
}

impl AuthApp {
    /// Wires the service. `secret` is the project's signing secret: refresh tokens are derived from it, so they end with it.
    pub fn new(app: App, config: Config, secret: &[u8]) -> AuthApp {
        AuthApp {
            app,
            config: Arc::new(config),
            passwords: Passwords::for_this_machine(),
            attempts: Arc::new(Attempts::default()),
            refresh_key: RefreshKey::derive(secret),
        }
    }
}

impl FromRef<AuthApp> for App {
    fn from_ref(auth: &AuthApp) -> App {
        auth.app.clone()
    }
}

/// The tables and functions of the schema `auth`.
pub fn module() -> SystemModule {
    SystemModule {
        name: "auth",
        migrations: &[("0001", "auth", include_str!("../migrations/0001_auth.sql"))],
    }
}
