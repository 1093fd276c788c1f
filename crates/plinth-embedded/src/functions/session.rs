//! What depends on the session, the clock, chance, and sequences.
//!
//! None of these is the same twice, so none may stand in an index or be computed once for all rows.

use std::time::{SystemTime, UNIX_EPOCH};

use plinth_sql::SqlError;
use plinth_sql::catalog::{Catalog, QName};

use super::call::{Args, Out, StatefulFunction, lenient, strict};
use crate::exec::is_harmless;
use crate::settings::{Lasting, search_path, shown_path};
use crate::state::{ConnState, POSTGRES_EPOCH_MICROS};

pub(super) const FUNCTIONS: &[StatefulFunction] = &[
    lenient("pg_current_setting", 2, current_setting),
    lenient("pg_set_config", 3, set_config),
    lenient("pg_current_schema", 0, |_, state| {
        Ok(current_schema(state).into())
    }),
    lenient("plinth_trigger_depth", 0, |_, state| {
        Ok(state.work.lock().triggers.into())
    }),
    strict("pg_nextval", 1, nextval),
    strict("pg_currval", 1, currval),
    lenient("pg_lastval", 0, lastval),
    strict("pg_setval", 2, |a, state| setval(a, state, true)),
    strict("pg_setval", 3, |a, state| setval(a, state, a.bool(2)?)),
    lenient("pg_clock", 0, |_, _| Ok(clock().into())),
    lenient("pg_random_uuid", 0, |_, _| {
        Ok(uuid::Uuid::new_v4().as_bytes().to_vec().into())
    }),
    lenient("pg_random", 0, |_, _| random()),
    strict("pg_random_bytes", 1, |a, _| random_bytes(a)),
];

/// Settings that every server has and that are the same for everyone here.
fn fixed_setting(name: &str) -> Option<&'static str> {
    Some(match name {
        "timezone" => "UTC",
        "server_version" => "15.0",
        "server_version_num" => "150000",
        "client_encoding" | "server_encoding" => "UTF8",
        "standard_conforming_strings" | "integer_datetimes" => "on",
        "datestyle" => "ISO, MDY",
        "intervalstyle" => "postgres",
        "bytea_output" => "hex",
        "lc_collate" | "lc_ctype" => "C.UTF-8",
        "transaction_isolation" | "default_transaction_isolation" => "serializable",
        "max_identifier_length" => "63",
        "lock_timeout" | "idle_in_transaction_session_timeout" | "idle_session_timeout" => "0",
        "deadlock_timeout" => "1s",
        "check_function_bodies" | "escape_string_warning" | "synchronous_commit" => "on",
        "session_replication_role" => "origin",
        _ => return None,
    })
}

