//! Keys in `plinth.keys`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use plinth_sql::catalog::QName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::format::{opaque_key, sign};
use super::sealed::{open, seal};
use super::{DEMO_JWT_SECRET, KeyError, Keys, MasterKey, OldKey, OldKind, Sealer, Secret};
use crate::{Clock, Db, Error, Param, Session};

/// API keys in the form of tokens hold for ten years, as those of hosted projects do.
const TOKEN_LIFETIME_SECONDS: i64 = 10 * 365 * 24 * 3600;
/// Characters of a key that are kept in the open, so that a person recognises it in a list.
const SHOWN_CHARACTERS: usize = 6;
/// How long a rotation lies in a database that several nodes share before it counts. They look once a second; the rest is for
/// nodes that are busy.
const NOTICE_SECONDS: i64 = 4;
/// What a new key is written down with.
const INSERT: &str = "insert into plinth.keys (id, kind, prefix, hash, sealed, starts_at) values ($1, $2, $3, $4, $5, $6)";

/// Which keys a rotation replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The signing secret, and with it the keys in the form of tokens.
    Signing,
    /// The opaque keys.
    Api,
    /// Both.
    All,
}

/// What a rotation came to.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The keys as they are now.
    pub keys: Keys,
    /// When the new ones count at every node.
    pub from: Timestamp,
    /// When the old ones no longer count.
    pub until: Timestamp,
}

/// The project's keys and what opens them; a project without any gets fresh ones. The master key is the text of
/// `PLINTH_MASTER_KEY` or stands in `master_key_file`, which is made for a project that has no keys yet.
pub async fn load_or_create(
    db: &Db,
    from_environment: Option<&str>,
    master_key_file: &Path,
) -> Result<(Keys, MasterKey), KeyError> {
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
    let keys = match load(db, &master).await? {
        Some(stored) => stored.keys,
        None => create(db, &master).await?,
    };
    if keys.jwt_secret.expose() == DEMO_JWT_SECRET {
        return Err(KeyError::DemoSecret);
    }
    Ok((keys, master))
}

/// The project's keys as they are now, after deleting those whose end has come. None when somebody threw them away.
pub async fn refresh(db: &Db, master: &MasterKey) -> Result<Option<Keys>, KeyError> {
    let Some(stored) = load(db, master).await? else {
        return Ok(None);
    };
    if stored.has_ended {
        db.query(
            &Session::system(),
            "delete from plinth.keys where revoked_at <= $1",
            vec![Param::from(db.clock().now())],
        )
        .await?;
    }
    Ok(Some(stored.keys))
}

/// Puts fresh keys into the place of those that are named. The old ones count for so many seconds more, and so do all that were
/// old already, unless they end before.
pub async fn rotate(
    db: &Db,
    master: &MasterKey,
    which: Which,
    keep_old_seconds: i64,
) -> Result<Rotated, KeyError> {
    let gone = || Error::Internal("plinth.keys holds no keys".to_owned());
    let before = load(db, master).await?.ok_or_else(gone)?;
    let now = db.clock().now();
    // Whoever is alone with the database knows at once.
    let notice = if db.is_on_server() { NOTICE_SECONDS } else { 0 };
    let from = now.as_second().saturating_add(notice);
    let until = at(from.saturating_add(keep_old_seconds.max(0)));
    let from = at(from);

    let fresh = generate(db.clock(), master)?;
    let kinds = which.kinds();
    let mut rows = Vec::new();
    for (kind, plain) in texts(&fresh) {
        if kinds.contains(&kind) {
            rows.push(row(master, kind, plain, Some(from))?);
        }
    }
    // Projects of before there was a root have derived from their only secret what is derived from it.
    let root = match before.has_root {
        true => None,
        false => Some(row(master, "root", before.keys.root.expose(), None)?),
    };
    // By the comment, which is part of the schema, the other nodes see that there is something new to read.
    let tell = format!(
        "comment on table plinth.keys is 'Signing secrets and API keys, sealed by the master key; changed at {now}.'"
    );
    db.transaction::<(), Error, _>(&Session::system(), move |tx| {
        if let Some(root) = &root {
            let known = tx.query("select 1 from plinth.keys where kind = 'root' limit 1", &[])?;
            if known.is_empty() {
                tx.query(INSERT, root)?;
            }
        }
        for kind in kinds {
            tx.query(
                "update plinth.keys set revoked_at = $1 where kind = $2 and (revoked_at is null or revoked_at > $1)",
                &[Param::from(until), Param::from(*kind)],
            )?;
        }
        for row in &rows {
            tx.query(INSERT, row)?;
        }
        tx.query(&tell, &[])?;
        Ok(())
    })
    .await?;
    let after = load(db, master).await?.ok_or_else(gone)?;
    Ok(Rotated {
        keys: after.keys,
        from,
        until,
    })
}

