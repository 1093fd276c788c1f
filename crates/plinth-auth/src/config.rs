//! What can be set about the service.

use plinth_http::Mode;

/// Settings of the auth service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Nobody can sign up; administrators still create users.
    pub disable_signup: bool,
    /// New addresses count as confirmed. Without it a new account waits for an administrator to confirm it.
    pub autoconfirm: bool,
    /// Shortest password that may be chosen, in characters.
    pub password_min_length: usize,
    /// How long an access token holds.
    pub access_token_seconds: i64,
    /// How long after its exchange a refresh token still gives the same successor: two tabs, or an answer that was lost.
    pub refresh_reuse_seconds: i64,
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
            access_token_seconds: 3600,
            refresh_reuse_seconds: 10,
        }
    }
}
