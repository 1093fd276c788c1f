//! `POST /logout`.

use axum::extract::State;
use axum::http::StatusCode;
use plinth_db::Transaction;

use super::body::Parameters;
use super::caller::Bearer;
use crate::AuthApp;
use crate::error::AuthError;
use crate::model::session::{self, Scope};

pub(crate) async fn logout(
    State(auth): State<AuthApp>,
    bearer: Bearer,
    parameters: Parameters,
) -> Result<StatusCode, AuthError> {
    let scope = match (
        parameters.get("scope").unwrap_or("global"),
        bearer.session_id,
    ) {
        ("global", _) => Some(Scope::Global),
        ("local", Some(id)) => Some(Scope::Local(id)),
        ("others", Some(id)) => Some(Scope::Others(id)),
        // A token of somebody else's making belongs to no session of ours: there is nothing to tell apart.
        ("local" | "others", None) => None,
        (other, _) => {
            return Err(AuthError::validation(format!(
                "Unsupported logout scope \"{}\"",
                other.escape_debug()
            )));
        }
    };
    if let Some(scope) = scope {
        let id = bearer.user.id;
        let work = move |tx: &mut Transaction<'_>| -> Result<(), AuthError> {
            Ok(session::end(tx, id, scope)?)
        };
        auth.app
            .db
            .transaction(&plinth_db::Session::system(), work)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