impl Which {
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Which::Signing => &["jwt_secret", "anon", "service_role"],
            Which::Api => &["publishable", "secret"],
            Which::All => &[
                "jwt_secret",
                "anon",
                "service_role",
                "publishable",
                "secret",
            ],
        }
    }
}

/// A whole second, as keys have it.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
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

/// What `plinth.keys` holds.
struct Stored {
    keys: Keys,
    /// Projects of before there was one have none until their first rotation.
    has_root: bool,
    /// There are rows whose end has come.
    has_ended: bool,
}

async fn load(db: &Db, master: &MasterKey) -> Result<Option<Stored>, KeyError> {
    let rows = db
        .query(
            &Session::system(),
            "select id, kind, sealed, starts_at, revoked_at from plinth.keys
              where sealed is not null order by created_at, id",
            Vec::new(),
        )
        .await?;
    let now = db.clock().now();
    // Of several keys of a kind the newest is the one to hand out.
    let mut newest = BTreeMap::new();
    let mut old = Vec::new();
    let mut signs_from = None;
    let mut has_ended = false;
    for row in rows.iter() {
        let ends = row.maybe_timestamp("revoked_at")?;
        if ends.is_some_and(|ends| ends <= now) {
            has_ended = true;
            continue;
        }
        let (id, kind) = (row.text("id")?, row.text("kind")?);
        let plain = open(master, &kind, &id, &row.text("sealed")?)?;
        let starts = row.maybe_timestamp("starts_at")?.map(Timestamp::as_second);
        if let Some(ends) = ends {
            old.extend(old_kind(&kind).map(|kind| OldKey {
                kind,
                text: Secret::new(plain),
                signs_from: starts,
                ends: ends.as_second(),
            }));
            continue;
        }
        if kind == "jwt_secret" {
            signs_from = starts;
        }
        newest.insert(kind, plain);
    }
    let mut take = |kind: &str| newest.remove(kind);
    let Some(jwt_secret) = take("jwt_secret") else {
        return Ok(None);
    };
    let root = take("root");
    let missing = |kind: &str| Error::Internal(format!("plinth.keys holds no {kind} key"));
    Ok(Some(Stored {
        has_root: root.is_some(),
        has_ended,
        keys: Keys {
            root: Secret::new(root.unwrap_or_else(|| jwt_secret.clone())),
            jwt_secret: Secret::new(jwt_secret),
            signs_from,
            anon_jwt: take("anon").ok_or_else(|| missing("anon"))?,
            service_role_jwt: Secret::new(
                take("service_role").ok_or_else(|| missing("service_role"))?,
            ),
            publishable: take("publishable").ok_or_else(|| missing("publishable"))?,
            secret: Secret::new(take("secret").ok_or_else(|| missing("secret"))?),
            sealer: Sealer::new(master.clone()),
            old,
        },
    }))
}

/// Keys in the form of tokens are let in by the secret that signed them, and nobody has to know them.
fn old_kind(kind: &str) -> Option<OldKind> {
    match kind {
        "jwt_secret" => Some(OldKind::Signing),
        "publishable" => Some(OldKind::Publishable),
        "secret" => Some(OldKind::Secret),
        _ => None,
    }
}

async fn create(db: &Db, master: &MasterKey) -> Result<Keys, KeyError> {
    let keys = generate(db.clock(), master)?;
    let mut rows = vec![row(master, "root", keys.root.expose(), None)?];
    for (kind, plain) in texts(&keys) {
        rows.push(row(master, kind, plain, None)?);
    }
    db.transaction::<(), Error, _>(&Session::system(), move |tx| {
        for row in &rows {
            tx.query(INSERT, row)?;
        }
        Ok(())
    })
    .await?;
    Ok(keys)
}

