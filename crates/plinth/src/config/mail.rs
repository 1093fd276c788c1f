//! `[mail]`: the server that letters go through, and what they say.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, anyhow};
use plinth_auth::{Letter, Mailer, Outbox, Smtp, SmtpSecurity, Templates};
use plinth_http::Mode;
use serde::Deserialize;

use super::{Autoconfirm, Circumstances, Config};

/// The folder of an application's own letters.
const TEMPLATES: &str = "mail";

/// `[mail]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mail {
    /// The mail server; empty means none.
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: u16,
    /// How the connection is protected.
    pub smtp_security: Security,
    /// The account there; empty means none.
    pub smtp_user: String,
    /// Its password. Better in the environment: `PLINTH_MAIL_SMTP_PASSWORD`.
    pub smtp_password: String,
    /// The sender: `Shop <shop@example.com>`.
    pub from: String,
    /// The shortest time between two letters to one address; 0 leaves it to the stage.
    pub interval_seconds: u32,
    /// Letters in an hour, to all addresses together.
    pub per_hour: u32,
}

/// `mail.smtp_security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    /// STARTTLS, required.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on the same machine.
    None,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail {
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_security: Security::default(),
            smtp_user: String::new(),
            smtp_password: String::new(),
            from: String::new(),
            interval_seconds: 0,
            per_hour: 1000,
        }
    }
}

impl Mail {
    /// Where letters go: `dev` keeps them to be looked at unless a server is named.
    fn mailer(&self, mode: Mode) -> anyhow::Result<Mailer> {
        if self.smtp_host.is_empty() {
            return Ok(match mode {
                Mode::Dev => Mailer::Outbox(Outbox::default()),
                Mode::Serve => Mailer::Off,
            });
        }
        let security = match self.smtp_security {
            Security::StartTls => SmtpSecurity::StartTls,
            Security::Tls => SmtpSecurity::Tls,
            Security::None => SmtpSecurity::None,
        };
        let account = (!self.smtp_user.is_empty())
            .then(|| (self.smtp_user.clone(), self.smtp_password.clone()));
        Smtp::new(
            (&self.smtp_host, self.smtp_port),
            security,
            account,
            &self.from,
        )
        .map(Mailer::Smtp)
        .map_err(|reason| anyhow!("mail cannot be sent: {reason}\n  see [mail] in plinth.toml"))
    }
}

impl Config {
    /// What the auth service is told. Reads the application's own letters.
    pub(crate) fn auth_service(
        &self,
        dir: &Path,
        mode: Mode,
    ) -> anyhow::Result<plinth_auth::Config> {
        let (auth, defaults) = (&self.auth, plinth_auth::Config::for_mode(mode));
        let mailer = self.mail.mailer(mode)?;
        let confirm_themselves = mode == Mode::Dev || !mailer.is_on();
        Ok(plinth_auth::Config {
            disable_signup: auth.disable_signup,
            autoconfirm: match auth.autoconfirm {
                Autoconfirm::Set(yes) => yes,
                Autoconfirm::By(Circumstances::Auto) => confirm_themselves,
            },
            password_min_length: match auth.password_min_length {
                0 => defaults.password_min_length,
                length => length,
            },
            refuse_common_passwords: defaults.refuse_common_passwords,
            access_token_seconds: auth.access_token_seconds.into(),
            refresh_reuse_seconds: auth.refresh_reuse_seconds.into(),
            anonymous_sign_ins: auth.anonymous_sign_ins,
            mailer,
            templates: templates(&dir.join(TEMPLATES))?,
            site_url: auth.site_url.clone(),
            redirect_urls: auth.redirect_urls.clone(),
            otp_seconds: auth.otp_seconds.into(),
            mail_interval_seconds: match self.mail.interval_seconds {
                0 => defaults.mail_interval_seconds,
                seconds => seconds.into(),
            },
            mails_per_hour: self.mail.per_hour,
            double_confirm_changes: auth.double_confirm_changes,
            reauthenticate_to_change_password: auth.reauthenticate_to_change_password,
        })
    }
}

/// Letters of the application's own: `mail/confirmation.html` and its siblings.
fn templates(folder: &Path) -> anyhow::Result<Templates> {
    let mut templates = Templates::default();
    for letter in Letter::ALL {
        let path = folder.join(format!("{}.html", letter.name()));
        match fs::read_to_string(&path) {
            Ok(page) => templates
                .set(letter, page)
                .with_context(|| path.display().to_string())?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(templates)
}
