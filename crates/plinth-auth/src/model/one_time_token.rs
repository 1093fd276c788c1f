//! Codes and links that were sent by mail: one of each kind an account, the newest.

use jiff::Timestamp;
use plinth_db::{Error, Row, Transaction};
use uuid::Uuid;

use crate::tokens::stored_form;

/// What a token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The address of a new or invited account.
    Confirmation,
    /// That the owner of an account's address is there: sign-in by mail, and recovery.
    Recovery,
    /// The address that an account is to get.
    NewEmail,
    /// The address that an account is to lose.
    CurrentEmail,
    /// The owner's presence, for a change that asks for it.
    Reauthentication,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Confirmation => "confirmation_token",
            Purpose::Recovery => "recovery_token",
            Purpose::NewEmail => "email_change_token_new",
            Purpose::CurrentEmail => "email_change_token_current",
            Purpose::Reauthentication => "reauthentication_token",
        }
    }

    fn read(name: &str) -> Option<Purpose> {
        [
            Purpose::Confirmation,
            Purpose::Recovery,
            Purpose::NewEmail,
            Purpose::CurrentEmail,
            Purpose::Reauthentication,
        ]
        .into_iter()
        .find(|purpose| purpose.name() == name)
    }
}

/// A row of `auth.one_time_tokens`.
#[derive(Clone, Debug)]
pub(crate) struct OneTimeToken {
    pub(crate) user_id: Uuid,
    pub(crate) purpose: Purpose,
    /// Where a link with a code challenge returns to.
    pub(crate) flow_state_id: Option<Uuid>,
    pub(crate) created_at: Timestamp,
}

/// A token to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewToken {
    pub(crate) id: Uuid,
    pub(crate) purpose: Purpose,
    /// The link's token, without what marks a code challenge.
    pub(crate) token: String,
    /// The address it goes to.
    pub(crate) address: String,
    pub(crate) flow_state_id: Option<Uuid>,
}

/// Stores a token; an earlier one of its kind counts no more.
pub(crate) fn put(
    tx: &mut Transaction<'_>,
    user_id: Uuid,
    new: &NewToken,
    now: Timestamp,
) -> Result<(), Error> {
    remove(tx, user_id, &[new.purpose])?;
    tx.query(
        "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, flow_state_id, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
        &[
            new.id.into(),
            user_id.into(),
            new.purpose.name().into(),
            stored_form(&new.token).into(),
            (&new.address).into(),
            new.flow_state_id.into(),
            now.into(),
        ],
    )?;
    Ok(())
}

/// The token that was sent, however old it is.
pub(crate) fn find(tx: &mut Transaction<'_>, token: &str) -> Result<Option<OneTimeToken>, Error> {
    let rows = tx.query(
        "select t.user_id, t.token_type, t.flow_state_id, t.created_at from auth.one_time_tokens t where t.token_hash = $1",
        &[stored_form(token).into()],
    )?;
    Ok(rows.first().map(OneTimeToken::read).transpose()?.flatten())
}

/// Whether a token of this kind waits.
pub(crate) fn waits(
    tx: &mut Transaction<'_>,
    user_id: Uuid,
    purpose: Purpose,
) -> Result<bool, Error> {
    super::exists(
        tx,
        "select 1 as found from auth.one_time_tokens where user_id = $1 and token_type = $2",
        &[user_id.into(), purpose.name().into()],
    )
}

/// Tokens of these kinds count no more.
pub(crate) fn remove(
    tx: &mut Transaction<'_>,
    user_id: Uuid,
    purposes: &[Purpose],
) -> Result<(), Error> {
    for purpose in purposes {
        tx.query(
            "delete from auth.one_time_tokens where user_id = $1 and token_type = $2",
            &[user_id.into(), purpose.name().into()],
        )?;
    }
    Ok(())
}

impl OneTimeToken {
    /// None for kinds that are not used here.
    fn read(row: Row<'_>) -> Result<Option<OneTimeToken>, Error> {
        let Some(purpose) = Purpose::read(&row.text("token_type")?) else {
            return Ok(None);
        };
        Ok(Some(OneTimeToken {
            user_id: row.uuid("user_id")?,
            purpose,
            flow_state_id: row.get("flow_state_id").and_then(|id| id.parse().ok()),
            created_at: row.timestamp("created_at")?,
        }))
    }
}
