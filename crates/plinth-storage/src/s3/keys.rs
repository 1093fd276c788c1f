//! Access keys of S3 clients: rows of `plinth.s3_keys`, made, listed and revoked by `plinth s3-keys`.
//!
//! An access key acts as `service_role` in the buckets it names, or in all. Its secret is sealed by the master key rather than
//! hashed, because a signature is proved by making it again; it is shown once, when the key is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use plinth_db::keys::{KeyError, Sealer, Secret};
use plinth_db::{Db, Error, Param, Row, Session};
use uuid::Uuid;

use crate::model::array_literal;
use crate::names::BucketName;

/// Keys that this process has ended. What was looked up before the last of them is looked up anew, so that on the node that is
/// told a key counts no more from that moment on.
static REVOCATIONS: AtomicU64 = AtomicU64::new(0);
/// How long a key that was looked up is remembered, on each node for itself: so long after it was revoked it counts nowhere.
const REMEMBERED: Duration = Duration::from_secs(3);
/// Keys that are remembered, known and unknown ones. A stranger can ask for as many names as there are.
const MAX_REMEMBERED: usize = 1024;
/// How often the use of a key is written down.
const USE_NOTED: Duration = Duration::from_mins(5);
/// Longest access key that is looked for.
const MAX_ACCESS_KEY_BYTES: usize = 128;
/// Longest name of a key.
const MAX_NAME_CHARS: usize = 100;
/// What parts this use of the master key from others.
const PURPOSE: &str = "s3";
/// By which a person, and a scanner of leaked secrets, recognises an access key.
const PREFIX: &str = "PLNT";
/// Characters after the prefix, of 5 bits each.
const ACCESS_KEY_CHARS: usize = 20;
/// Random bytes of a secret: 40 characters.
const SECRET_BYTES: usize = 30;

/// A key as a list shows it.
#[derive(Clone, Debug)]
pub struct S3Key {
    /// Its row.
    pub id: Uuid,
    /// What clients call `access_key_id`.
    pub access_key_id: String,
    /// What it is for.
    pub name: String,
    /// The only buckets that it opens; none for all.
    pub buckets: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used, to some minutes.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing.
    pub revoked_at: Option<Timestamp>,
}

/// What can go wrong with access keys.
#[derive(Debug, thiserror::Error)]
pub enum S3KeyError {
    /// A name or a bucket that a key cannot have.
    #[error("{0}")]
    Invalid(String),
    /// No key of this id that still counts.
    #[error("there is no access key {0}, or it has been revoked already")]
    NoSuchKey(String),
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] KeyError),
    /// The database could not do its part.
    #[error(transparent)]
    Database(#[from] Error),
}

const COLUMNS: &str = "id, access_key_id, sealed, name, to_json(buckets) as buckets, created_at, last_used_at, revoked_at";

/// Makes a key for some buckets, or for all. Gives back its secret, which nobody sees again.
pub async fn create(
    db: &Db,
    sealer: &Sealer,
    name: &str,
    buckets: Option<&[String]>,
) -> Result<(S3Key, Secret), S3KeyError> {
    let name = name.trim();
    if name.is_empty()
        || name.chars().count() > MAX_NAME_CHARS
        || name.chars().any(char::is_control)
    {
        return Err(S3KeyError::Invalid(format!(
            "a key's name has 1 to {MAX_NAME_CHARS} characters"
        )));
    }
    for bucket in buckets.unwrap_or_default() {
        if BucketName::parse(bucket).is_err() {
            return Err(S3KeyError::Invalid(format!(
                "no bucket can be called {bucket:?}"
            )));
        }
    }
    let id = uuid::Builder::from_random_bytes(random()?).into_uuid();
    let access_key_id = access_key(random()?);
    let secret = secret(random()?);
    let sealed = sealer.seal(PURPOSE, &id.to_string(), secret.expose())?;
    let sql = format!(
        "insert into plinth.s3_keys (id, access_key_id, sealed, name, buckets)
         values ($1, $2, $3, $4, $5::text[]) returning {COLUMNS}"
    );
    let params = vec![
        Param::from(id),
        Param::from(access_key_id),
        Param::from(sealed),
        Param::from(name),
        Param::from(buckets.map(array_literal)),
    ];
    let rows = db.query(&Session::system(), &sql, params).await?;
    let row = rows.first().ok_or_else(lost)?;
    Ok((S3Key::read(row)?, secret))
}

/// Every key, also those that were revoked, in the order in which they were made.
pub async fn list(db: &Db) -> Result<Vec<S3Key>, S3KeyError> {
    let sql = format!("select {COLUMNS} from plinth.s3_keys order by created_at, id");
    let rows = db.query(&Session::system(), &sql, Vec::new()).await?;
    let keys: Result<_, Error> = rows.iter().map(S3Key::read).collect();
    Ok(keys?)
}

/// Ends a key: in this process at once, elsewhere within seconds.
pub async fn revoke(db: &Db, access_key_id: &str) -> Result<S3Key, S3KeyError> {
    let sql = format!(
        "update plinth.s3_keys set revoked_at = now()
          where access_key_id = $1 and revoked_at is null returning {COLUMNS}"
    );
    let params = vec![Param::from(access_key_id)];
    let ended = db.query(&Session::system(), &sql, params).await;
    // Also when nobody heard of the commit: to look up anew costs a query.
    REVOCATIONS.fetch_add(1, Ordering::SeqCst);
    let rows = ended?;
    match rows.first() {
        Some(row) => Ok(S3Key::read(row)?),
        None => Err(S3KeyError::NoSuchKey(access_key_id.to_owned())),
    }
}

