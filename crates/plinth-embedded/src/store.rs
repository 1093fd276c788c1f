//! The catalog inside the file: one row an object, its definition as JSON with SQL text for expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::catalog::{
    AutoExpose, Catalog, DefaultPrivilege, EnumType, Function, QName, Relation, Role, Schema,
    Sequence,
};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::APPLICATION_ID;
use crate::error::{EngineError, Result};
use crate::state::{SequenceValue, Sequences};

/// The version of the file's layout. See `docs/on-disk-format.md`.
pub(crate) const FORMAT_VERSION: i32 = 1;

/// Reads the catalog, or makes the first one in an empty file.
pub(crate) fn open(
    sqlite: &Connection,
    auto_expose: AutoExpose,
    sequences: &Sequences,
) -> Result<Catalog> {
    let id: i32 = sqlite.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let format: i32 = sqlite.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 =
        sqlite.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && id == 0 {
        return create(sqlite, auto_expose);
    }
    if id != APPLICATION_ID {
        return Err(not_ours());
    }
    if format > FORMAT_VERSION {
        return Err(EngineError::Internal(format!(
            "the database has format {format}, this version of plinth knows formats up to {FORMAT_VERSION}; use a newer plinth"
        )));
    }
    read(sqlite, auto_expose, sequences)
}

/// The error for a file of another program.
pub(crate) fn not_ours() -> EngineError {
    EngineError::Internal("the file is not a Plinth database".into())
}

fn create(sqlite: &Connection, auto_expose: AutoExpose) -> Result<Catalog> {
    sqlite.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE plinth_catalog(kind TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID;
         CREATE TABLE plinth_sequences(name TEXT PRIMARY KEY, last INTEGER NOT NULL, called INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    )?;
    sqlite.pragma_update(None, "application_id", APPLICATION_ID)?;
    sqlite.pragma_update(None, "user_version", FORMAT_VERSION)?;
    let mut catalog = Catalog::bootstrap();
    catalog.auto_expose = auto_expose;
    save(sqlite, &Catalog::default(), &catalog)?;
    sqlite.execute_batch("COMMIT")?;
    Ok(catalog)
}

/// Writes what differs between two snapshots, within the open transaction.
pub(crate) fn save(sqlite: &Connection, old: &Catalog, new: &Catalog) -> Result<()> {
    save_map(
        sqlite,
        "schema",
        &old.schemas,
        &new.schemas,
        Clone::clone,
        |a, b| a == b,
    )?;
    save_map(
        sqlite,
        "role",
        &old.roles,
        &new.roles,
        Clone::clone,
        |a, b| a == b,
    )?;
    save_map(
        sqlite,
        "relation",
        &old.relations,
        &new.relations,
        full_name,
        same::<Relation>,
    )?;
    save_map(
        sqlite,
        "enum",
        &old.enums,
        &new.enums,
        full_name,
        same::<EnumType>,
    )?;
    save_map(
        sqlite,
        "sequence",
        &old.sequences,
        &new.sequences,
        full_name,
        same::<Sequence>,
    )?;
    save_map(
        sqlite,
        "function",
        &old.functions,
        &new.functions,
        full_name,
        |a, b| a == b,
    )?;
    if old.default_privileges != new.default_privileges || old.version == 0 {
        put(
            sqlite,
            "meta",
            "default_privileges",
            &new.default_privileges,
        )?;
    }
    put(sqlite, "meta", "counters", &(new.version, new.next_oid))
}

fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn full_name(name: &QName) -> String {
    serde_json::json!([name.schema, name.name]).to_string()
}

fn save_map<K: Ord, V: Serialize>(
    sqlite: &Connection,
    kind: &str,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    name: impl Fn(&K) -> String,
    same: impl Fn(&V, &V) -> bool,
) -> Result<()> {
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        sqlite
            .prepare_cached("DELETE FROM plinth_catalog WHERE kind = ?1 AND name = ?2")?
            .execute((kind, name(key)))?;
    }
    for (key, value) in new {
        if !old.get(key).is_some_and(|known| same(known, value)) {
            put(sqlite, kind, &name(key), value)?;
        }
    }
    Ok(())
}

