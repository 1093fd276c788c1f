//! What a server needs before it can serve: roles to become, a login that is nobody, and the rule that opens tables.

use plinth_sql::SqlError;
use plinth_sql::ast::{Grant, GrantObjects, ObjectName};
use plinth_sql::catalog::AutoExpose;
use plinth_sql::print::{ident, literal};
use postgres_protocol::password;
use tokio_postgres::Client;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::pool::Pool;

/// Whom requests connect as: it may become the roles of callers, and is nobody by itself.
pub(crate) const LOGIN: &str = "authenticator";
/// The same in a database whose `authenticator` belongs to somebody else, whose password we must not change.
const OWN_LOGIN: &str = "plinth_authenticator";
/// The oldest server that will do: `security_invoker` came with it.
const OLDEST: i32 = 150_000;
/// The lock of whoever changes the schema for all nodes: "plinth" in ASCII.
const SETUP_LOCK: i64 = 0x0000_706c_696e_7468;

/// The right to prepare the database, which one node at a time has. Ends when dropped.
pub struct Setup {
    engine: Engine,
    /// Holds the lock as long as it lives.
    client: Client,
    /// The login existed before us.
    foreign_login: bool,
}

/// Looks whether a server will do.
pub(crate) async fn check_server(engine: &Engine) -> Result<()> {
    let lease = engine.0.system.lend().await?;
    let row = lease
        .client
        .query_one(
            "select current_setting('server_version_num')::int4, current_setting('server_version'), \
             current_setting('server_encoding'), has_database_privilege(current_database(), 'create'), current_database()::text",
            &[],
        )
        .await?;
    let number: i32 = row.try_get(0)?;
    let version: &str = row.try_get(1)?;
    let encoding: &str = row.try_get(2)?;
    let may_create: bool = row.try_get(3)?;
    let database: &str = row.try_get(4)?;
    let host = engine.0.system.address().display();
    let user = engine.0.system.address().user();
    if number < OLDEST {
        return Err(EngineError::Setup(format!(
            "the server at {host} is PostgreSQL {version}; 15 or later is needed: upgrade it, or name another one in `[database] url`"
        )));
    }
    if encoding != "UTF8" {
        return Err(EngineError::Setup(format!(
            "the database `{database}` at {host} is encoded in {encoding}; make one with `create database … encoding 'UTF8'` and name it in `[database] url`"
        )));
    }
    if !may_create {
        return Err(EngineError::Setup(format!(
            "`{user}` may not create schemas in `{database}`: run `grant create on database {} to {}` as its owner, or put another user into `[database] url`",
            ident(database),
            ident(user)
        )));
    }
    lease.settle();
    Ok(())
}

impl Engine {
    /// Waits for the right to prepare the database, and reads its catalog as whoever had it left it.
    pub async fn set_up(&self) -> Result<Setup, EngineError> {
        let (client, _) = self.0.system.address().connect().await?;
        client
            .query_one("select pg_advisory_lock($1)", &[&SETUP_LOCK])
            .await?;
        self.refresh().await?;
        let foreign_login = self.catalog().roles.contains_key(LOGIN);
        Ok(Setup {
            engine: self.clone(),
            client,
            foreign_login,
        })
    }
}

impl Setup {
    /// With the roles and schemas in place: gives requests their login, and opens what the rule opens.
    ///
    /// All nodes must give the same password.
    pub async fn finish(self, request_password: &str) -> Result<(), EngineError> {
        let client = &self.client;
        client
            .batch_execute(&format!("begin; {}", include_str!("../sql/exposure.sql")))
            .await?;
        let rule = match self.engine.0.options.auto_expose {
            AutoExpose::Protected => "protected",
            AutoExpose::All => "all",
            AutoExpose::None => "none",
        };
        client
            .execute(
                "insert into plinth.engine (name, value) values ('auto_expose', $1) \
                 on conflict (name) do update set value = excluded.value",
                &[&rule],
            )
            .await?;
        expose(client).await?;
        client.batch_execute("commit").await?;
        self.let_requests_in(request_password).await?;
        self.engine.refresh().await?;
        self.engine.follow();
        Ok(())
    }

