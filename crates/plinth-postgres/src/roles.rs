//! Our own scripts on a server that other databases share: roles that exist stay as they are, and what only a superuser
//! may give is left out where the server has given us none.

use std::time::Duration;

use plinth_sql::SqlError;
use plinth_sql::ast::{CreateRole, GrantObjects, Statement};
use plinth_sql::print;

use tokio_postgres::Client;

use crate::error::{EngineError, Result};
use crate::transaction::Tx;

/// How often what met another application's start is tried.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Runs a script of ours within the open transaction.
pub(crate) async fn setup_script(tx: &mut Tx, sql: &str) -> Result<Vec<SqlError>> {
    for range in plinth_sql::parse::split(sql) {
        let text = &sql[range.clone()];
        match plinth_sql::parse::statement(text) {
            Ok(Statement::CreateRole(role)) => make_role(tx, &role).await?,
            Ok(Statement::Grant(grant)) if matches!(grant.objects, GrantObjects::Roles(_)) => {
                // `postgres` is whoever owns a server of our making; elsewhere there may be none, and nobody needs it.
                let mut grant = grant;
                let mut known = Vec::new();
                for role in grant.roles {
                    if exists(tx, &role).await? {
                        known.push(role);
                    }
                }
                grant.roles = known;
                if !grant.roles.is_empty() {
                    try_to(tx, &print::statement(&Statement::Grant(grant))).await?;
                }
            }
            Ok(Statement::Comment(_)) => _ = try_to(tx, text).await?,
            Ok(statement) if makes_something(&statement) => make(tx, text, range.start).await?,
            _ => _ = tx.plain(text, range.start).await?,
        }
    }
    Ok(Vec::new())
}

/// Whether a statement makes what a stack that was here before us may have made.
fn makes_something(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateEnum(_)
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::CreateSchema(_)
            | Statement::CreateView(_)
            | Statement::CreatePolicy(_)
    )
}

/// Runs such a statement; what is there already stays as it is.
async fn make(tx: &mut Tx, text: &str, start: usize) -> Result<()> {
    tx.plain("savepoint plinth", 0).await?;
    let made = tx.plain(text, start).await;
    let there = ["42P07", "42710", "42723", "42P06"];
    match made {
        Ok(_) => tx.plain("release savepoint plinth", 0).await?,
        Err(error) if error.code().is_some_and(|code| there.contains(&code)) => {
            tx.plain("rollback to savepoint plinth; release savepoint plinth", 0)
                .await?
        }
        Err(error) => return Err(error),
    };
    Ok(())
}

async fn make_role(tx: &mut Tx, role: &CreateRole) -> Result<()> {
    if exists(tx, &role.name).await? {
        return Ok(());
    }
    let whole = print::statement(&Statement::CreateRole(role.clone()));
    if try_to(tx, &whole).await? {
        return Ok(());
    }
    let modest = CreateRole {
        superuser: None,
        bypass_rls: None,
        replication: None,
        create_role: None,
        create_db: None,
        ..role.clone()
    };
    if try_to(tx, &print::statement(&Statement::CreateRole(modest))).await? {
        return Ok(());
    }
    Err(EngineError::Setup(format!(
        "the user of `[database] url` may not make the role `{}`: run `alter role … createrole` for it as a superuser, or put another user there",
        role.name
    )))
}

async fn exists(tx: &mut Tx, role: &str) -> Result<bool> {
    let sql = format!(
        "select from pg_roles where rolname = {}",
        print::literal(role)
    );
    Ok(tx.plain(&sql, 0).await?.affected > 0)
}

/// Runs a statement that may be refused for want of privileges. False when it was.
async fn try_to(tx: &mut Tx, sql: &str) -> Result<bool> {
    tx.lease.drive(try_on(&tx.lease.client, sql)).await
}

async fn try_on(client: &Client, sql: &str) -> Result<bool> {
    for attempt in 1.. {
        client.batch_execute("savepoint plinth").await?;
        let ran = client.batch_execute(sql).await.map_err(EngineError::from);
        let Err(error) = ran else {
            client.batch_execute("release savepoint plinth").await?;
            break;
        };
        client
            .batch_execute("rollback to savepoint plinth; release savepoint plinth")
            .await?;
        match of_others(&error) {
            Others::Made => break,
            Others::Beside if attempt < TRIES => tokio::time::sleep(PAUSE).await,
            _ if error.code() == Some("42501") => return Ok(false),
            _ => return Err(error),
        }
    }
    Ok(true)
}

/// Runs statements about a role, outside of any transaction, beside others who may be doing the same.
pub(crate) async fn insist(client: &Client, sql: &str) -> Result<()> {
    for attempt in 1.. {
        let Err(error) = client.batch_execute(sql).await.map_err(EngineError::from) else {
            break;
        };
        match of_others(&error) {
            Others::Made => break,
            Others::Beside if attempt < TRIES => tokio::time::sleep(PAUSE).await,
            _ => return Err(error),
        }
    }
    Ok(())
}

/// What an error says of other applications on the server, to which roles belong.
enum Others {
    /// One has just made this.
    Made,
    /// One is changing it now.
    Beside,
    /// Nothing.
    Nothing,
}

fn of_others(error: &EngineError) -> Others {
    match error.code() {
        Some("42710" | "23505") => Others::Made,
        Some("XX000") => Others::Beside,
        _ => Others::Nothing,
    }
}
