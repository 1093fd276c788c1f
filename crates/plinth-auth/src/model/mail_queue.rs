//! Letters that wait to be sent.

use jiff::{SignedDuration, Timestamp};
use plinth_db::{Db, Error, Row, Session, Transaction};
use uuid::Uuid;

use super::read;

/// Letters taken at once.
const BATCH: i64 = 20;
/// The first wait after a failure; each further one doubles it.
const FIRST_WAIT_SECONDS: i64 = 15;
/// The longest wait.
const LONGEST_WAIT_SECONDS: i64 = 3600;
/// Codes and links are worthless by then.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// A row of `auth.mail_queue`.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) id: Uuid,
    pub(crate) recipient: String,
    pub(crate) subject: String,
    pub(crate) html: String,
    attempts: i64,
    created_at: Timestamp,
}

/// Puts a letter into the queue.
pub(crate) fn put(
    tx: &mut Transaction<'_>,
    id: Uuid,
    (recipient, subject, html): (&str, &str, &str),
    now: Timestamp,
) -> Result<(), Error> {
    tx.query(
        "insert into auth.mail_queue (id, recipient, subject, html, due_at, created_at) values ($1, $2, $3, $4, $5, $5)",
        &[id.into(), recipient.into(), subject.into(), html.into(), now.into()],
    )?;
    Ok(())
}

/// Writes as much as a letter would and keeps nothing: an unknown address costs the time of a known one.
pub(crate) fn pretend(tx: &mut Transaction<'_>, id: Uuid, now: Timestamp) -> Result<(), Error> {
    put(tx, id, ("nobody@localhost", "nothing", "nothing"), now)?;
    remove(tx, id)
}

/// Letters whose time has come, oldest first.
pub(crate) async fn due(db: &Db, now: Timestamp) -> Result<Vec<Queued>, Error> {
    let rows = read(
        db,
        "select q.id, q.recipient, q.subject, q.html, q.attempts, q.created_at from auth.mail_queue q \
         where q.due_at <= $1 order by q.due_at, q.id limit $2::bigint",
        vec![now.into(), BATCH.into()],
    )
    .await?;
    rows.iter().map(Queued::read).collect()
}

/// The letter is out.
pub(crate) async fn sent(db: &Db, id: Uuid) -> Result<(), Error> {
    db.transaction(&Session::system(), move |tx| remove(tx, id))
        .await
}

/// The mail server did not take it: it is tried again later, or given up. Says whether it still waits.
pub(crate) async fn failed(db: &Db, letter: &Queued, now: Timestamp) -> Result<bool, Error> {
    let (id, attempts) = (letter.id, letter.attempts);
    if now.duration_since(letter.created_at) > GIVE_UP {
        sent(db, id).await?;
        return Ok(false);
    }
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(16);
    let wait = (FIRST_WAIT_SECONDS << doublings).min(LONGEST_WAIT_SECONDS);
    let due = now
        .checked_add(SignedDuration::from_secs(wait))
        .unwrap_or(Timestamp::MAX);
    db.transaction(&Session::system(), move |tx| -> Result<(), Error> {
        tx.query(
            "update auth.mail_queue set attempts = attempts + 1, due_at = $1 where id = $2",
            &[due.into(), id.into()],
        )?;
        Ok(())
    })
    .await?;
    Ok(true)
}

fn remove(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Error> {
    tx.query("delete from auth.mail_queue where id = $1", &[id.into()])?;
    Ok(())
}

impl Queued {
    fn read(row: Row<'_>) -> Result<Queued, Error> {
        Ok(Queued {
            id: row.uuid("id")?,
            recipient: row.text("recipient")?,
            subject: row.text("subject")?,
            html: row.text("html")?,
            attempts: row.int("attempts")?,
            created_at: row.timestamp("created_at")?,
        })
    }
}
