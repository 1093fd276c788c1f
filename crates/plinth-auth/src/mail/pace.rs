//! How often letters go to one address, and how many go out in all. Counted for every address that is asked for, known
//! or not, so that the refusal tells nobody who has an account; in the database, so that it holds at all nodes together.

use plinth_db::Db;

use crate::error::AuthError;
use crate::model::attempt::{self, Taken, Window};

const HOUR_SECONDS: i64 = 3600;

/// Counts a letter to this address, or says how long it has to wait.
pub(crate) async fn count_letter(
    db: &Db,
    address: &str,
    interval_seconds: i64,
    per_hour: u32,
) -> Result<(), AuthError> {
    let to_address = Window::new(&format!("letter to {address}"), 1, interval_seconds);
    let to_all = Window::new("letters", per_hour, HOUR_SECONDS);
    // Before anything is written, or addresses without end would leave a row each.
    if let Some(retry_after_seconds) = attempt::seconds_left(db, &to_all).await? {
        return Err(match attempt::seconds_left(db, &to_address).await? {
            Some(retry_after_seconds) => AuthError::MailTooSoon {
                retry_after_seconds,
            },
            None => AuthError::TooMuchMail {
                retry_after_seconds,
            },
        });
    }
    if let Taken::Refused {
        retry_after_seconds,
    } = attempt::take(db, &to_address).await?
    {
        return Err(AuthError::MailTooSoon {
            retry_after_seconds,
        });
    }
    if let Taken::Refused {
        retry_after_seconds,
    } = attempt::take(db, &to_all).await?
    {
        // Others took the last ones meanwhile; this address gets none and need not wait for the next.
        attempt::take_back(db, &to_address).await?;
        return Err(AuthError::TooMuchMail {
            retry_after_seconds,
        });
    }
    Ok(())
}
