//! Accounts.

use jiff::Timestamp;
use plinth_db::{Db, Error, Param, Row, Transaction};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::identity::{self, Identity};
use super::{LONG_AGO, exists, read};
use crate::mail::Letter;

/// What seeds and other servers of this API write where nothing distinguishes instances.
const INSTANCE: &str = "00000000-0000-0000-0000-000000000000";

const COLUMNS: &str = "u.id, u.aud, u.role, u.email, u.encrypted_password, u.email_confirmed_at, u.invited_at, u.phone, \
     u.phone_confirmed_at, u.confirmation_sent_at, u.confirmed_at, u.recovery_sent_at, u.email_change, u.email_change_sent_at, \
     u.phone_change, u.phone_change_sent_at, u.reauthentication_sent_at, u.last_sign_in_at, u.raw_app_meta_data, \
     u.raw_user_meta_data, u.created_at, u.updated_at, u.banned_until, u.deleted_at, u.is_anonymous";

/// A row of `auth.users` with its identities.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "metadata are called what clients call them"
)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) aud: String,
    pub(crate) role: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    /// The stored hash, if there is a usable one.
    pub(crate) password: Option<String>,
    pub(crate) app_metadata: Map<String, Value>,
    pub(crate) user_metadata: Map<String, Value>,
    pub(crate) confirmed_at: Option<Timestamp>,
    pub(crate) banned_until: Option<Timestamp>,
    pub(crate) is_anonymous: bool,
    pub(crate) identities: Vec<Identity>,
    /// `created_at`, `email_confirmed_at`, …: what is only shown.
    shown: Vec<(&'static str, Option<Timestamp>)>,
    /// The address it is to get once that is proved.
    pub(crate) new_email: Option<String>,
    new_phone: Option<String>,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    pub(crate) id: Uuid,
    /// For the identity that an address or a number brings: one each.
    pub(crate) identity_ids: [Uuid; 2],
    pub(crate) aud: String,
    pub(crate) role: String,
    pub(crate) email: Option<String>,
    pub(crate) email_confirmed: bool,
    pub(crate) phone: Option<String>,
    pub(crate) phone_confirmed: bool,
    pub(crate) password: Option<String>,
    pub(crate) app_metadata: Map<String, Value>,
    pub(crate) user_metadata: Map<String, Value>,
    pub(crate) banned_until: Option<Timestamp>,
    pub(crate) is_anonymous: bool,
    pub(crate) at: Timestamp,
}

/// What changes about an account; none where nothing does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) email: Option<String>,
    pub(crate) email_confirmed: bool,
    pub(crate) phone: Option<String>,
    pub(crate) phone_confirmed: bool,
    pub(crate) password: Option<String>,
    pub(crate) app_metadata: Option<Map<String, Value>>,
    pub(crate) user_metadata: Option<Map<String, Value>>,
    pub(crate) role: Option<String>,
    pub(crate) ban: Ban,
    /// For an identity that a first address or number brings.
    pub(crate) identity_ids: [Uuid; 2],
}

/// What becomes of a ban.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ban {
    /// As it is.
    #[default]
    Keep,
    /// None any more.
    Lift,
    /// Holds until then.
    Until(Timestamp),
}

/// One page of accounts.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) users: Vec<User>,
    pub(crate) total: u64,
}

/// What a bearer's claims lead to.
#[derive(Debug)]
pub(crate) struct Bearer {
    pub(crate) user: User,
    pub(crate) session_exists: bool,
}

/// By address, identities not loaded; outside a transaction.
pub(crate) async fn find_by_email(db: &Db, email: &str) -> Result<Option<User>, Error> {
    let rows = read(db, &by_email_sql(), vec![email.into()]).await?;
    rows.first().map(User::read).transpose()
}

