//! The ways an account can sign in: one row a provider.

use jiff::Timestamp;
use plinth_db::{Db, Error, Row, Rows, Transaction};
use serde_json::{Value, json};
use uuid::Uuid;

use super::user::User;
use super::{LONG_AGO, read};

const COLUMNS: &str = "i.id, i.provider_id, i.user_id, i.identity_data, i.provider, i.last_sign_in_at, i.created_at, i.updated_at, i.email";

/// A row of `auth.identities`.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    id: Uuid,
    provider_id: String,
    pub(crate) user_id: Uuid,
    data: Value,
    pub(crate) provider: String,
    last_sign_in_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    email: Option<String>,
}

/// Those of an account, oldest first.
pub(crate) fn of(tx: &mut Transaction<'_>, user_id: Uuid) -> Result<Vec<Identity>, Error> {
    identities(&tx.query(&of_sql(), &[user_id.into()])?)
}

/// The same outside a transaction.
pub(crate) async fn find_of(db: &Db, user_id: Uuid) -> Result<Vec<Identity>, Error> {
    identities(&read(db, &of_sql(), vec![user_id.into()]).await?)
}

/// Those of several accounts at once.
pub(crate) async fn find_of_all(db: &Db, user_ids: &[Uuid]) -> Result<Vec<Identity>, Error> {
    let ids = user_ids
        .iter()
        .map(Uuid::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let sql = format!(
        "select {COLUMNS} from auth.identities i where i.user_id = any($1::uuid[]) order by i.created_at, i.id"
    );
    identities(&read(db, &sql, vec![format!("{{{ids}}}").into()]).await?)
}

/// Makes an identity.
pub(crate) fn insert(
    tx: &mut Transaction<'_>,
    id: Uuid,
    user_id: Uuid,
    provider: &str,
    data: Value,
    at: Timestamp,
) -> Result<(), Error> {
    tx.query(
        "insert into auth.identities (id, user_id, provider_id, provider, identity_data, last_sign_in_at, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $6, $6)",
        &[id.into(), user_id.into(), user_id.to_string().into(), provider.into(), data.into(), at.into()],
    )?;
    Ok(())
}

/// Changes the identity of an address or number, or makes it when there is none yet.
pub(crate) fn put(
    tx: &mut Transaction<'_>,
    user: &User,
    (provider, value): (&str, &str),
    confirmed: bool,
    id: Uuid,
    now: Timestamp,
) -> Result<(), Error> {
    let known = user
        .identities
        .iter()
        .find(|identity| identity.provider == provider);
    let fresh = data(user.id, provider, value, confirmed);
    let Some(known) = known else {
        return insert(tx, id, user.id, provider, fresh, now);
    };
    let mut merged = known.data.clone();
    if let (Value::Object(merged), Value::Object(fresh)) = (&mut merged, fresh) {
        merged.extend(fresh);
    }
    tx.query(
        "update auth.identities set identity_data = $1, updated_at = $2 where id = $3",
        &[merged.into(), now.into(), known.id.into()],
    )?;
    Ok(())
}

/// What an address or number proved by us says of itself.
pub(crate) fn data(user_id: Uuid, provider: &str, value: &str, confirmed: bool) -> Value {
    json!({
        "sub": user_id,
        provider: value,
        "email_verified": provider == "email" && confirmed,
        "phone_verified": provider == "phone" && confirmed,
    })
}

impl Identity {
    fn read(row: Row<'_>) -> Result<Identity, Error> {
        Ok(Identity {
            id: row.uuid("id")?,
            provider_id: row.text("provider_id")?,
            user_id: row.uuid("user_id")?,
            data: row.json("identity_data")?,
            provider: row.text("provider")?,
            last_sign_in_at: row.maybe_timestamp("last_sign_in_at")?,
            created_at: row.maybe_timestamp("created_at")?,
            updated_at: row.maybe_timestamp("updated_at")?,
            email: row.get("email").map(str::to_owned),
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let shown =
            |at: Option<Timestamp>| at.map_or_else(|| LONG_AGO.to_owned(), |at| at.to_string());
        let mut json = json!({
            "identity_id": self.id,
            "id": self.provider_id,
            "user_id": self.user_id,
            "identity_data": self.data,
            "provider": self.provider,
            "created_at": shown(self.created_at),
            "updated_at": shown(self.updated_at),
        });
        if let Some(at) = self.last_sign_in_at {
            json["last_sign_in_at"] = json!(at.to_string());
        }
        if let Some(email) = &self.email {
            json["email"] = json!(email);
        }
        json
    }
}

fn of_sql() -> String {
    format!(
        "select {COLUMNS} from auth.identities i where i.user_id = $1 order by i.created_at, i.id"
    )
}

fn identities(rows: &Rows) -> Result<Vec<Identity>, Error> {
    rows.iter().map(Identity::read).collect()
}