    /// Sees to it that requests can connect.
    async fn let_requests_in(&self, secret: &str) -> Result<()> {
        let shared = &self.engine.0;
        let as_login = |name: &str| shared.system.address().with_login(name, secret);
        let mut refusal = None;
        for login in [LOGIN, OWN_LOGIN] {
            let may_change = login == OWN_LOGIN || !self.foreign_login;
            if may_change {
                self.make_login(login, secret).await?;
            }
            match as_login(login).connect().await {
                Ok((client, _)) => {
                    may_become(&client, login).await?;
                    let (most, wait) = (shared.options.connections, shared.options.wait);
                    *shared.requests.write() = Pool::new(as_login(login), most, wait);
                    return Ok(());
                }
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or(EngineError::Closed))
    }

    /// Makes the login, or gives it our password.
    async fn make_login(&self, login: &str, secret: &str) -> Result<()> {
        let client = &self.client;
        let exists = client
            .query_opt("select from pg_roles where rolname = $1", &[&login])
            .await?
            .is_some();
        if !exists {
            let make = format!("create role {login} login noinherit; grant {LOGIN} to {login};");
            client.batch_execute(&make).await?;
        }
        // Hashed here, so that no log of the server's shows it.
        let hashed = password::scram_sha_256(secret.as_bytes());
        let give = format!(
            "alter role {login} with login password {}",
            literal(&hashed)
        );
        client.batch_execute(&give).await.map_err(|error| {
            let error = EngineError::from(error);
            match error.code() {
                Some("42501") => EngineError::Setup(format!(
                    "`{}` may not give the role `{login}` a password: grant it `createrole` (and admin option on `{login}`), or put a superuser into `[database] url`",
                    self.engine.0.system.address().user()
                )),
                _ => error,
            }
        })
    }
}

/// Whether the login may become what requests run as.
async fn may_become(client: &Client, login: &str) -> Result<()> {
    let missing: Vec<String> = client
        .query(
            "select name from unnest(array['anon', 'authenticated', 'service_role']) name \
             where not exists (select from pg_roles where rolname = name) or not pg_has_role(current_user, name, 'member')",
            &[],
        )
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(EngineError::Setup(format!(
        "requests connect as `{login}`, which may not become {missing}: run `grant {missing} to {login}` as a superuser"
    )))
}

/// Brings privileges in line with `[api] auto_expose`, within the open transaction.
pub(crate) async fn expose(client: &Client) -> Result<()> {
    // Not there while our own schemas are being made.
    client
        .batch_execute(
            "do $$ begin if to_regprocedure('plinth.expose()') is not null then perform plinth.expose(); end if; end $$",
        )
        .await
        .map_err(EngineError::from)
}

/// The same by itself, when others may have changed the schema. One node does it.
pub(crate) async fn expose_apart(client: &Client) -> Result<()> {
    client
        .batch_execute(
            "begin; set local lock_timeout = '1s'; \
             do $$ begin if pg_try_advisory_xact_lock(hashtext('plinth.expose')) \
               and to_regprocedure('plinth.expose()') is not null then perform plinth.expose(); end if; end $$; \
             commit",
        )
        .await
        .map_err(EngineError::from)
}

/// Ends that rule for the relations that a `GRANT` or `REVOKE` is about to name.
pub(crate) async fn end_rule(client: &Client, grant: &Grant) -> Result<()> {
    let columns_alone =
        !grant.privileges.is_empty() && grant.privileges.iter().all(|one| !one.columns.is_empty());
    if grant.revoke && columns_alone {
        return Ok(());
    }
    let names = |objects: &[ObjectName]| {
        let names: Vec<String> = objects.iter().map(plinth_sql::print::object_name).collect();
        format!(
            "select to_regclass(name)::oid as oid from unnest(array[{}]::text[]) name",
            names
                .iter()
                .map(|name| literal(name))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let in_schemas = |schemas: &[String], kinds: &str| {
        let schemas: Vec<String> = schemas.iter().map(|schema| literal(schema)).collect();
        format!(
            "select oid from pg_class where relkind = any ('{kinds}') and relnamespace::regnamespace::text = any (array[{}]::text[])",
            schemas.join(", ")
        )
    };
    let which = match &grant.objects {
        GrantObjects::Tables(objects) | GrantObjects::Sequences(objects) => names(objects),
        GrantObjects::AllTables(schemas) => in_schemas(schemas, "{r,p,v,m,f}"),
        GrantObjects::AllSequences(schemas) => in_schemas(schemas, "{S}"),
        GrantObjects::Functions(_)
        | GrantObjects::AllFunctions(_)
        | GrantObjects::Schemas(_)
        | GrantObjects::Types(_)
        | GrantObjects::Other(_)
        | GrantObjects::Roles(_)
        | GrantObjects::Default(_) => return Ok(()),
    };
    let sql = format!(
        "do $plinth$ begin if to_regprocedure('plinth.end_rule(oid,boolean)') is not null then \
         perform plinth.end_rule(oid, {}) from ({which}) named; end if; end $plinth$",
        grant.revoke
    );
    client.batch_execute(&sql).await.map_err(|error| {
        let error = EngineError::from(error);
        match error {
            EngineError::Sql(said) => EngineError::from(SqlError {
                span: None,
                ..*said
            }),
            other => other,
        }
    })
}
