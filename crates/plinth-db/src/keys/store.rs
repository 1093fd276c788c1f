//! Keys in `plinth.keys`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plinth_sql::catalog::QName;
use sha2::{Digest, Sha256};

use super::format::{opaque_key, sign};
use super::sealed::{open, seal};
use super::{DEMO_JWT_SECRET, KeyError, Keys, MasterKey, Sealer, Secret};
use crate::{Clock, Db, Error, Param, Session};

/// API keys in the form of tokens hold for ten years, as those of hosted projects do.
const TOKEN_LIFETIME_SECONDS: i64 = 10 * 365 * 24 * 3600;
/// Characters of a key that are kept in the open, so that a person recognises it in a list.
const SHOWN_CHARACTERS: usize = 6;

/// The project's keys; a project without any gets fresh ones. The master key is the text of `PLINTH_MASTER_KEY` or
/// stands in `master_key_file`, which is made for a project that has no keys yet.
pub async fn load_or_create(
    db: &Db,
    from_environment: Option<&str>,
    master_key_file: &Path,
) -> Result<Keys, KeyError> {
    let master = match MasterKey::find(from_environment, master_key_file)? {
        Some(master) => master,
        // A fresh one would open nothing, and would stand in the place of the right one.
        None if exist(db).await? => {
            return Err(KeyError::MissingMasterKey {
                path: master_key_file.to_owned(),
                if_lost: if db.is_on_server() {
                    "run `delete from plinth.keys` in the database, with psql: the next start makes new keys, and all tokens and API keys become invalid"
                } else {
                    "restore a backup with new keys: plinth restore --new-keys DIR FILE"
                },
            });
        }
        None => MasterKey::create(master_key_file)?,
    };
    let master = &master;
    let keys = match load(db, master).await? {
        Some(keys) => keys,
        None => create(db, master).await?,
    };
    if keys.jwt_secret.expose() == DEMO_JWT_SECRET {
        return Err(KeyError::DemoSecret);
    }
    Ok(keys)
}

/// Whether the database holds keys, which only its own master key opens.
pub async fn exist(db: &Db) -> Result<bool, KeyError> {
    if db
        .catalog()
        .relation_named(&QName::new("plinth", "keys"))
        .is_none()
    {
        return Ok(false);
    }
    let rows = db
        .query(
            &Session::system(),
            "select 1 from plinth.keys where revoked_at is null and sealed is not null limit 1",
            Vec::new(),
        )
        .await?;
    Ok(rows.iter().next().is_some())
}

/// Throws every key away, so that the next start makes new ones. All tokens and API keys end with this, and so do the
/// keys of S3 clients, which nothing could open any more.
pub async fn forget(db: &Db) -> Result<(), KeyError> {
    db.query(&Session::system(), "delete from plinth.keys", Vec::new())
        .await?;
    let s3_keys = QName::new("plinth", "s3_keys");
    if db.catalog().relation_named(&s3_keys).is_some() {
        db.query(&Session::system(), "delete from plinth.s3_keys", Vec::new())
            .await?;
    }
    Ok(())
}

async fn load(db: &Db, master: &MasterKey) -> Result<Option<Keys>, KeyError> {
    let rows = db
        .query(
            &Session::system(),
            "select id, kind, sealed from plinth.keys
              where revoked_at is null and sealed is not null order by created_at, id",
            Vec::new(),
        )
        .await?;
    // Of several keys of a kind the newest is the one to hand out.
    let mut newest = BTreeMap::new();
    for row in rows.iter() {
        let (id, kind) = (row.text("id")?, row.text("kind")?);
        let plain = open(master, &kind, &id, &row.text("sealed")?)?;
        newest.insert(kind, plain);
    }
    let mut take = |kind: &str| newest.remove(kind);
    let Some(jwt_secret) = take("jwt_secret") else {
        return Ok(None);
    };
    let missing = |kind: &str| Error::Internal(format!("plinth.keys holds no {kind} key"));
    Ok(Some(Keys {
        jwt_secret: Secret::new(jwt_secret),
        anon_jwt: take("anon").ok_or_else(|| missing("anon"))?,
        service_role_jwt: Secret::new(take("service_role").ok_or_else(|| missing("service_role"))?),
        publishable: take("publishable").ok_or_else(|| missing("publishable"))?,
        secret: Secret::new(take("secret").ok_or_else(|| missing("secret"))?),
        sealer: Sealer::new(master.clone()),
    }))
}

