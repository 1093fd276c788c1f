//! What a server needs before it can serve: roles to become, a login that is nobody, and the rule that opens tables.

use std::time::{Duration, Instant};

use plinth_sql::SqlError;
use plinth_sql::ast::{Grant, GrantObjects, ObjectName};
use plinth_sql::catalog::{AutoExpose, QName};
use plinth_sql::print::{ident, literal};
use postgres_protocol::password;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::pool::Pool;

/// The role that may become the roles of callers, and is nobody by itself.
pub(crate) const AUTHENTICATOR: &str = "authenticator";
/// What the login that requests connect as begins with; the name of the database follows. It is a member of the role above. Roles belong to a
/// whole server, each application on it has a password of its own, and `authenticator` may have somebody's.
const LOGIN: &str = "plinth_authenticator_";
/// What the rule for open tables needs on the server.
const EXPOSURE: &str = include_str!("../sql/exposure.sql");
/// How long the right to prepare a database is waited for before somebody is told.
const SILENCE: Duration = Duration::from_secs(2);
/// Longest wait for a host that takes writes. A failover takes less.
const PRIMARY: Duration = Duration::from_secs(30);
/// The pause before the hosts are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// The pause between two lines about that.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// The oldest server that will do: `security_invoker` came with it.
const OLDEST: u32 = 150_000;

/// The right to prepare the database, which one node at a time has. Ends when dropped.
pub struct Setup {
    engine: Engine,
    _lock: Alone,
}