fn unrecognized(name: &str) -> SqlError {
    SqlError::new(
        "42704",
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

/// `pg_current_setting(name, missing is NULL)`.
fn current_setting(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let Some(written) = args.maybe_text(0)? else {
        return Ok(Out::Null);
    };
    let name = written.to_lowercase();
    let session = state.session.lock();
    let settings = &session.settings;
    if let Some(value) = settings.get(&name) {
        return Ok(value.into());
    }
    match name.as_str() {
        "role" if settings.role() == settings.session_role() => return Ok(Out::Static("none")),
        "role" => return Ok(settings.role().into()),
        "session_authorization" => return Ok(settings.session_role().into()),
        "is_superuser" => {
            return Ok(Out::Static(if settings.role() == "postgres" {
                "on"
            } else {
                "off"
            }));
        }
        "search_path" => return Ok(shown_path(settings.search_path()).into()),
        _ => {}
    }
    drop(session);
    if let Some(value) = fixed_setting(&name) {
        return Ok(Out::Static(value));
    }
    if args.maybe_int(1)?.unwrap_or(0) != 0 {
        Ok(Out::Null)
    } else {
        Err(unrecognized(written))
    }
}

/// `pg_set_config(name, value, for the transaction only)`.
fn set_config(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let Some(written) = args.maybe_text(0)? else {
        return Err(SqlError::new("22004", "SET requires parameter name"));
    };
    let name = written.to_lowercase();
    if matches!(name.as_str(), "role" | "session_authorization") {
        return Err(SqlError::unsupported(format!("set_config of {name}")).hint("Use SET ROLE."));
    }
    if matches!(
        name.as_str(),
        "server_version" | "server_version_num" | "server_encoding" | "integer_datetimes"
    ) {
        return Err(SqlError::new(
            "55P02",
            format!("parameter \"{name}\" cannot be changed"),
        ));
    }
    let known = name.contains('.')
        || name == "search_path"
        || is_harmless(&name)
        || fixed_setting(&name).is_some();
    if !known {
        return Err(unrecognized(written));
    }
    let value = args.maybe_text(1)?.unwrap_or_default();
    bounded_setting(value)?;
    let lasting = if args.maybe_int(2)?.unwrap_or(0) != 0 {
        Lasting::Transaction
    } else {
        Lasting::Session
    };
    let settings = &mut state.session.lock().settings;
    if name == "search_path" {
        settings.set_search_path(&search_path(&[value.to_owned()]), lasting);
    } else {
        settings.set(&name, value, lasting);
    }
    Ok(value.into())
}

/// Bytes that one setting may hold.
const MAX_SETTING_BYTES: usize = 1024 * 1024;

fn bounded_setting(value: &str) -> Result<(), SqlError> {
    if value.len() > MAX_SETTING_BYTES {
        return Err(SqlError::new(
            "54000",
            format!("a setting cannot be longer than {MAX_SETTING_BYTES} bytes"),
        ));
    }
    Ok(())
}

/// The first schema of the search path that exists.
fn current_schema(state: &ConnState) -> Option<String> {
    let session = state.session.lock();
    let catalog = state.catalog.read();
    session
        .settings
        .search_path()
        .iter()
        .find(|schema| *schema != "pg_catalog" && catalog.schemas.contains_key(*schema))
        .cloned()
}

/// The sequence of this name: `schema.name` as the translator writes it, or a name as a user would.
fn sequence(catalog: &Catalog, text: &str) -> Result<QName, SqlError> {
    let exact = text
        .split_once('.')
        .map(|(schema, name)| QName::new(schema, name));
    let bare = |name: &str| match name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    };
    let written = match text.split_once('.') {
        Some((schema, name)) => QName::new(bare(schema), bare(name)),
        None => QName::new("public", bare(text)),
    };
    exact
        .into_iter()
        .chain([written])
        .find(|name| catalog.sequences.contains_key(name))
        .ok_or_else(|| SqlError::new("42P01", format!("relation \"{text}\" does not exist")))
}

fn nextval(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let catalog = state.catalog.read().clone();
    let name = sequence(&catalog, args.text(0)?)?;
    Ok(Out::Int(state.next_value(&catalog, &name)?))
}

fn currval(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let name = sequence(&state.catalog.read(), args.text(0)?)?;
    let session = state.session.lock();
    session
        .current_values
        .get(&name)
        .copied()
        .map(Out::Int)
        .ok_or_else(|| {
            SqlError::new(
                "55000",
                format!(
                    "currval of sequence \"{}\" is not yet defined in this session",
                    name.name
                ),
            )
        })
}

fn lastval(_: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let session = state.session.lock();
    let last = session
        .last_sequence
        .as_ref()
        .and_then(|name| session.current_values.get(name));
    last.copied()
        .map(Out::Int)
        .ok_or_else(|| SqlError::new("55000", "lastval is not yet defined in this session"))
}

/// `pg_setval(sequence, value, called?)`.
fn setval(args: &Args<'_>, state: &ConnState, called: bool) -> Result<Out, SqlError> {
    let catalog = state.catalog.read().clone();
    let name = sequence(&catalog, args.text(0)?)?;
    let value = args.int(1)?;
    if let Some(known) = catalog.sequences.get(&name) {
        let options = &known.options;
        let rising = options.increment.unwrap_or(1) > 0;
        let min = options
            .min_value
            .flatten()
            .unwrap_or(if rising { 1 } else { i64::MIN });
        let max = options
            .max_value
            .flatten()
            .unwrap_or(if rising { i64::MAX } else { -1 });
        if !(min..=max).contains(&value) {
            return Err(SqlError::new(
                "22003",
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({min}..{max})",
                    name.name
                ),
            ));
        }
    }
    state.sequences.set(&name, value, called, true);
    if called {
        state.session.lock().current_values.insert(name, value);
    }
    Ok(Out::Int(value))
}

/// Microseconds since 2000-01-01, now.
fn clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX) - POSTGRES_EPOCH_MICROS
}

fn chance(bytes: &mut [u8]) -> Result<(), SqlError> {
    getrandom::fill(bytes).map_err(|_| SqlError::new("XX000", "could not generate random bytes"))
}

/// `random()`: 53 random bits below 1.
fn random() -> Result<Out, SqlError> {
    let mut bytes = [0; 8];
    chance(&mut bytes)?;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let value = (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64;
    Ok(value.into())
}

/// `gen_random_bytes(count)`.
fn random_bytes(args: &Args<'_>) -> Result<Out, SqlError> {
    let count = args.int(0)?;
    let Some(count) = usize::try_from(count)
        .ok()
        .filter(|count| (1..=1024).contains(count))
    else {
        return Err(SqlError::new("39000", "Length not in range"));
    };
    let mut bytes = vec![0; count];
    chance(&mut bytes)?;
    Ok(bytes.into())
}
