//! Exchanging refresh tokens.
//!
//! A session has one active token, number `n`. Using it makes `n + 1` active. A used token is forgiven when it is
//! the parent `n - 1` of the active one (its answer may have been lost) or was used within the reuse interval (two
//! tabs at once): both are given the active token again. Any other use means that somebody has a copy: the session ends.

use jiff::{SignedDuration, Timestamp};
use plinth_db::{Error, Transaction};

use super::session::{self, Session};
use super::user::{self, User};
use crate::error::AuthError;
use crate::tokens::{RefreshKey, RefreshToken, stored_form};

/// How an exchange ended. The refusals are values rather than errors, because ending the session must be committed.
pub(crate) enum Exchange {
    /// The session with its active token, and its user.
    Done(Box<(Session, User)>),
    /// Refused with this error.
    Refused(AuthError),
}

/// Exchanges a genuine token. `text` is the token as it was sent.
pub(crate) fn exchange(
    tx: &mut Transaction<'_>,
    key: &RefreshKey,
    token: RefreshToken,
    text: &str,
    reuse: SignedDuration,
    now: Timestamp,
) -> Result<Exchange, Error> {
    let Some(mut session) = session::lock(tx, token.session_id)? else {
        return Ok(Exchange::Refused(AuthError::RefreshSessionGone));
    };
    if session.not_after.is_some_and(|end| end <= now) {
        return Ok(Exchange::Refused(AuthError::SessionExpired));
    }
    let Some(user) = user::by_id(tx, session.user_id)? else {
        return Ok(Exchange::Refused(AuthError::RefreshSessionGone));
    };
    if user.is_banned(now) {
        return Ok(Exchange::Refused(AuthError::Banned));
    }
    let known = tx.query(
        "select t.updated_at from auth.refresh_tokens t where t.session_id = $1 and t.counter = $2 and t.token = $3",
        &[session.id.into(), token.counter.into(), stored_form(text).into()],
    )?;
    let used_at = known
        .first()
        .map(|row| row.timestamp("updated_at"))
        .transpose()?;
    match judge(session.counter, token.counter, used_at, reuse, now) {
        Verdict::Active => rotate(tx, key, &mut session, reuse, now)?,
        Verdict::Forgiven => {}
        Verdict::Stolen => {
            session::end(tx, session.user_id, session::Scope::Local(session.id))?;
            return Ok(Exchange::Refused(AuthError::RefreshTokenAlreadyUsed));
        }
        Verdict::Unknown => return Ok(Exchange::Refused(AuthError::RefreshTokenNotFound)),
    }
    Ok(Exchange::Done(Box::new((session, user))))
}

/// Writes down the session's active token.
pub(crate) fn insert(
    tx: &mut Transaction<'_>,
    key: &RefreshKey,
    session: &Session,
    now: Timestamp,
) -> Result<(), Error> {
    let token = stored_form(&key.token(session.id, session.counter));
    tx.query(
        "insert into auth.refresh_tokens (session_id, user_id, counter, token, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $5)",
        &[session.id.into(), session.user_id.into(), session.counter.into(), token.into(), now.into()],
    )?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Active,
    Forgiven,
    Stolen,
    Unknown,
}

/// `used_at` is when the token was last touched, none when its row is gone, as it is some time after its use.
fn judge(
    active: i64,
    sent: i64,
    used_at: Option<Timestamp>,
    reuse: SignedDuration,
    now: Timestamp,
) -> Verdict {
    if sent > active || (sent == active && used_at.is_none()) {
        // Genuine and yet never given out: the database is older than the token, as after restoring a backup.
        return Verdict::Unknown;
    }
    if sent == active {
        return Verdict::Active;
    }
    let is_parent = sent == active - 1;
    let just_used = used_at.is_some_and(|used| now.duration_since(used) <= reuse);
    if is_parent || just_used {
        Verdict::Forgiven
    } else {
        Verdict::Stolen
    }
}

/// Makes the next token active. Rows that can no longer forgive anything go, so a session has only a few.
fn rotate(
    tx: &mut Transaction<'_>,
    key: &RefreshKey,
    session: &mut Session,
    reuse: SignedDuration,
    now: Timestamp,
) -> Result<(), Error> {
    tx.query(
        "update auth.refresh_tokens set revoked = true, updated_at = $1 where session_id = $2 and counter = $3",
        &[now.into(), session.id.into(), session.counter.into()],
    )?;
    let forgotten = now.checked_sub(reuse).unwrap_or(now);
    tx.query(
        "delete from auth.refresh_tokens where session_id = $1 and counter < $2 and updated_at < $3",
        &[session.id.into(), session.counter.into(), forgotten.into()],
    )?;
    session.counter += 1;
    insert(tx, key, session, now)?;
    tx.query(
        "update auth.sessions set refresh_token_counter = $1, refreshed_at = $2, updated_at = $2 where id = $3",
        &[session.counter.into(), now.into(), session.id.into()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sent: i64, used_seconds_ago: Option<i64>) -> Verdict {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let used = used_seconds_ago.map(|ago| now - SignedDuration::from_secs(ago));
        judge(5, sent, used, SignedDuration::from_secs(10), now)
    }

    #[test]
    fn the_active_token_is_exchanged() {
        assert_eq!(verdict(5, Some(3600)), Verdict::Active);
    }

    #[test]
    fn the_parent_of_the_active_token_is_forgiven_at_any_time() {
        assert_eq!(verdict(4, Some(3600)), Verdict::Forgiven);
        assert_eq!(verdict(4, None), Verdict::Forgiven);
    }

    #[test]
    fn older_tokens_are_forgiven_only_within_the_reuse_interval() {
        assert_eq!(verdict(2, Some(10)), Verdict::Forgiven);
        assert_eq!(verdict(2, Some(11)), Verdict::Stolen);
        assert_eq!(verdict(0, None), Verdict::Stolen);
    }

    #[test]
    fn tokens_that_were_never_given_out_are_unknown() {
        assert_eq!(verdict(6, None), Verdict::Unknown);
        assert_eq!(verdict(5, None), Verdict::Unknown);
    }
}