fn put(sqlite: &Connection, kind: &str, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|error| EngineError::Internal(format!("catalog: {error}")))?;
    sqlite
        .prepare_cached("INSERT OR REPLACE INTO plinth_catalog VALUES (?1, ?2, ?3)")?
        .execute((kind, name, text))?;
    Ok(())
}

fn read(sqlite: &Connection, auto_expose: AutoExpose, sequences: &Sequences) -> Result<Catalog> {
    let mut catalog = Catalog {
        auto_expose,
        ..Catalog::default()
    };
    let mut statement = sqlite.prepare("SELECT kind, name, definition FROM plinth_catalog")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, text): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match kind.as_str() {
            "schema" => {
                catalog.schemas.insert(name, decode::<Schema>(&text)?);
            }
            "role" => {
                catalog.roles.insert(name, decode::<Role>(&text)?);
            }
            "relation" => {
                let relation: Relation = decode(&text)?;
                catalog
                    .relations
                    .insert(relation.name.clone(), Arc::new(relation));
            }
            "enum" => {
                let found: EnumType = decode(&text)?;
                catalog.enums.insert(found.name.clone(), Arc::new(found));
            }
            "sequence" => {
                let found: Sequence = decode(&text)?;
                catalog
                    .sequences
                    .insert(found.name.clone(), Arc::new(found));
            }
            "function" => {
                let found: Vec<Function> = decode(&text)?;
                if let Some(first) = found.first() {
                    catalog.functions.insert(
                        first.name.clone(),
                        found.into_iter().map(Arc::new).collect(),
                    );
                }
            }
            "meta" if name == "default_privileges" => {
                catalog.default_privileges = decode::<Vec<DefaultPrivilege>>(&text)?;
            }
            "meta" if name == "counters" => {
                (catalog.version, catalog.next_oid) = decode(&text)?;
            }
            other => {
                return Err(EngineError::Internal(format!(
                    "the catalog holds an unknown kind of object: {other}"
                )));
            }
        }
    }
    drop(rows);
    for name in catalog.sequences.keys() {
        let value: Option<(i64, bool)> = sqlite
            .query_row(
                "SELECT last, called FROM plinth_sequences WHERE name = ?1",
                [full_name(name)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        if let Some((last, called)) = value {
            sequences.set(name, last, called, false);
        }
    }
    Ok(catalog)
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        EngineError::Internal(format!("the catalog cannot be read: {error}: {text}"))
    })
}

/// The version of the catalog as the open transaction sees it.
pub(crate) fn version(sqlite: &Connection) -> Result<u64> {
    let text: String = sqlite
        .prepare_cached(
            "SELECT definition FROM plinth_catalog WHERE kind = 'meta' AND name = 'counters'",
        )?
        .query_row([], |row| row.get(0))?;
    let (version, _next_oid): (u64, u32) = decode(&text)?;
    Ok(version)
}

/// Writes where sequences stand, within the open transaction.
pub(crate) fn save_sequences(sqlite: &Connection, values: &[(QName, SequenceValue)]) -> Result<()> {
    for (name, value) in values {
        sqlite
            .prepare_cached("INSERT OR REPLACE INTO plinth_sequences VALUES (?1, ?2, ?3)")?
            .execute((full_name(name), value.last, value.called))?;
    }
    Ok(())
}

/// Forgets sequences that are gone.
pub(crate) fn drop_sequence(sqlite: &Connection, name: &QName) -> Result<()> {
    sqlite
        .prepare_cached("DELETE FROM plinth_sequences WHERE name = ?1")?
        .execute([full_name(name)])?;
    Ok(())
}