/// By id, with identities; outside a transaction.
pub(crate) async fn find(db: &Db, id: Uuid) -> Result<Option<User>, Error> {
    let rows = read(db, &by_id_sql(), vec![id.into()]).await?;
    let Some(mut user) = rows.first().map(User::read).transpose()? else {
        return Ok(None);
    };
    user.identities = identity::find_of(db, id).await?;
    Ok(Some(user))
}

/// An account and whether the session exists and is its own; outside a transaction.
pub(crate) async fn find_bearer(
    db: &Db,
    id: Uuid,
    session_id: Option<Uuid>,
) -> Result<Option<Bearer>, Error> {
    let sql = format!(
        "select {COLUMNS}, s.id as session_id from auth.users u \
         left join auth.sessions s on s.id = $2 and s.user_id = u.id where u.id = $1"
    );
    let rows = read(db, &sql, vec![id.into(), session_id.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let session_exists = session_id.is_none() || row.get("session_id").is_some();
    let mut user = User::read(row)?;
    user.identities = identity::find_of(db, id).await?;
    Ok(Some(Bearer {
        user,
        session_exists,
    }))
}

/// Newest first. `filter` is a part of an address.
pub(crate) async fn page(
    db: &Db,
    number: i64,
    per_page: i64,
    filter: Option<&str>,
) -> Result<Page, Error> {
    let pattern = filter.map(|text| {
        format!(
            "%{}%",
            text.replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_")
        )
    });
    let counted = read(
        db,
        "select count(*) as total from auth.users u where ($1::text is null or u.email ilike $1::text)",
        vec![pattern.clone().into()],
    )
    .await?;
    let total = counted
        .first()
        .map_or(Ok(0), |row| row.int("total"))?
        .unsigned_abs();
    let sql = format!(
        "select {COLUMNS} from auth.users u where ($1::text is null or u.email ilike $1::text) \
         order by u.created_at desc, u.id limit $2::bigint offset $3::bigint"
    );
    let skipped = number.saturating_sub(1).saturating_mul(per_page);
    let rows = read(
        db,
        &sql,
        vec![pattern.into(), per_page.into(), skipped.into()],
    )
    .await?;
    let mut users = rows.iter().map(User::read).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Uuid> = users.iter().map(|user| user.id).collect();
    for identity in identity::find_of_all(db, &ids).await? {
        if let Some(user) = users.iter_mut().find(|user| user.id == identity.user_id) {
            user.identities.push(identity);
        }
    }
    Ok(Page { users, total })
}

/// By id, with identities.
pub(crate) fn by_id(tx: &mut Transaction<'_>, id: Uuid) -> Result<Option<User>, Error> {
    let rows = tx.query(&by_id_sql(), &[id.into()])?;
    let Some(mut user) = rows.first().map(User::read).transpose()? else {
        return Ok(None);
    };
    user.identities = identity::of(tx, id)?;
    Ok(Some(user))
}

/// By address, with identities.
pub(crate) fn by_email(tx: &mut Transaction<'_>, email: &str) -> Result<Option<User>, Error> {
    let rows = tx.query(&by_email_sql(), &[email.into()])?;
    let Some(mut user) = rows.first().map(User::read).transpose()? else {
        return Ok(None);
    };
    user.identities = identity::of(tx, user.id)?;
    Ok(Some(user))
}

/// Whether another account has this address.
pub(crate) fn email_is_taken(
    tx: &mut Transaction<'_>,
    email: &str,
    except: Option<Uuid>,
) -> Result<bool, Error> {
    exists(
        tx,
        "select 1 as found from auth.users where email = $1 and is_sso_user = false and ($2::uuid is null or id <> $2::uuid)",
        &[email.into(), except.into()],
    )
}

/// Whether another account has this number.
pub(crate) fn phone_is_taken(
    tx: &mut Transaction<'_>,
    phone: &str,
    except: Option<Uuid>,
) -> Result<bool, Error> {
    exists(
        tx,
        "select 1 as found from auth.users where phone = $1 and ($2::uuid is null or id <> $2::uuid)",
        &[phone.into(), except.into()],
    )
}

/// Makes the account and an identity for its address and its number.
pub(crate) fn insert(tx: &mut Transaction<'_>, new: &NewUser) -> Result<(), Error> {
    let at = |yes: bool| yes.then_some(new.at);
    tx.query(
        "insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, phone, \
           phone_confirmed_at, raw_app_meta_data, raw_user_meta_data, banned_until, created_at, updated_at, \
           is_anonymous, confirmation_token, recovery_token, email_change_token_new, email_change) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, '', '', '', '')",
        &[
            INSTANCE.into(),
            new.id.into(),
            (&new.aud).into(),
            (&new.role).into(),
            new.email.clone().into(),
            new.password.clone().into(),
            at(new.email.is_some() && new.email_confirmed).into(),
            new.phone.clone().into(),
            at(new.phone.is_some() && new.phone_confirmed).into(),
            Value::Object(new.app_metadata.clone()).into(),
            Value::Object(new.user_metadata.clone()).into(),
            new.banned_until.into(),
            new.at.into(),
            new.is_anonymous.into(),
        ],
    )?;
    let [first, second] = new.identity_ids;
    if let Some(email) = &new.email {
        identity::insert(
            tx,
            first,
            new.id,
            "email",
            identity::data(new.id, "email", email, new.email_confirmed),
            new.at,
        )?;
    }
    if let Some(phone) = &new.phone {
        identity::insert(
            tx,
            second,
            new.id,
            "phone",
            identity::data(new.id, "phone", phone, new.phone_confirmed),
            new.at,
        )?;
    }
    Ok(())
}

/// Carries out a change. Whether the address or number is free was asked before.
pub(crate) fn update(
    tx: &mut Transaction<'_>,
    user: &User,
    change: &Change,
    now: Timestamp,
) -> Result<(), Error> {
    let id = Param::from(user.id);
    let mut set = |assignment: &str, value: Param| -> Result<(), Error> {
        let sql = format!("update auth.users set {assignment}, updated_at = $2 where id = $3");
        tx.query(&sql, &[value, now.into(), id.clone()]).map(|_| ())
    };
    if let Some(email) = &change.email {
        set(
            "email = $1, email_change = '', email_change_sent_at = null, is_anonymous = false",
            email.into(),
        )?;
    }
    if change.email_confirmed {
        set(
            "email_confirmed_at = coalesce(email_confirmed_at, $1)",
            now.into(),
        )?;
    }
    if let Some(phone) = &change.phone {
        set("phone = $1", phone.into())?;
    }
    if change.phone_confirmed {
        set(
            "phone_confirmed_at = coalesce(phone_confirmed_at, $1)",
            now.into(),
        )?;
    }
    if let Some(password) = &change.password {
        set("encrypted_password = $1", password.into())?;
    }
    if let Some(metadata) = &change.app_metadata {
        set(
            "raw_app_meta_data = $1",
            Value::Object(metadata.clone()).into(),
        )?;
    }
    if let Some(metadata) = &change.user_metadata {
        set(
            "raw_user_meta_data = $1",
            Value::Object(metadata.clone()).into(),
        )?;
    }
    if let Some(role) = &change.role {
        set("role = $1", role.into())?;
    }
    match change.ban {
        Ban::Keep => {}
        Ban::Lift => set("banned_until = $1", Param::NULL)?,
        Ban::Until(end) => set("banned_until = $1", end.into())?,
    }
    let [first, second] = change.identity_ids;
    if let Some(email) = &change.email {
        let confirmed = change.email_confirmed || user.is_email_confirmed();
        identity::put(tx, user, ("email", email), confirmed, first, now)?;
    }
    if let Some(phone) = &change.phone {
        let confirmed = change.phone_confirmed || user.shown_at("phone_confirmed_at").is_some();
        identity::put(tx, user, ("phone", phone), confirmed, second, now)?;
    }
    Ok(())
}

/// Notes that a letter went out; `letter` says which of the account's times it sets.
pub(crate) fn letter_sent(
    tx: &mut Transaction<'_>,
    id: Uuid,
    letter: Letter,
    now: Timestamp,
) -> Result<(), Error> {
    let column = match letter {
        Letter::Confirmation => "confirmation_sent_at = $1",
        Letter::Invitation => "confirmation_sent_at = $1, invited_at = $1",
        Letter::MagicLink | Letter::Recovery => "recovery_sent_at = $1",
        Letter::EmailChange => "email_change_sent_at = $1",
        Letter::Reauthentication => "reauthentication_sent_at = $1",
    };
    let sql = format!("update auth.users set {column}, updated_at = $1 where id = $2");
    tx.query(&sql, &[now.into(), id.into()])?;
    Ok(())
}

/// Notes the address that an account is to get once it is proved; an empty one forgets it.
pub(crate) fn await_email(
    tx: &mut Transaction<'_>,
    id: Uuid,
    email: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.query(
        "update auth.users set email_change = $1, updated_at = $2 where id = $3",
        &[email.into(), now.into(), id.into()],
    )?;
    Ok(())
}

/// Notes a sign-in; stores a fresh hash when the proved one was of a weaker kind and is still there.
pub(crate) fn signed_in(
    tx: &mut Transaction<'_>,
    user: &User,
    upgrade: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    let params = [now.into(), user.id.into()];
    tx.query(
        "update auth.users set last_sign_in_at = $1, updated_at = $1 where id = $2",
        &params,
    )?;
    tx.query(
        "update auth.identities set last_sign_in_at = $1, updated_at = $1 where user_id = $2 and provider = 'email'",
        &params,
    )?;
    if let (Some(fresh), Some(old)) = (upgrade, &user.password) {
        tx.query(
            "update auth.users set encrypted_password = $1 where id = $2 and encrypted_password = $3",
            &[fresh.into(), user.id.into(), old.into()],
        )?;
    }
    Ok(())
}

/// Removes the account with everything of ours that hangs on it; false when there was none.
pub(crate) fn delete(tx: &mut Transaction<'_>, id: Uuid) -> Result<bool, Error> {
    Ok(tx
        .query("delete from auth.users where id = $1", &[id.into()])?
        .affected
        > 0)
}

/// Makes the account unusable and unrecognisable, and keeps its row for what refers to it. `marker` stands where
/// the address was, so that the address is free again.
pub(crate) fn soft_delete(
    tx: &mut Transaction<'_>,
    id: Uuid,
    marker: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = tx.query(
        "update auth.users set email = $1, phone = null, encrypted_password = null, raw_user_meta_data = '{}', \
           email_change = '', phone_change = '', deleted_at = $2, updated_at = $2 where id = $3",
        &[marker.into(), now.into(), id.into()],
    )?;
    tx.query(
        "delete from auth.identities where user_id = $1",
        &[id.into()],
    )?;
    Ok(changed.affected > 0)
}

impl User {
    /// What `insert` would have made, with nothing stored and no identity: the answer to a sign-up with a known
    /// address, when answering truly would tell a stranger who has an account.
    pub(crate) fn pretended(new: &NewUser) -> User {
        User {
            id: new.id,
            aud: new.aud.clone(),
            role: new.role.clone(),
            email: new.email.clone(),
            phone: None,
            password: None,
            app_metadata: new.app_metadata.clone(),
            user_metadata: new.user_metadata.clone(),
            confirmed_at: None,
            banned_until: None,
            is_anonymous: false,
            identities: Vec::new(),
            shown: vec![
                ("confirmation_sent_at", Some(new.at)),
                ("created_at", Some(new.at)),
                ("updated_at", Some(new.at)),
            ],
            new_email: None,
            new_phone: None,
        }
    }

    fn read(row: Row<'_>) -> Result<User, Error> {
        let some = |column: &str| {
            row.get(column)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let mut shown = Vec::with_capacity(SHOWN.len());
        for column in SHOWN {
            shown.push((column, row.maybe_timestamp(column)?));
        }
        Ok(User {
            id: row.uuid("id")?,
            aud: some("aud").unwrap_or_else(|| "authenticated".to_owned()),
            role: some("role").unwrap_or_else(|| "authenticated".to_owned()),
            email: some("email"),
            phone: some("phone"),
            password: some("encrypted_password"),
            app_metadata: object(row, "raw_app_meta_data")?,
            user_metadata: object(row, "raw_user_meta_data")?,
            confirmed_at: row.maybe_timestamp("confirmed_at")?,
            banned_until: match row.get("banned_until") {
                // How a ban for ever is written in SQL.
                Some("infinity") => Some(Timestamp::MAX),
                Some("-infinity") => None,
                _ => row.maybe_timestamp("banned_until")?,
            },
            is_anonymous: row.bool("is_anonymous")?,
            identities: Vec::new(),
            shown,
            new_email: some("email_change"),
            new_phone: some("phone_change"),
        })
    }

    /// Whether a ban holds.
    pub(crate) fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| until > now) || self.shown_at("deleted_at").is_some()
    }

    /// Whether its address was proved.
    pub(crate) fn is_email_confirmed(&self) -> bool {
        self.shown_at("email_confirmed_at").is_some()
    }

    fn shown_at(&self, column: &str) -> Option<Timestamp> {
        self.shown
            .iter()
            .find(|(name, _)| *name == column)
            .and_then(|(_, at)| *at)
    }

    /// As clients see it: absent entries are left out.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |key: &str, value: Value| {
            json.insert(key.to_owned(), value);
        };
        put("id", json!(self.id));
        put("aud", json!(self.aud));
        put("role", json!(self.role));
        put("email", json!(self.email.as_deref().unwrap_or_default()));
        put("phone", json!(self.phone.as_deref().unwrap_or_default()));
        for (key, at) in &self.shown {
            match at {
                Some(at) => put(key, json!(at.to_string())),
                None if matches!(*key, "created_at" | "updated_at") => put(key, json!(LONG_AGO)),
                None => {}
            }
        }
        if let Some(at) = self.confirmed_at {
            put("confirmed_at", json!(at.to_string()));
        }
        if let Some(at) = self.banned_until {
            put("banned_until", json!(at.to_string()));
        }
        if let Some(email) = &self.new_email {
            put("new_email", json!(email));
        }
        if let Some(phone) = &self.new_phone {
            put("new_phone", json!(phone));
        }
        put("app_metadata", Value::Object(self.app_metadata.clone()));
        put("user_metadata", Value::Object(self.user_metadata.clone()));
        put(
            "identities",
            self.identities.iter().map(Identity::to_json).collect(),
        );
        put("is_anonymous", json!(self.is_anonymous));
        Value::Object(json)
    }
}

/// Timestamps that are shown under the name of their column.
const SHOWN: [&str; 12] = [
    "email_confirmed_at",
    "invited_at",
    "phone_confirmed_at",
    "confirmation_sent_at",
    "recovery_sent_at",
    "email_change_sent_at",
    "phone_change_sent_at",
    "reauthentication_sent_at",
    "last_sign_in_at",
    "created_at",
    "updated_at",
    "deleted_at",
];

fn by_id_sql() -> String {
    format!("select {COLUMNS} from auth.users u where u.id = $1")
}

fn by_email_sql() -> String {
    format!("select {COLUMNS} from auth.users u where u.email = $1 and u.is_sso_user = false")
}

/// A jsonb column that should hold an object; anything else counts as empty.
fn object(row: Row<'_>, column: &str) -> Result<Map<String, Value>, Error> {
    match row.get(column) {
        None => Ok(Map::new()),
        Some(_) => Ok(match row.json(column)? {
            Value::Object(map) => map,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        }),
    }
}