/// A lock among all nodes on a database, held by a transaction that stays open as long as this lives.
pub struct Alone(#[expect(dead_code, reason = "it is held, not used")] Client);

/// Looks whether the server will do, once there is one that takes writes.
pub(crate) async fn wait_for_primary(engine: &Engine) -> Result<()> {
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let standby = match check_server(engine).await {
            Err(EngineError::Standby(why)) if began.elapsed() < PRIMARY => why,
            other => return other,
        };
        if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            let left = PRIMARY.saturating_sub(began.elapsed()).as_secs();
            tracing::warn!("{standby}\n  waiting for a primary, {left} s at most");
            told = Some(Instant::now());
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn check_server(engine: &Engine) -> Result<()> {
    let lease = engine.0.system.lend().await?;
    let facts = lease.client.simple_query(
        "select current_setting('server_version_num'), current_setting('server_version'), \
         current_setting('server_encoding'), has_database_privilege(current_database(), 'create'), current_database()",
    );
    let facts = lease.drive(facts).await?;
    let facts = facts.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let fact = |place: usize| facts.and_then(|row| row.get(place)).unwrap_or_default();
    let number: u32 = fact(0).parse().unwrap_or_default();
    let (version, encoding, database) = (fact(1), fact(2), fact(4));
    let may_create = fact(3) == "t";
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
        let lock = self.alone("plinth").await?;
        self.refresh().await?;
        self.adopt_accounts().await?;
        Ok(Setup {
            engine: self.clone(),
            _lock: lock,
        })
    }

    /// Accounts that a Supabase stack keeps get the columns that ours have.
    async fn adopt_accounts(&self) -> Result<()> {
        let catalog = self.catalog();
        let is_there = |schema, name| catalog.relation_named(&QName::new(schema, name)).is_some();
        if is_there("plinth", "migrations") || !is_there("auth", "flow_state") {
            return Ok(());
        }
        let lease = self.0.system.lend().await?;
        let script = format!("begin; {} commit", include_str!("../sql/supabase.sql"));
        let adopted = lease.drive(lease.client.batch_execute(&script)).await;
        let adopted = adopted.map_err(|error| {
            let error = EngineError::from(error);
            match error.code() {
                Some("42501") => EngineError::Setup(format!(
                    "the schema `auth` in this database belongs to somebody else, as in a Supabase stack; its tables are `supabase_auth_admin`'s; put a superuser (there it is `supabase_admin`) into `[database] url` in place of `{}`",
                    self.0.system.address().user()
                )),
                _ => error,
            }
        });
        self.finish(lease, adopted)?;
        self.refresh().await?;
        Ok(())
    }

    /// Waits until no other node does what this names.
    pub async fn alone(&self, name: &str) -> Result<Alone, EngineError> {
        let (client, _) = self.0.system.address().connect().await?.carried();
        client
            .batch_execute("begin; set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0")
            .await?;
        // For the transaction and not for the session, which behind a pooler would outlive us.
        let lock = format!(
            "select pg_advisory_xact_lock(hashtextextended({}, 0))",
            literal(name)
        );
        {
            let mut locked = std::pin::pin!(client.batch_execute(&lock));
            match tokio::time::timeout(SILENCE, &mut locked).await {
                Ok(locked) => locked?,
                Err(_) => {
                    tracing::info!("another node is busy with `{name}`; waiting for it");
                    locked.await?;
                }
            }
        }
        Ok(Alone(client))
    }
}

impl Setup {
    /// With the roles and schemas in place: gives requests their login, and opens what the rule opens.
    ///
    /// All nodes must give the same password.
    pub async fn finish(self, request_password: &str) -> Result<(), EngineError> {
        let (client, _) = self.engine.0.system.address().connect().await?.carried();
        let client = &client;
        let rule = match self.engine.0.options.auto_expose {
            AutoExpose::Protected => "protected",
            AutoExpose::All => "all",
            AutoExpose::None => "none",
        };
        // Only where it has changed: a start should not have to wait for a standby that is away.
        if !is_set_up(client, rule).await? {
            client.batch_execute(&format!("begin; {EXPOSURE}")).await?;
            for (name, value) in [("auto_expose", rule), ("exposure", EXPOSURE)] {
                client
                    .execute_typed(
                        "insert into plinth.engine (name, value) values ($1, $2) \
                         on conflict (name) do update set value = excluded.value",
                        &[(&name, Type::TEXT), (&value, Type::TEXT)],
                    )
                    .await?;
            }
            // Scripts may be tried as any of them. Whoever may not grant this is told when a script asks for it.
            let may_be = "do $$ begin grant anon, authenticated, service_role to current_user; exception when others then null; end $$; commit";
            client.batch_execute(may_be).await?;
        }
        expose(client).await?;
        self.let_requests_in(client, request_password).await?;
        self.engine.refresh().await?;
        self.engine.follow();
        Ok(())
    }

    /// Sees to it that requests can connect.
    async fn let_requests_in(&self, client: &Client, secret: &str) -> Result<()> {
        let shared = &self.engine.0;
        let as_login = |name: &str| shared.system.address().with_login(name, secret);
        let name = "select case when length(current_database()) <= 40 then current_database()::text else md5(current_database()) end";
        let row = client.query_typed_one(name, &[]).await?;
        // Names longer than 63 bytes are cut, and two databases must not come to one.
        let login = format!("{LOGIN}{}", row.try_get::<_, String>(0)?);
        let connected = match as_login(&login).connect().await {
            Ok(connected) => connected,
            Err(_) => {
                self.make_login(client, &login, secret).await?;
                as_login(&login).connect().await?
            }
        };
        let (connected, _) = connected.carried();
        may_become(&connected, &login).await?;
        let (most, wait) = (shared.options.connections, shared.options.wait);
        *shared.requests.write() = Pool::new(as_login(&login), most, wait);
        Ok(())
    }

    /// Makes the login, or gives it our password, and lets it in.
    async fn make_login(&self, client: &Client, login: &str, secret: &str) -> Result<()> {
        let exists = client
            .query_typed_opt(
                "select from pg_roles where rolname = $1",
                &[(&login, Type::TEXT)],
            )
            .await?
            .is_some();
        let role = ident(login);
        // Hashed here, so that no log of the server's shows it.
        let hashed = literal(&password::scram_sha_256(secret.as_bytes()));
        let sql = if exists {
            format!("alter role {role} with login password {hashed}")
        } else {
            format!(
                "create role {role} login noinherit password {hashed}; grant {AUTHENTICATOR} to {role}"
            )
        };
        if let Err(error) = crate::roles::insist(client, &sql).await {
            return Err(match error.code() {
                Some("42501") => self.may_not(client, login, exists).await?,
                _ => error,
            });
        }
        // Needless as long as everybody may connect, which can be taken back.
        let database = client
            .query_typed_one("select current_database()::text", &[])
            .await?;
        let connect = format!(
            "grant connect on database {} to {role}",
            ident(&database.try_get::<_, String>(0)?)
        );
        match crate::roles::insist(client, &connect).await {
            // Whoever needs it is told when the login is not let in.
            Err(error) if error.code() == Some("42501") => Ok(()),
            done => done,
        }
    }

    /// Why the login could not be made or changed.
    async fn may_not(&self, client: &Client, login: &str, exists: bool) -> Result<EngineError> {
        let makes_roles =
            "select rolcreaterole or rolsuper from pg_roles where rolname = current_user";
        let row = client.query_typed_one(makes_roles, &[]).await?;
        let user = self.engine.0.system.address().user();
        Ok(EngineError::Setup(match (exists, row.try_get(0)?) {
            (true, _) => may_not_change(user, login),
            (false, false) => may_not_make(user, login),
            (false, true) => may_not_grant(user),
        }))
    }
}

fn may_not_change(user: &str, login: &str) -> String {
    format!(
        "`{user}` may not give the role `{login}` a password: run `alter role {} createrole` as a superuser (and, from PostgreSQL 16 on, `grant {} to {} with admin option`), or put another user into `[database] url`",
        ident(user),
        ident(login),
        ident(user)
    )
}

fn may_not_make(user: &str, login: &str) -> String {
    format!(
        "`{user}` may not make the role `{login}`, which requests connect as: run `alter role {} createrole` as a superuser, or put another user into `[database] url`",
        ident(user)
    )
}

/// From 16 on, `createrole` alone gives no right to roles that another user has made, as the first application on the server did.
fn may_not_grant(user: &str) -> String {
    format!(
        "`{user}` may not grant `{AUTHENTICATOR}`, which another user has made: run `grant {AUTHENTICATOR}, anon, authenticated, service_role to {} with admin option` as a superuser, or put another user into `[database] url`",
        ident(user)
    )
}

/// Whether an earlier start has left the rule for open tables as this one would.
async fn is_set_up(client: &Client, rule: &str) -> Result<bool> {
    let there = "select to_regclass('plinth.engine') is not null";
    let there = client.query_typed_one(there, &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    let same = "select count(*) = 2 from plinth.engine where (name, value) in (('auto_expose', $1), ('exposure', $2))";
    let same = client
        .query_typed_one(same, &[(&rule, Type::TEXT), (&EXPOSURE, Type::TEXT)])
        .await?;
    Ok(same.try_get(0)?)
}

/// Whether the login may become what requests run as.
async fn may_become(client: &Client, login: &str) -> Result<()> {
    let missing: Vec<String> = client
        .query_typed(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_the_grant_to_make() {
        let told = may_not_grant("Shop 2");
        assert!(
            told.contains(
                "`grant authenticator, anon, authenticated, service_role to \"Shop 2\" with admin option`"
            ),
            "{told}"
        );
        let told = may_not_make("shop2", "plinth_authenticator_two");
        assert!(told.contains("`alter role shop2 createrole`"), "{told}");
        let told = may_not_change("shop2", "plinth_authenticator_two");
        assert!(
            told.contains("`grant plinth_authenticator_two to shop2 with admin option`"),
            "{told}"
        );
    }
}