async fn create(db: &Db, master: &MasterKey) -> Result<Keys, KeyError> {
    let keys = generate(db.clock(), master)?;
    let mut rows = Vec::new();
    for (kind, plain) in [
        ("jwt_secret", keys.jwt_secret.expose()),
        ("anon", keys.anon_jwt.as_str()),
        ("service_role", keys.service_role_jwt.expose()),
        ("publishable", keys.publishable.as_str()),
        ("secret", keys.secret.expose()),
    ] {
        let id = uuid::Builder::from_random_bytes(random()?).into_uuid();
        let sealed = seal(master, kind, &id.to_string(), plain)?;
        let opaque = plain.strip_prefix("sb_").is_some();
        let prefix = opaque.then(|| shown(plain));
        rows.push(vec![
            Param::from(id),
            Param::from(kind),
            Param::from(prefix),
            Param::from(opaque.then(|| hash(plain))),
            Param::from(sealed),
        ]);
    }
    db.transaction::<(), Error, _>(&Session::system(), move |tx| {
        for row in &rows {
            tx.query("insert into plinth.keys (id, kind, prefix, hash, sealed) values ($1, $2, $3, $4, $5)", row)?;
        }
        Ok(())
    })
    .await?;
    Ok(keys)
}

fn generate(clock: &Clock, master: &MasterKey) -> Result<Keys, KeyError> {
    let jwt_secret = URL_SAFE_NO_PAD.encode(random::<48>()?);
    let issued = clock.now().as_second();
    let expires = issued.saturating_add(TOKEN_LIFETIME_SECONDS);
    let token = |role: &str| {
        sign(
            &jwt_secret,
            &format!(r#"{{"iss":"plinth","role":"{role}","iat":{issued},"exp":{expires}}}"#),
        )
    };
    Ok(Keys {
        anon_jwt: token("anon"),
        service_role_jwt: Secret::new(token("service_role")),
        publishable: opaque_key("sb_publishable_", random()?),
        secret: Secret::new(opaque_key("sb_secret_", random()?)),
        jwt_secret: Secret::new(jwt_secret.clone()),
        sealer: Sealer::new(master.clone()),
    })
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

/// The kind of an opaque key and its first random characters.
fn shown(key: &str) -> String {
    let kind = key.match_indices('_').nth(1).map_or(0, |(at, _)| at + 1);
    key.chars().take(kind + SHOWN_CHARACTERS).collect()
}

fn hash(key: &str) -> String {
    Sha256::digest(key.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_fresh_and_well_formed() {
        let clock = Clock::fixed(jiff::Timestamp::from_second(1_700_000_000).unwrap());
        let master = MasterKey([3; 32]);
        let (one, two) = (
            generate(&clock, &master).unwrap(),
            generate(&clock, &master).unwrap(),
        );
        assert_ne!(one.jwt_secret, two.jwt_secret);
        assert!(one.jwt_secret.expose().len() >= 32);
        for key in [one.publishable.as_str(), one.secret.expose()] {
            assert!(super::super::opaque_key_is_well_formed(key), "{key}");
        }
        let payload = one.anon_jwt.split('.').nth(1).unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert_eq!(
            payload,
            r#"{"iss":"plinth","role":"anon","iat":1700000000,"exp":2015360000}"#
        );
    }

    #[test]
    fn only_the_first_characters_are_shown() {
        assert_eq!(shown("sb_secret_N7UND0UgjKTVK"), "sb_secret_N7UND0");
    }
}
