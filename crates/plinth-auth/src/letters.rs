//! Letters with a code and a link, written in the transaction of their cause.

use jiff::Timestamp;
use plinth_db::Transaction;
use uuid::Uuid;

use crate::AuthApp;
use crate::error::AuthError;
use crate::mail::{Fields, Letter};
use crate::model::flow_state::{Challenge, NewFlow};
use crate::model::one_time_token::{self, NewToken, Purpose};
use crate::model::user::{self, User};
use crate::model::{flow_state, mail_queue};
use crate::tokens::random_code;

/// What marks a link whose end is a code to exchange rather than a session.
pub(crate) const PKCE_PREFIX: &str = "pkce_";

/// A letter to be written. Random values are drawn here, so that a transaction can be replayed.
#[derive(Clone)]
pub(crate) struct Draft {
    letter: Letter,
    purpose: Purpose,
    code: String,
    token_id: Uuid,
    letter_id: Uuid,
    redirect_to: String,
    flow: Option<NewFlow>,
}

/// What a letter says.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The code to type.
    pub(crate) code: String,
    /// The token in the link.
    pub(crate) token: String,
    /// The link.
    pub(crate) link: String,
}

impl Draft {
    /// A letter of this kind, whose link returns to `redirect_to`.
    pub(crate) fn new(
        letter: Letter,
        redirect_to: &str,
        challenge: Option<Challenge>,
    ) -> Result<Draft, AuthError> {
        let code = random_code()
            .map_err(|error| AuthError::Internal(format!("no random numbers: {error}")))?;
        Ok(Draft {
            letter,
            purpose: purpose(letter),
            code,
            token_id: Uuid::now_v7(),
            letter_id: Uuid::now_v7(),
            redirect_to: redirect_to.to_owned(),
            flow: challenge.map(|challenge| NewFlow {
                id: Uuid::new_v4(),
                challenge,
                method: method(letter),
            }),
        })
    }

    /// The second letter of a change of address: to the one that is left, back to the same flow.
    pub(crate) fn to_current_address(&self) -> Result<Draft, AuthError> {
        let mut twin = Draft::new(self.letter, &self.redirect_to, None)?;
        twin.purpose = Purpose::CurrentEmail;
        twin.flow.clone_from(&self.flow);
        Ok(twin)
    }

    /// Begins the flow of a link with a code challenge; once, whatever number of letters lead to it.
    pub(crate) fn begin_flow(
        &self,
        tx: &mut Transaction<'_>,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        match &self.flow {
            Some(flow) => Ok(flow_state::begin(tx, flow, now)?),
            None => Ok(()),
        }
    }

    /// Stores the token and puts the letter into the queue.
    pub(crate) fn send(
        &self,
        tx: &mut Transaction<'_>,
        auth: &AuthApp,
        user: &User,
        to: &str,
        now: Timestamp,
    ) -> Result<Written, AuthError> {
        let written = self.store(tx, auth, user, to, now)?;
        let fields = Fields {
            confirmation_url: &written.link,
            token: &written.code,
            token_hash: &written.token,
            site_url: &auth.config.site_url,
            redirect_to: &self.redirect_to,
            email: user.email.as_deref().unwrap_or_default(),
            new_email: user.new_email.as_deref().unwrap_or_default(),
            data: Some(&user.user_metadata),
        };
        let (subject, html) =
            auth.config
                .templates
                .write(self.letter, &fields)
                .map_err(|error| {
                    AuthError::Internal(format!("the letter {:?}: {error}", self.letter))
                })?;
        mail_queue::put(tx, self.letter_id, (to, &subject, &html), now)?;
        Ok(written)
    }

    /// Stores the token without a letter, for administrators who carry it themselves.
    pub(crate) fn store(
        &self,
        tx: &mut Transaction<'_>,
        auth: &AuthApp,
        user: &User,
        to: &str,
        now: Timestamp,
    ) -> Result<Written, AuthError> {
        let bare = auth.mail_key.link_token(to, &self.code);
        let new = NewToken {
            id: self.token_id,
            purpose: self.purpose,
            token: bare.clone(),
            address: to.to_owned(),
            flow_state_id: self.flow.as_ref().map(|flow| flow.id),
        };
        one_time_token::put(tx, user.id, &new, now)?;
        user::letter_sent(tx, user.id, self.letter, now)?;
        let token = match self.flow {
            Some(_) => format!("{PKCE_PREFIX}{bare}"),
            None => bare,
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", &token)
            .append_pair("type", verification_type(self.letter))
            .append_pair("redirect_to", &self.redirect_to)
            .finish();
        let link = format!("{}/auth/v1/verify?{query}", auth.app.public_url);
        Ok(Written {
            code: self.code.clone(),
            token,
            link,
        })
    }
}

/// As `type` in links and in `POST /verify`.
pub(crate) fn verification_type(letter: Letter) -> &'static str {
    match letter {
        Letter::Confirmation => "signup",
        Letter::Invitation => "invite",
        Letter::MagicLink => "magiclink",
        Letter::Recovery => "recovery",
        Letter::EmailChange => "email_change",
        Letter::Reauthentication => "reauthentication",
    }
}

fn purpose(letter: Letter) -> Purpose {
    match letter {
        Letter::Confirmation | Letter::Invitation => Purpose::Confirmation,
        Letter::MagicLink | Letter::Recovery => Purpose::Recovery,
        Letter::EmailChange => Purpose::NewEmail,
        Letter::Reauthentication => Purpose::Reauthentication,
    }
}

/// As `amr` names it.
fn method(letter: Letter) -> &'static str {
    match letter {
        Letter::Confirmation => "email/signup",
        Letter::Invitation => "invite",
        Letter::MagicLink => "magiclink",
        Letter::Recovery => "recovery",
        Letter::EmailChange => "email_change",
        Letter::Reauthentication => "otp",
    }
}