/// What a rotation may replace, by its name in the table.
fn texts(keys: &Keys) -> [(&'static str, &str); 5] {
    [
        ("jwt_secret", keys.jwt_secret.expose()),
        ("anon", keys.anon_jwt.as_str()),
        ("service_role", keys.service_role_jwt.expose()),
        ("publishable", keys.publishable.as_str()),
        ("secret", keys.secret.expose()),
    ]
}

/// The parameters of [`INSERT`].
fn row(
    master: &MasterKey,
    kind: &str,
    plain: &str,
    starts: Option<Timestamp>,
) -> Result<Vec<Param>, KeyError> {
    let id = uuid::Builder::from_random_bytes(random()?).into_uuid();
    let sealed = seal(master, kind, &id.to_string(), plain)?;
    let opaque = matches!(kind, "publishable" | "secret");
    Ok(vec![
        Param::from(id),
        Param::from(kind),
        Param::from(opaque.then(|| shown(plain))),
        Param::from(opaque.then(|| hash(plain))),
        Param::from(sealed),
        Param::from(starts),
    ])
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
        root: Secret::new(URL_SAFE_NO_PAD.encode(random::<48>()?)),
        signs_from: None,
        old: Vec::new(),
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
    hex::encode(Sha256::digest(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::SignedDuration;

    use super::*;
    use crate::migrations::apply_system;
    use crate::{AutoExpose, Durability, OpenOptions, base_module};

    const NOW: i64 = 1_700_000_000;

    fn clock() -> Clock {
        Clock::fixed(Timestamp::from_second(NOW).unwrap())
    }

    /// A project on a fresh database.
    async fn project(name: &str) -> (Db, PathBuf, Keys, MasterKey) {
        let folder =
            std::env::temp_dir().join(format!("plinth-keys-{name}-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&folder);
        let db = Db::open(OpenOptions {
            path: folder.join("plinth.db"),
            clock: clock(),
            auto_expose: AutoExpose::Protected,
            durability: Durability::Synced,
        })
        .unwrap();
        apply_system(&db, &[base_module()]).await.unwrap();
        let (keys, master) = load_or_create(&db, None, &folder.join("master.key"))
            .await
            .unwrap();
        (db, folder, keys, master)
    }

    async fn end(db: Db, folder: PathBuf) {
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    async fn count(db: &Db) -> i64 {
        let count = "select count(*) as n from plinth.keys";
        let rows = db
            .query(&Session::system(), count, Vec::new())
            .await
            .unwrap();
        rows.first().unwrap().int("n").unwrap()
    }

    #[tokio::test]
    async fn old_keys_count_until_their_end_and_are_deleted_then() {
        let (db, folder, first, master) = project("end").await;
        let done = rotate(&db, &master, Which::All, 60).await.unwrap();
        let second = done.keys;
        assert_eq!(done.until, at(NOW + 60));
        assert_ne!(second.jwt_secret, first.jwt_secret);
        assert_ne!(second.anon_jwt, first.anon_jwt);
        assert_ne!(second.service_role_jwt, first.service_role_jwt);
        assert_ne!(second.publishable, first.publishable);
        assert_ne!(second.secret, first.secret);
        let old: Vec<_> = second.old.iter().map(|old| (old.kind, old.ends)).collect();
        for kind in [OldKind::Signing, OldKind::Publishable, OldKind::Secret] {
            assert!(old.contains(&(kind, NOW + 60)), "{old:?}");
        }
        assert_eq!(old.len(), 3, "the old tokens end with their secret");
        assert_eq!(second.next_end(), Some(NOW + 60));

        // A restart finds the same.
        let (again, _) = load_or_create(&db, None, &folder.join("master.key"))
            .await
            .unwrap();
        assert_eq!(again, second);
        assert_eq!(count(&db).await, 11);

        db.clock().advance(SignedDuration::from_secs(60));
        let third = refresh(&db, &master).await.unwrap().unwrap();
        assert!(third.old.is_empty());
        assert_eq!(third.jwt_secret, second.jwt_secret);
        assert_eq!(count(&db).await, 6);
        end(db, folder).await;
    }

    #[tokio::test]
    async fn the_root_outlives_every_rotation() {
        let (db, folder, first, master) = project("root").await;
        assert_ne!(first.root, first.jwt_secret);
        let second = rotate(&db, &master, Which::All, 0).await.unwrap().keys;
        assert_eq!(second.root, first.root);
        assert_eq!(
            second.database_password().expose(),
            first.database_password().expose()
        );
        assert!(second.old.is_empty());
        end(db, folder).await;
    }

    #[tokio::test]
    async fn a_project_without_a_root_keeps_its_first_secret_as_one() {
        let (db, folder, _, master) = project("rootless").await;
        let forget = "delete from plinth.keys where kind = 'root'";
        db.query(&Session::system(), forget, Vec::new())
            .await
            .unwrap();
        let first = refresh(&db, &master).await.unwrap().unwrap();
        assert_eq!(first.root, first.jwt_secret);
        let mut keys = first.clone();
        for _ in 0..2 {
            keys = rotate(&db, &master, Which::Signing, 0).await.unwrap().keys;
            assert_eq!(keys.root, first.root);
            assert_ne!(keys.jwt_secret, first.jwt_secret);
        }
        assert_eq!(keys.publishable, first.publishable);
        end(db, folder).await;
    }

    #[tokio::test]
    async fn a_rotation_brings_the_end_of_old_keys_forward_and_never_back() {
        let (db, folder, _, master) = project("again").await;
        rotate(&db, &master, Which::Signing, 60).await.unwrap();
        let longer = rotate(&db, &master, Which::Signing, 600).await.unwrap();
        let ends: Vec<_> = longer.keys.old.iter().map(|old| old.ends).collect();
        assert_eq!(ends.len(), 2);
        assert!(ends.contains(&(NOW + 60)) && ends.contains(&(NOW + 600)));
        let at_once = rotate(&db, &master, Which::Signing, 0).await.unwrap();
        assert!(at_once.keys.old.is_empty());
        end(db, folder).await;
    }

    #[test]
    fn generated_keys_are_fresh_and_well_formed() {
        let (clock, master) = (clock(), MasterKey([3; 32]));
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
