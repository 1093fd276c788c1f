//! Rows of the schema `auth` and the steps that change them. Nothing here knows HTTP or draws random values: every
//! function takes what it needs, so that a transaction can be replayed.

pub(crate) mod attempt;
pub(crate) mod flow_state;
pub(crate) mod identity;
pub(crate) mod mail_queue;
pub(crate) mod one_time_token;
pub(crate) mod refresh;
pub(crate) mod session;
pub(crate) mod user;

use plinth_db::{Db, Error, Param, Rows, Session, Transaction};

/// Shown for a time that a row made by hand lacks.
const LONG_AGO: &str = "0001-01-01T00:00:00Z";

/// One statement in a read of its own.
pub(crate) async fn read(db: &Db, sql: &str, params: Vec<Param>) -> Result<Rows, Error> {
    db.query(&Session::system(), sql, params).await
}

/// Whether a statement finds anything.
fn exists(tx: &mut Transaction<'_>, sql: &str, params: &[Param]) -> Result<bool, Error> {
    Ok(!tx.query(sql, params)?.is_empty())
}
