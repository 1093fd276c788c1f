//! Statements through Plinth, whichever engine it stands on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use plinth_db::{Db, ScriptOptions, Session};

use crate::outcome::{Ask, Failure, Outcome, Who, csv};

const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// Runs statements, going on after errors. One outcome for each. What stands between two changes of caller
/// is one session; a transaction cannot span such a change.
pub async fn run(db: &Db, asks: &[Ask]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(asks.len());
    for same_caller in asks.chunk_by(|a, b| a.who == b.who) {
        outcomes.extend(run_session(db, same_caller).await?);
    }
    Ok(outcomes)
}

async fn run_session(db: &Db, asks: &[Ask]) -> Result<Vec<Outcome>> {
    // The semicolon has a line of its own: a statement may end in a comment.
    let script = asks.iter().fold(String::new(), |script, ask| {
        script
            + &ask.sql
            + "
;
"
    });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&heard);
    let session = session(&asks[0].who);
    db.script(&session, script, ScriptOptions::default(), move |outcome| {
        tell.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(outcome.result);
    })
    .await?;
    let results = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(
        results.len() == asks.len(),
        "{} outcomes for {} statements, from `{}` on",
        results.len(),
        asks.len(),
        asks[0].sql
    );
    Ok(results.into_iter().map(outcome).collect())
}

/// The session of a caller whose token was checked.
pub fn session(who: &Who) -> Session {
    Session {
        claims: who.claims.as_deref().map(plinth_db::Claims::new),
        timeout: STATEMENT_LIMIT,
        ..Session::role(&who.role)
    }
}

fn outcome(result: Result<plinth_sql::session::RowSet, plinth_sql::SqlError>) -> Outcome {
    match result {
        Ok(set) if set.returns_rows => Outcome::Rows(csv(
            set.columns.iter().map(|column| column.name.as_str()),
            set.rows.iter().map(Vec::as_slice),
        )),
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(Failure {
            code: error.code,
            message: error.message,
            detail: error.detail,
            hint: error.hint,
            constraint: error.constraint,
        }),
    }
}
