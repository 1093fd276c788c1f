//! Sign-ins begun with a code challenge (PKCE, RFC 7636): the link gives a code, and only who holds the verifier can
//! exchange it for a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use plinth_db::{Error, Transaction};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error::AuthError;
use crate::tokens::stored_form;

/// How long a code may be exchanged after its link was followed.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Flows that never ended are forgotten after this.
const FLOW_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What a client sends at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `s256` rather than `plain`.
    pub(crate) hashed: bool,
    /// 43 to 128 characters.
    pub(crate) text: String,
}

/// A flow to be begun.
#[derive(Clone, Debug)]
pub(crate) struct NewFlow {
    pub(crate) id: Uuid,
    pub(crate) challenge: Challenge,
    /// How the session will have been proved, as `amr` names it.
    pub(crate) method: &'static str,
}

/// A flow whose code was exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Exchanged {
    pub(crate) user_id: Uuid,
    pub(crate) method: String,
}

/// Begins a flow.
pub(crate) fn begin(tx: &mut Transaction<'_>, new: &NewFlow, now: Timestamp) -> Result<(), Error> {
    let oldest = now.checked_sub(FLOW_LIFETIME).unwrap_or(Timestamp::MIN);
    tx.query(
        "delete from auth.flow_state where created_at < $1",
        &[oldest.into()],
    )?;
    let method = if new.challenge.hashed {
        "s256"
    } else {
        "plain"
    };
    tx.query(
        "insert into auth.flow_state (id, code_challenge_method, code_challenge, authentication_method, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $5)",
        &[
            new.id.into(),
            method.into(),
            (&new.challenge.text).into(),
            new.method.into(),
            now.into(),
        ],
    )?;
    Ok(())
}

/// Gives a flow its code, because its link was followed by this account's owner.
pub(crate) fn issue(
    tx: &mut Transaction<'_>,
    id: Uuid,
    user_id: Uuid,
    code: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = tx.query(
        "update auth.flow_state set user_id = $1, auth_code = $2, auth_code_issued_at = $3, updated_at = $3 where id = $4",
        &[user_id.into(), stored_form(code).into(), now.into(), id.into()],
    )?;
    Ok(changed.affected > 0)
}

/// Takes a code for its flow. A wrong verifier leaves the flow as it is: the code alone must not let a stranger end it.
pub(crate) fn exchange(
    tx: &mut Transaction<'_>,
    code: &str,
    verifier: &str,
    now: Timestamp,
) -> Result<Exchanged, AuthError> {
    let rows = tx.query(
        "select f.id, f.user_id, f.code_challenge, f.code_challenge_method, f.authentication_method, f.auth_code_issued_at \
         from auth.flow_state f where f.auth_code = $1",
        &[stored_form(code).into()],
    )?;
    let row = rows.first().ok_or(AuthError::FlowStateNotFound)?;
    let issued = row.timestamp("auth_code_issued_at")?;
    if now.duration_since(issued) > CODE_LIFETIME {
        return Err(AuthError::FlowStateExpired);
    }
    let hashed = row.text("code_challenge_method")? == "s256";
    if !proves(verifier, hashed, &row.text("code_challenge")?) {
        return Err(AuthError::BadCodeVerifier);
    }
    let exchanged = Exchanged {
        user_id: row.uuid("user_id")?,
        method: row.text("authentication_method")?,
    };
    tx.query(
        "delete from auth.flow_state where id = $1",
        &[row.uuid("id")?.into()],
    )?;
    Ok(exchanged)
}

fn proves(verifier: &str, hashed: bool, challenge: &str) -> bool {
    let answer = if hashed {
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
    } else {
        verifier.to_owned()
    };
    answer.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_are_checked_as_rfc_7636_says() {
        // The example of appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, true, challenge));
        assert!(!proves(verifier, false, challenge));
        assert!(proves(verifier, false, verifier));
        assert!(!proves("", true, challenge));
    }
}
