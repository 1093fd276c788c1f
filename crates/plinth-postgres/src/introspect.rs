//! The catalog of a live server, read from its system tables.
//!
//! What the embedded engine learns from the statements it runs, this engine learns by asking. Each file below tells one
//! kind of object: the one query that lists them, and how its rows become parts of a [`Catalog`]. All questions are asked
//! at once, in one transaction, so that the answers are of one moment and cost one round trip.
//!
//! The snapshot serves planning and documentation alone. Policies, constraints and functions are run by the server, so
//! what our parser does not know (an operator, an aggregate in a view) is kept as a harmless stand-in.

mod acls;
mod columns;
mod constraints;
mod default_privileges;
mod deparsed;
mod enums;
mod fingerprint;
mod functions;
mod indexes;
mod policies;
mod relations;
mod roles;
mod schemas;
mod sequences;
mod triggers;
mod types;

use std::collections::BTreeMap;

use plinth_sql::catalog::{AutoExpose, Catalog};
use tokio_postgres::{Client, Error, Row};

pub(crate) use fingerprint::FINGERPRINT;

/// Parts of relations, by the relation's oid.
type ByRelation<T> = BTreeMap<u32, Vec<T>>;

/// Reads what the schema holds, in one snapshot.
///
/// The client must be in a transaction that is `repeatable read, read only`, with an empty `search_path`: expressions
/// and views come back as text, in which names have their schema only when it is not on the path. The role needs no
/// privileges but those that everyone has on `pg_catalog`.
///
/// The server prints expressions by its newest state and not by the transaction's, so when a schema changes in the very
/// moment it is read, an expression may be missing, or the server may raise `XX000`. The next fingerprint differs then.
pub(crate) async fn catalog(
    client: &Client,
    version: u64,
    auto_expose: AutoExpose,
) -> Result<Catalog, Error> {
    let (
        acls,
        types,
        schemas,
        roles,
        relations,
        columns,
        constraints,
        indexes,
        policies,
        triggers,
        enums,
        sequences,
        functions,
        default_privileges,
    ) = tokio::try_join!(
        rows(client, acls::QUERY),
        rows(client, types::QUERY),
        rows(client, schemas::QUERY),
        rows(client, roles::QUERY),
        rows(client, relations::QUERY),
        rows(client, columns::QUERY),
        rows(client, constraints::QUERY),
        rows(client, indexes::QUERY),
        rows(client, policies::QUERY),
        rows(client, triggers::QUERY),
        rows(client, enums::QUERY),
        rows(client, sequences::QUERY),
        rows(client, functions::QUERY),
        rows(client, default_privileges::QUERY),
    )?;

    let mut acls = acls::read(&acls)?;
    let types = types::read(&types)?;
    let sequences = sequences::read(&sequences, &mut acls)?;
    let mut columns = columns::read(&columns, &types, &sequences.identities, &mut acls)?;
    let parts = relations::Parts {
        constraints: constraints::read(&constraints)?,
        indexes: indexes::read(&indexes)?,
        policies: policies::read(&policies)?,
        triggers: triggers::read(&triggers)?,
    };
    let relations = relations::read(&relations, &mut columns, parts, &mut acls)?;
    // What is left of the columns belongs to composite types.
    let functions = functions::read(&functions, &types, &columns, &mut acls)?;
    Ok(Catalog {
        version,
        // The server gives oids itself.
        next_oid: 0,
        schemas: schemas::read(&schemas, &mut acls)?,
        relations,
        enums: enums::read(&enums)?,
        sequences: sequences.all,
        functions,
        roles: roles::read(&roles)?,
        default_privileges: default_privileges::read(&default_privileges, &mut acls)?,
        auto_expose,
    })
}

/// Without a named statement: one message and one answer each, also behind a pooler.
async fn rows(client: &Client, query: &str) -> Result<Vec<Row>, Error> {
    client.query_typed(query, &[]).await
}
