//! Letters: what they say, how they wait, and who carries them.
//!
//! A letter is a row, written in the transaction of its cause; [`deliver`] hands what is due to the [`Mailer`] and
//! removes it once it is taken. A server that stops in between sends it after the next start.

mod mailer;
mod outbox;
mod pace;
mod templates;

pub use mailer::{Mailer, Smtp, SmtpSecurity};
pub use outbox::{Outbox, Sent};
pub(crate) use pace::count_letter;
pub(crate) use templates::Fields;
pub use templates::{Letter, TemplateError, Templates};

use plinth_db::{Db, Error};

use crate::model::mail_queue;

/// Sends every letter that is due. Stops at the first failure of the database; failures of the mail server only postpone.
pub(crate) async fn deliver(db: &Db, mailer: &Mailer) -> Result<(), Error> {
    if mail_queue::due(db, db.clock().now()).await?.is_empty() {
        return Ok(());
    }
    // Of several nodes one carries them, or a letter would go out twice.
    let _alone = db.alone("letters").await?;
    loop {
        let letters = mail_queue::due(db, db.clock().now()).await?;
        if letters.is_empty() {
            return Ok(());
        }
        for letter in letters {
            match mailer
                .send(&letter.recipient, &letter.subject, &letter.html)
                .await
            {
                Ok(()) => mail_queue::sent(db, letter.id).await?,
                Err(reason) => {
                    let waits = mail_queue::failed(db, &letter, db.clock().now()).await?;
                    tracing::warn!(letter = %letter.id, %reason, tried_again = waits, "the mail server did not take a letter");
                }
            }
        }
    }
}
