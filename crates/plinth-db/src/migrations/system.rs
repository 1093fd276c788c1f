//! The migrations of our own modules, compiled into the binary.

use std::collections::BTreeMap;
use std::path::Path;

use plinth_sql::catalog::QName;

use super::apply::FileError;
use super::{MigrationError, checksum, session};
use crate::{Db, Param, Session, Transaction};

/// A module's migrations.
#[derive(Clone, Copy, Debug)]
pub struct SystemModule {
    /// Its name: `base`, `auth`.
    pub name: &'static str,
    /// Version, name and SQL of each, in order.
    pub migrations: &'static [SystemMigration],
}

/// Version, name and SQL.
pub type SystemMigration = (&'static str, &'static str, &'static str);

/// Brings every module up to date, in the order given. The first module makes the bookkeeping table itself, so on a
/// fresh database its files run first and are written down together, in one transaction.
pub async fn apply_system(db: &Db, modules: &[SystemModule]) -> Result<(), MigrationError> {
    let known = if is_fresh(db) {
        BTreeMap::new()
    } else {
        applied(db).await?
    };
    let is_ours = |(module, version): &&(String, String)| {
        let ours = modules.iter().find(|ours| ours.name == module);
        ours.is_some_and(|ours| ours.migrations.iter().any(|(known, ..)| known == version))
    };
    if let Some((module, version)) = known.keys().find(|migration| !is_ours(migration)) {
        return Err(MigrationError::NewerSystem {
            module: module.clone(),
            version: version.clone(),
        });
    }
    for module in modules {
        let mut pending = Vec::new();
        for migration in module.migrations {
            let (version, _, sql) = *migration;
            match known.get(&(module.name.to_owned(), version.to_owned())) {
                None => pending.push(*migration),
                Some(stored) if *stored == checksum(sql) => {}
                Some(_) => {
                    return Err(MigrationError::ForeignSystem {
                        module: module.name,
                        version,
                    });
                }
            }
        }
        if !pending.is_empty() {
            run(db, module.name, pending).await?;
        }
    }
    Ok(())
}

/// Whether the database was made by an earlier version whose modules had fewer migrations. A fresh one is not behind.
pub async fn system_is_behind(db: &Db, modules: &[SystemModule]) -> Result<bool, MigrationError> {
    if is_fresh(db) {
        return Ok(false);
    }
    let known = applied(db).await?;
    let mut wanted = modules.iter().flat_map(|module| {
        let versions = module.migrations.iter().map(|(version, ..)| *version);
        versions.map(|version| (module.name.to_owned(), version.to_owned()))
    });
    Ok(wanted.any(|migration| !known.contains_key(&migration)))
}

fn is_fresh(db: &Db) -> bool {
    db.catalog()
        .relation_named(&QName::new("plinth", "migrations"))
        .is_none()
}

async fn applied(db: &Db) -> Result<BTreeMap<(String, String), String>, MigrationError> {
    let rows = db
        .query(
            &Session::system(),
            "select module, version, checksum from plinth.migrations",
            Vec::new(),
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                (row.text("module")?, row.text("version")?),
                row.text("checksum")?,
            ))
        })
        .collect()
}

/// All pending files of a module in one transaction: a module is up to date or as it was.
async fn run(
    db: &Db,
    module: &'static str,
    pending: Vec<SystemMigration>,
) -> Result<(), MigrationError> {
    let work = move |tx: &mut Transaction<'_>| -> Result<(), FileError> {
        for (version, name, sql) in &pending {
            tx.setup_script(sql).map_err(|error| {
                let path = format!("{module}/{version}_{name}.sql");
                FileError(MigrationError::in_file(Path::new(&path), sql, error))
            })?;
        }
        for (version, _, sql) in &pending {
            tx.query(
                "insert into plinth.migrations (module, version, checksum) values ($1, $2, $3)",
                &[
                    Param::from(module),
                    Param::from(*version),
                    Param::from(checksum(sql)),
                ],
            )?;
        }
        Ok(())
    };
    db.transaction(&session(), work)
        .await
        .map_err(|FileError(error)| error)
}
