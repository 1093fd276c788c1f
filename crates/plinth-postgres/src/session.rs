//! Who a transaction runs as.

use std::fmt::Write as _;

use plinth_sql::session::Session;

use crate::error::Result;
use crate::text::constant;

/// How connections begin: what values look like, and where names without a schema are looked for.
pub(crate) const STARTUP: &str = "-c TimeZone=UTC -c DateStyle=ISO,MDY -c IntervalStyle=postgres -c extra_float_digits=1 \
     -c bytea_output=hex -c client_min_messages=notice -c search_path=public,extensions -c standard_conforming_strings=on -c jit=off";

/// The role that runs as whoever the URL names: the product's own work, and the owner's scripts.
pub(crate) const OWNER: &str = "postgres";

/// What a script may have left on a connection that others get after it; ends a message.
pub(crate) const RESET: &str = "reset all; reset session authorization; reset role";

/// Settings of a transaction, by name.
pub(crate) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Those of a session. Behind a pooler a connection has been others', so that what [`STARTUP`] says is said again.
    pub(crate) fn of(session: &Session, pooled: bool) -> Settings {
        let mut settings = Settings(Vec::with_capacity(8));
        if pooled {
            for pair in STARTUP
                .split("-c ")
                .filter_map(|pair| pair.trim().split_once('='))
            {
                settings.push(pair.0, pair.1);
            }
        }
        let timeout = session.timeout.as_millis().max(1);
        settings.push("statement_timeout", timeout.to_string());
        for (name, value) in session.settings.all() {
            settings.push(name, value.as_str());
        }
        if session.role == OWNER {
            if let Some(claims) = &session.claims {
                settings.push("request.jwt.claims", claims.text());
            }
            if pooled {
                settings.push("role", "none");
            }
        } else {
            // Said in every case: a function may have set them for longer than its own transaction.
            let claims = session.claims.as_ref();
            settings.push("request.jwt.claims", claims.map_or("", |one| one.text()));
            settings.push("role", session.role.as_str());
        }
        settings
    }

    /// By name.
    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }

    /// The same as one statement, for one transaction or for the whole session.
    pub(crate) fn as_sql(&self, local: bool) -> Result<String> {
        let mut sql = String::from("select ");
        for (place, (name, value)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _infallible = write!(
                sql,
                "{comma}pg_catalog.set_config({}, {}, {local})",
                constant(name)?,
                constant(value)?
            );
        }
        Ok(sql)
    }

    fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }
}
