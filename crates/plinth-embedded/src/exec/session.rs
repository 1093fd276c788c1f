//! `SET`, `RESET` and `SHOW`.

use plinth_sql::SqlError;
use plinth_sql::ast::SetVariable;
use plinth_sql::types::Type;
use rusqlite::types::Value;

use super::{Executed, Executor};
use crate::error::Result;
use crate::settings::{Lasting, search_path, shown_path};

impl Executor {
    pub(crate) fn set(&mut self, set: &SetVariable) -> Result<Executed> {
        let tag = if set.value.is_some() { "SET" } else { "RESET" };
        let lasting = if set.local {
            Lasting::Transaction
        } else {
            Lasting::Session
        };
        match (set.name.as_str(), &set.value) {
            ("role", value) => {
                let role = value.as_ref().and_then(|value| value.first());
                self.set_role(role.map(String::as_str), lasting)?;
            }
            ("session_authorization", _) => {
                return Err(SqlError::unsupported("SET SESSION AUTHORIZATION")
                    .hint("Use SET ROLE.")
                    .into());
            }
            ("search_path", value) => {
                let path = match value {
                    Some(path) => search_path(path),
                    None => crate::translate::default_search_path(),
                };
                let mut session = self.state().session.lock();
                session.settings.set_search_path(&path, lasting);
            }
            ("timezone", Some(value)) => {
                let zone = value
                    .first()
                    .map(|zone| zone.to_lowercase())
                    .unwrap_or_default();
                if !matches!(
                    zone.as_str(),
                    "utc" | "gmt" | "etc/utc" | "default" | "local" | "0"
                ) {
                    return Err(SqlError::unsupported(format!("the time zone {zone} as a session setting"))
                        .hint("Values are shown in UTC; convert with AT TIME ZONE where another zone is wanted.")
                        .into());
                }
            }
            ("client_encoding", Some(value)) => {
                let encoding = value
                    .first()
                    .map(|value| value.to_lowercase())
                    .unwrap_or_default();
                if !matches!(encoding.as_str(), "utf8" | "utf-8" | "unicode" | "default") {
                    return Err(
                        SqlError::unsupported(format!("the client encoding {encoding}")).into(),
                    );
                }
            }
            ("standard_conforming_strings", Some(value))
                if value.first().is_some_and(|value| value == "off") =>
            {
                return Err(SqlError::unsupported("standard_conforming_strings = off").into());
            }
            ("all", None) => {
                let path = crate::translate::default_search_path();
                let mut session = self.state().session.lock();
                session.settings.set_search_path(&path, lasting);
            }
            (name, value) if name.contains('.') => {
                let mut session = self.state().session.lock();
                match value {
                    Some(value) => session.settings.set(name, &value.join(", "), lasting),
                    None => session.settings.set(name, "", lasting),
                }
            }
            ("row_security", value) => {
                let written = value.as_ref().and_then(|value| value.first());
                let on = row_security(written.map(String::as_str))?;
                let mut session = self.state().session.lock();
                let value = if on { "on" } else { "off" };
                session.settings.set("row_security", value, lasting);
            }
            (name, _) if is_harmless(name) => {}
            (name, _) => {
                return Err(SqlError::new(
                    "42704",
                    format!("unrecognized configuration parameter \"{name}\""),
                )
                .into());
            }
        }
        Ok(Executed {
            tag: tag.to_owned(),
            ..Executed::default()
        })
    }

    fn set_role(&self, role: Option<&str>, lasting: Lasting) -> Result<()> {
        let mut session = self.state().session.lock();
        let first = session.settings.session_role().to_owned();
        let role = match role {
            None | Some("none" | "default") => first.clone(),
            Some(role) => role.to_owned(),
        };
        if !self.catalog.roles.contains_key(&role) {
            return Err(SqlError::new("22023", format!("role \"{role}\" does not exist")).into());
        }
        if !self.catalog.may_become(&first, &role) {
            return Err(SqlError::new(
                "42501",
                format!("permission denied to set role \"{role}\""),
            )
            .into());
        }
        session.settings.set_role(&role, lasting);
        Ok(())
    }

    pub(crate) fn show(&mut self, name: &str) -> Result<Executed> {
        let value = match name {
            "search_path" => shown_path(&self.path_as_set()),
            "timezone" => "UTC".to_owned(),
            "server_version" => "15.0".to_owned(),
            "server_version_num" => "150000".to_owned(),
            "client_encoding" | "server_encoding" => "UTF8".to_owned(),
            "standard_conforming_strings" => "on".to_owned(),
            "role" => self.role(),
            "row_security" => {
                let session = self.state().session.lock();
                let on = session.settings.row_security();
                if on { "on" } else { "off" }.to_owned()
            }
            name => {
                let session = self.state().session.lock();
                session
                    .settings
                    .get(name)
                    .map(str::to_owned)
                    .ok_or_else(|| {
                        SqlError::new(
                            "42704",
                            format!("unrecognized configuration parameter \"{name}\""),
                        )
                    })?
            }
        };
        Ok(Executed {
            columns: vec![(name.to_owned(), Type::Text.into())],
            rows: vec![vec![Value::Text(value)]],
            affected: 1,
            tag: "SHOW".into(),
            returns_rows: true,
            ..Executed::default()
        })
    }
}

/// What `SET row_security` sets.
fn row_security(written: Option<&str>) -> Result<bool> {
    let Some(written) = written else {
        return Ok(true);
    };
    match written.to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "default" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(SqlError::new(
            "22023",
            "parameter \"row_security\" requires a Boolean value",
        )
        .into()),
    }
}

/// Whether it is a setting of a Postgres server that nothing here depends on. Dumps carry them, and functions set them.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

const HARMLESS: &[&str] = &[
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "idle_session_timeout",
    "deadlock_timeout",
    "client_encoding",
    "standard_conforming_strings",
    "check_function_bodies",
    "xmloption",
    "client_min_messages",
    "default_tablespace",
    "default_table_access_method",
    "default_with_oids",
    "timezone",
    "datestyle",
    "intervalstyle",
    "extra_float_digits",
    "bytea_output",
    "escape_string_warning",
    "synchronous_commit",
    "work_mem",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "application_name",
    "jit",
    "transaction_isolation",
    "default_transaction_isolation",
    "plpgsql.check_asserts",
    "session_replication_role",
];
