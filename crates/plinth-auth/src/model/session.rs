//! Sessions: one for each device that is signed in.

use jiff::Timestamp;
use plinth_db::{Error, Param, Row, Transaction};
use serde_json::{Value, json};
use uuid::Uuid;

use super::refresh;
use crate::tokens::RefreshKey;

/// Sessions of one account. Nobody has as many devices; the bound is high so that a shared test account can be used
/// by a whole load test. Over it the oldest end.
const MAX_SESSIONS_PER_USER: i64 = 1000;
/// What is kept of a client's name for itself.
const MAX_USER_AGENT_CHARS: usize = 256;

/// A row of `auth.sessions`.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    /// `aal1` until a second factor is proved.
    pub(crate) aal: String,
    /// How it was proved: `[{method, timestamp}]`.
    pub(crate) amr: Value,
    /// Ends then, whatever is refreshed.
    pub(crate) not_after: Option<Timestamp>,
    /// The number of its active refresh token.
    pub(crate) counter: i64,
}

/// Which sessions of an account end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    Global,
    /// This one.
    Local(Uuid),
    /// All but this one.
    Others(Uuid),
}

/// Opens a session with its first refresh token. `method` is how it was proved, as `amr` names it.
pub(crate) fn open(
    tx: &mut Transaction<'_>,
    key: &RefreshKey,
    id: Uuid,
    user_id: Uuid,
    user_agent: Option<&str>,
    method: &str,
    now: Timestamp,
) -> Result<Session, Error> {
    let amr = json!([{ "method": method, "timestamp": now.as_second() }]);
    let user_agent =
        user_agent.map(|name| name.chars().take(MAX_USER_AGENT_CHARS).collect::<String>());
    tx.query(
        "delete from auth.sessions where id in \
           (select s.id from auth.sessions s where s.user_id = $1 order by s.created_at desc, s.id offset $2::bigint)",
        &[user_id.into(), (MAX_SESSIONS_PER_USER - 1).into()],
    )?;
    tx.query(
        "insert into auth.sessions (id, user_id, created_at, updated_at, aal, amr, user_agent, refresh_token_counter) \
         values ($1, $2, $3, $3, 'aal1', $4, $5, 0)",
        &[id.into(), user_id.into(), now.into(), amr.clone().into(), user_agent.into()],
    )?;
    let session = Session {
        id,
        user_id,
        aal: "aal1".to_owned(),
        amr,
        not_after: None,
        counter: 0,
    };
    refresh::insert(tx, key, &session, now)?;
    Ok(session)
}

/// By id, held against other writers until the transaction ends.
pub(crate) fn lock(tx: &mut Transaction<'_>, id: Uuid) -> Result<Option<Session>, Error> {
    let rows = tx.query(
        "select s.id, s.user_id, s.aal, s.amr, s.not_after, s.refresh_token_counter from auth.sessions s where s.id = $1 for update",
        &[id.into()],
    )?;
    rows.first().map(Session::read).transpose()
}

/// When a session was opened.
pub(crate) fn opened_at(tx: &mut Transaction<'_>, id: Uuid) -> Result<Option<Timestamp>, Error> {
    let rows = tx.query(
        "select s.created_at from auth.sessions s where s.id = $1",
        &[id.into()],
    )?;
    match rows.first() {
        Some(row) => row.maybe_timestamp("created_at"),
        None => Ok(None),
    }
}

/// Ends sessions of an account; their refresh tokens go with them.
pub(crate) fn end(tx: &mut Transaction<'_>, user_id: Uuid, scope: Scope) -> Result<(), Error> {
    let user_id = Param::from(user_id);
    match scope {
        Scope::Global => tx.query("delete from auth.sessions where user_id = $1", &[user_id])?,
        Scope::Local(id) => tx.query(
            "delete from auth.sessions where user_id = $1 and id = $2",
            &[user_id, id.into()],
        )?,
        Scope::Others(id) => tx.query(
            "delete from auth.sessions where user_id = $1 and id <> $2",
            &[user_id, id.into()],
        )?,
    };
    Ok(())
}

impl Session {
    fn read(row: Row<'_>) -> Result<Session, Error> {
        Ok(Session {
            id: row.uuid("id")?,
            user_id: row.uuid("user_id")?,
            aal: row.get("aal").unwrap_or("aal1").to_owned(),
            amr: row.json("amr")?,
            not_after: row.maybe_timestamp("not_after")?,
            counter: row.int("refresh_token_counter")?,
        })
    }
}