impl S3Key {
    fn read(row: Row<'_>) -> Result<S3Key, Error> {
        let buckets = match row.get("buckets") {
            None => None,
            Some(_) => Some(serde_json::from_value(row.json("buckets")?).map_err(|_| lost())?),
        };
        Ok(S3Key {
            id: row.uuid("id")?,
            access_key_id: row.text("access_key_id")?,
            name: row.text("name")?,
            buckets,
            created_at: row.timestamp("created_at")?,
            last_used_at: row.maybe_timestamp("last_used_at")?,
            revoked_at: row.maybe_timestamp("revoked_at")?,
        })
    }
}

/// A key that may sign.
#[derive(Clone, Debug)]
pub(super) struct KnownKey {
    pub(super) secret: Secret,
    pub(super) buckets: Option<Arc<[String]>>,
}

/// The keys that clients sign with, as this node remembers them.
#[derive(Clone)]
pub(super) struct KnownKeys {
    sealer: Sealer,
    remembered: Arc<Mutex<HashMap<String, Remembered>>>,
    /// When the use of a key was last written down.
    noted: Arc<Mutex<HashMap<String, Instant>>>,
}

#[derive(Clone)]
struct Remembered {
    key: Option<KnownKey>,
    since: Instant,
    /// [`REVOCATIONS`] at that time.
    revocations: u64,
}

impl KnownKeys {
    pub(super) fn new(sealer: Sealer) -> KnownKeys {
        KnownKeys {
            sealer,
            remembered: Arc::default(),
            noted: Arc::default(),
        }
    }

    /// The key of this name that counts now.
    pub(super) async fn find(&self, db: &Db, access_key: &str) -> Result<Option<KnownKey>, Error> {
        if access_key.len() > MAX_ACCESS_KEY_BYTES {
            return Ok(None);
        }
        let (now, revocations) = (Instant::now(), REVOCATIONS.load(Ordering::SeqCst));
        let fresh = |known: &Remembered| {
            known.revocations == revocations && now.duration_since(known.since) < REMEMBERED
        };
        let remembered = self.remembered.lock().get(access_key).cloned();
        if let Some(known) = remembered.filter(fresh) {
            return Ok(known.key);
        }
        let key = self.look_up(db, access_key).await?;
        let mut all = self.remembered.lock();
        if all.len() >= MAX_REMEMBERED {
            all.retain(|_, known| fresh(known));
        }
        if all.len() >= MAX_REMEMBERED {
            // So many names in so few seconds are somebody's guesses; looking up anew costs a query.
            all.clear();
        }
        let known = Remembered {
            key: key.clone(),
            // From before the query: what it read may be as old as that.
            since: now,
            revocations,
        };
        all.insert(access_key.to_owned(), known);
        Ok(key)
    }

    async fn look_up(&self, db: &Db, access_key: &str) -> Result<Option<KnownKey>, Error> {
        let sql = format!(
            "select {COLUMNS} from plinth.s3_keys where access_key_id = $1 and revoked_at is null"
        );
        let params = vec![Param::from(access_key)];
        let rows = db.query(&Session::system(), &sql, params).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let key = S3Key::read(row)?;
        let sealed = row.text("sealed")?;
        match self.sealer.open(PURPOSE, &key.id.to_string(), &sealed) {
            Ok(secret) => Ok(Some(KnownKey {
                secret,
                buckets: key.buckets.map(Arc::from),
            })),
            Err(error) => {
                tracing::error!(key.id = %key.id, %error, "an S3 access key cannot be opened; make a new one");
                Ok(None)
            }
        }
    }

    /// Writes down that a key was used, now and then. Nothing waits for it.
    pub(super) fn note_use(&self, db: &Db, access_key: &str) {
        let now = Instant::now();
        {
            let mut noted = self.noted.lock();
            let recent = |at: &Instant| now.duration_since(*at) < USE_NOTED;
            if noted.get(access_key).is_some_and(recent) {
                return;
            }
            // Only keys that signed well come here, so there are no more than rows.
            noted.insert(access_key.to_owned(), now);
        }
        let (db, access_key) = (db.clone(), access_key.to_owned());
        tokio::spawn(async move {
            let sql = "update plinth.s3_keys set last_used_at = now() where access_key_id = $1";
            let params = vec![Param::from(access_key)];
            if let Err(error) = db.query(&Session::system(), sql, params).await {
                tracing::debug!(%error, "the use of an S3 access key was not noted");
            }
        });
    }
}

/// `PLNT` and 100 random bits, in letters and digits that nobody confuses.
fn access_key(random: [u8; ACCESS_KEY_CHARS]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let characters = random
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    PREFIX.chars().chain(characters).collect()
}

fn secret(random: [u8; SECRET_BYTES]) -> Secret {
    use base64::Engine as _;
    // Without `/` and `+`, which some tools fail to put into URLs and files.
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random))
}

fn random<const N: usize>() -> Result<[u8; N], S3KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

fn lost() -> Error {
    Error::Internal("a row of plinth.s3_keys cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_that_tools_take() {
        let key = access_key(std::array::from_fn(|place| {
            u8::try_from(place * 13).unwrap()
        }));
        assert_eq!(key.len(), PREFIX.len() + ACCESS_KEY_CHARS);
        assert!(key.starts_with(PREFIX) && key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let secret = secret([255; SECRET_BYTES]);
        assert_eq!(secret.expose().len(), 40);
        assert!(!secret.expose().contains(['/', '+', '=']));
    }
}
