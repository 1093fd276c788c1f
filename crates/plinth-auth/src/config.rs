//! What can be set about the service.

use plinth_http::Mode;

use crate::mail::{Mailer, Templates};

/// Settings of the auth service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Nobody can sign up; administrators still create users.
    pub disable_signup: bool,
    /// New addresses count as confirmed. Without it a new account waits for an administrator to confirm it.
    pub autoconfirm: bool,
    /// Shortest password that may be chosen, in characters.
    pub password_min_length: usize,
    /// Passwords that everybody guesses first are refused.
    pub refuse_common_passwords: bool,
    /// How long an access token holds.
    pub access_token_seconds: i64,
    /// How long after its exchange a refresh token still gives the same successor: two tabs, or an answer that was lost.
    pub refresh_reuse_seconds: i64,
    /// Anybody may sign in without an address, and add one later.
    pub anonymous_sign_ins: bool,
    /// Where letters go.
    pub mailer: Mailer,
    /// What they say.
    pub templates: Templates,
    /// The application's own address, where links lead when nothing else is asked for.
    pub site_url: String,
    /// Other addresses that links may lead to: globs.
    pub redirect_urls: Vec<String>,
    /// How long codes and links hold.
    pub otp_seconds: i64,
    /// The shortest time between two letters to one address.
    pub mail_interval_seconds: i64,
    /// Letters in an hour, to all addresses together.
    pub mails_per_hour: u32,
    /// A change of address is confirmed from the old address, too.
    pub double_confirm_changes: bool,
    /// A password is changed only in a session of the last day, or with a code sent by mail.
    pub reauthenticate_to_change_password: bool,
}

impl Config {
    /// The defaults: `dev` takes shorter passwords, as local Supabase projects do.
    pub fn for_mode(mode: Mode) -> Config {
        Config {
            disable_signup: false,
            autoconfirm: true,
            password_min_length: match mode {
                Mode::Dev => 6,
                Mode::Serve => 8,
            },
            refuse_common_passwords: mode == Mode::Serve,
            access_token_seconds: 3600,
            refresh_reuse_seconds: 10,
            anonymous_sign_ins: false,
            mailer: Mailer::Off,
            templates: Templates::default(),
            site_url: "http://127.0.0.1:3000".to_owned(),
            redirect_urls: Vec::new(),
            otp_seconds: 3600,
            mail_interval_seconds: match mode {
                Mode::Dev => 1,
                Mode::Serve => 60,
            },
            mails_per_hour: 1000,
            double_confirm_changes: true,
            reauthenticate_to_change_password: false,
        }
    }
}
