//! The auth service: accounts, sessions and tokens under `/auth/v1`.
//!
//! Handlers (`http`) read a request into typed values (`validate`), prove passwords on a pool of their own
//! (`passwords`), and change rows in one transaction (`model`). Access tokens are signed by the gate that verifies
//! them; refresh tokens are derived from a secret (`tokens`), so that the database holds nothing that opens a session.

mod attempts;
mod config;
mod error;
mod http;
mod letters;
mod mail;
mod model;
mod passwords;
mod tokens;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use plinth_db::migrations::SystemModule;
use plinth_http::App;
use tokio::sync::Notify;

pub use config::Config;
pub use http::{ROUTES, mailbox, router};
pub use mail::{Letter, Mailer, Outbox, Sent, Smtp, SmtpSecurity, TemplateError, Templates};

use passwords::Passwords;
use tokens::{MailKey, RefreshKey};

/// How often postponed letters are looked for.
const MAIL_ROUND: Duration = Duration::from_secs(15);

/// Everything the routes of this service need. Cheap to clone.
#[derive(Clone)]
pub struct AuthApp {
    app: App,
    config: Arc<Config>,
    passwords: Passwords,
    refresh_key: RefreshKey,
    mail_key: MailKey,
    mail_waits: Arc<Notify>,
}

impl AuthApp {
    /// Wires the service. `secret` is the project's root secret: refresh tokens and the links in letters are derived from it, so they
    /// stay when the signing secret is replaced.
    pub fn new(app: App, config: Config, secret: &[u8]) -> AuthApp {
        AuthApp {
            app,
            config: Arc::new(config),
            passwords: Passwords::for_this_machine(),
            refresh_key: RefreshKey::derive(secret),
            mail_key: MailKey::derive(secret),
            mail_waits: Arc::default(),
        }
    }

    /// Sends what is due, once.
    ///
    /// # Errors
    /// When the database fails; a mail server that fails only postpones.
    pub async fn deliver_mail(&self) -> Result<(), plinth_db::Error> {
        mail::deliver(&self.app.db, &self.config.mailer).await
    }

    /// Sends letters as they come, until it is dropped.
    pub async fn run_mailer(self) {
        loop {
            match self.deliver_mail().await {
                Ok(()) => {}
                // That the database is away its engine tells, once for everything.
                Err(error) if error.is_away() => tracing::debug!(%error, "letters cannot be read"),
                Err(error) => tracing::error!(%error, "letters cannot be read"),
            }
            // Letters of an earlier run and postponed ones have nobody who wakes us.
            let _woken_or_due = tokio::time::timeout(MAIL_ROUND, self.mail_waits.notified()).await;
        }
    }

    /// Removes counts of attempts that are over, until it is dropped.
    pub async fn run_sweeper(self) {
        attempts::run_sweeper(&self.app.db).await;
    }

    /// Says that a letter waits.
    fn wake_mail(&self) {
        self.mail_waits.notify_one();
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
        migrations: &[
            ("0001", "auth", include_str!("../migrations/0001_auth.sql")),
            ("0002", "mail", include_str!("../migrations/0002_mail.sql")),
            (
                "0003",
                "attempts",
                include_str!("../migrations/0003_attempts.sql"),
            ),
        ],
    }
}
